//! The operator on a real API server, against the simulated platform. All tests share one control plane; each has a
//! namespace, a simulator and an operator of its own. What the platform holds is read from the simulator, never
//! through the operator.
//!
//! Tests start in the order of their names: what takes minutes is in a module that comes early, such as `applied` and `bulk`.

mod api_server;
mod applied;
mod backup;
mod budget;
mod bulk;
mod connectivity;
mod docs;
mod drift;
mod fleet;
mod gitops;
mod hints;
mod install;
mod lifecycle;
mod logins;
mod manifests;
mod meters;
mod mistakes;
mod operations;
mod packaged;
mod plugin;
mod portal;
mod quiet;
mod quotas;
mod replicas;
mod secrets;
mod sms;
mod support;
mod tenants;
mod traces;
mod triggers;
mod verdicts;

/// The operator's: with that of glibc a quarter of what these tests compute is allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
