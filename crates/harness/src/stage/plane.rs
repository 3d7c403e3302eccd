//! The control plane of a stage: its own, or the one that the tests of a process share.

use anyhow::{Context as _, Result};
use emnify_devenv::{ControlPlane, Options};
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};

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

/// A control plane that serves all CRDs.
pub(super) async fn open(at: &Place) -> Result<Plane> {
    let options = || Options { manifests: crds::manifests(), ..Options::default() };
    Ok(match *at {
        Place::Shared { .. } => Plane::Shared(emnify_devenv::shared_with(options).await),
        Place::Own { keep, .. } => {
            Plane::Own(Box::new(ControlPlane::start(Options { keep, ..options() }).await?))
        }
    })
}

/// Creates the namespace, and says its name.
pub(super) async fn home(at: &Place, client: Client) -> Result<String> {
    let name = match at {
        Place::Shared { prefix } => format!("{prefix}-{:08x}", rand::random::<u32>()),
        Place::Own { namespace, .. } => namespace.clone(),
    };
    let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    let created = Api::all(client).create(&PostParams::default(), &namespace).await;
    created.with_context(|| format!("no namespace {name}"))?;
    Ok(name)
}
