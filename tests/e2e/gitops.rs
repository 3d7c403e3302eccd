//! GitOps: what Argo CD and Flux apply converges, and then nobody writes any more. Every example is applied as each of
//! them applies it, by the field manager that it uses.

mod accepted;
mod approval;
mod flux;
mod manifests;
mod ownership;
mod quiet;
mod renaming;
mod taken_back;
