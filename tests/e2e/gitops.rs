//! GitOps: what Argo CD and Flux do beside applying, which is in `applied`: owning fields, approving, renaming, taking back.
//! Every example is applied as each of them applies it, by the field manager that it uses.

mod accepted;
mod approval;
mod flux;
pub(crate) mod manifests;
mod ownership;
mod renaming;
mod taken_back;
