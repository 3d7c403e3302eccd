//! The control plane of a stage: its own, or the one that the tests of a process share.

use anyhow::{Result, ensure};
use emnify_devenv::{ControlPlane, Namespace, Options};

use super::crds;

/// Where a stage is set up.
#[derive(Debug)]
pub enum Place {
    /// A fresh namespace in the control plane that this process shares.
    Shared {
        /// Of the namespace's name.
        prefix: String,
    },
    /// A control plane of its own.
    Own {
        /// The namespace, which is created.
        namespace: String,
        /// Keep logs and state afterwards.
        keep: bool,
    },
}

/// A control plane, owned or shared.
#[derive(Debug)]
pub(super) enum Plane {
    Own(Box<ControlPlane>),
    Shared(&'static ControlPlane),
}

impl Plane {
    pub(super) fn get(&self) -> &ControlPlane {
        match self {
            Self::Own(plane) => plane,
            Self::Shared(plane) => plane,
        }
    }
}

/// The namespace of a stage.
#[derive(Debug)]
pub(super) enum Home {
    /// Goes with its control plane.
    Named(String),
    /// Deleted when dropped.
    Fresh(Namespace),
}

impl Home {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Fresh(namespace) => namespace.name(),
        }
    }
}

/// A control plane that serves all CRDs, and the namespace in it.
pub(super) async fn open(at: Place) -> Result<(Plane, Home)> {
    match at {
        Place::Shared { prefix } => {
            let options = || Options { manifests: crds::manifests(), ..Options::default() };
            let plane = emnify_devenv::shared_with(options).await;
            Ok((Plane::Shared(plane), Home::Fresh(plane.namespace(&prefix).await?)))
        }
        Place::Own { namespace, keep } => {
            let options = Options { manifests: crds::manifests(), keep, ..Options::default() };
            let plane = ControlPlane::start(options).await?;
            let created = plane.kubectl(&["create", "namespace", &namespace]).await?;
            ensure!(created.status.success(), "no namespace {namespace}: {}", created.stderr.trim());
            Ok((Plane::Own(Box::new(plane)), Home::Named(namespace)))
        }
    }
}
