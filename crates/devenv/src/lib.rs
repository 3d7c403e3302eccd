//! A real Kubernetes control plane on loopback, for tests and the demo: etcd, kube-apiserver with RBAC and default
//! admission, kube-controller-manager (garbage collection, namespaces, service accounts) and kubectl. No kubelet, no
//! scheduler: objects are real, pods never run.
//!
//! ```no_run
//! # async fn test() -> Result<(), emnify_devenv::Error> {
//! let plane = emnify_devenv::shared().await;
//! let namespace = plane.namespace("apply").await?;
//! let output = plane.kubectl(&["get", "configmaps", "--namespace", &namespace]).await?;
//! assert!(output.status.success(), "{}", output.stderr);
//! # Ok(())
//! # }
//! ```
//!
//! The programs come from `KUBEBUILDER_ASSETS`, or are built once per user with Go into `EMNIFY_DEVENV_CACHE` (by
//! default `emnify-devenv` in `XDG_CACHE_HOME` or `~/.cache`). `KEEP=1` keeps logs and state and says where.
//!
//! The garbage collector learns of a new custom resource within 30 s of its definition; until then objects owned by
//! one stay. Owners of built-in kinds are followed at once.

mod assets;
mod components;
mod error;
mod identity;
mod kubectl;
mod namespace;
mod plane;
mod signing;
mod start;
mod tail;
mod watchdog;

use tokio::sync::OnceCell;

pub use error::Error;
pub use identity::Identity;
pub use kubectl::Output;
pub use namespace::Namespace;
pub use plane::{ControlPlane, Options};

/// The control plane that all tests of this process share, started by the first that asks. It ends with the process.
///
/// # Panics
///
/// When it cannot start: with one sentence that says what is missing, in every test that asks.
pub async fn shared() -> &'static ControlPlane {
    static SHARED: OnceCell<Result<ControlPlane, Error>> = OnceCell::const_new();
    match SHARED.get_or_init(|| ControlPlane::start(Options::default())).await {
        Ok(plane) => plane,
        Err(error) => panic!("no control plane: {error}"),
    }
}
