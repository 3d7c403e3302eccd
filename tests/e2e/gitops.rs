//! GitOps: what Argo CD and Flux do beside applying, which is in `applied`: owning fields, approving, renaming, taking back.

mod accepted;
mod approval;
mod flux;
mod ownership;
mod renaming;
mod taken_back;
