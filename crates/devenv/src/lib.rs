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
//! [`tools`] has the programs that check what is shipped, built into the same cache.
//!
//! The garbage collector looks for new custom resources every 30 s and then takes a while; until then objects owned by
//! one stay. Definitions given in [`Options::manifests`] it knows from the start.

mod assets;
mod components;
mod error;
mod identity;
mod kubectl;
mod namespace;
mod options;
mod plane;
mod signing;
mod start;
mod tail;
pub mod tools;
mod watchdog;

use tokio::sync::OnceCell;

pub use error::Error;
pub use identity::Identity;
pub use kubectl::Output;
pub use namespace::Namespace;
pub use options::Options;
pub use plane::ControlPlane;

/// The control plane that all tests of this process share, started by the first that asks. It ends with the process.
///
/// # Panics
///
/// When it cannot start: with one sentence that says what is missing, in every test that asks.
pub async fn shared() -> &'static ControlPlane {
    shared_with(Options::default).await
}

/// The same, with options; those of the first that asks hold for all.
///
/// # Panics
///
/// As [`shared`].
pub async fn shared_with(options: impl FnOnce() -> Options) -> &'static ControlPlane {
    static SHARED: OnceCell<Result<ControlPlane, Error>> = OnceCell::const_new();
    match SHARED.get_or_init(|| ControlPlane::start(options())).await {
        Ok(plane) => plane,
        Err(error) => panic!("no control plane: {error}"),
    }
}
