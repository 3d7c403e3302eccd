//! Workspace objects of either kind, as their controllers see them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    sync::Arc,
};

use emnify_engine::{cluster::workspaces::Allows, kind::spec::WorkspaceKey};
use kube::Api;
use parking_lot::RwLock;
use serde::de::DeserializeOwned;

use super::spec::{ClusterWorkspace, Workspace, WorkspaceObject};

/// A workspace object that this controller can serve.
pub trait Served: WorkspaceObject + Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    /// The API that the object is written through.
    fn api(client: kube::Client, namespace: Option<&str>) -> Api<Self>;
    /// Who may use it; `None` for everybody in its own namespace.
    fn allows(&self, namespaces: &NamespaceLabels) -> Option<Allows>;
}

/// Which workspace it is.
pub(super) fn key_of<W: WorkspaceObject>(object: &W) -> WorkspaceKey {
    WorkspaceKey {
        namespace: object.meta().namespace.clone(),
        name: object.meta().name.clone().unwrap_or_default(),
    }
}

/// Labels of namespaces, as last seen.
#[derive(Clone, Debug, Default)]
pub struct NamespaceLabels(Arc<RwLock<HashMap<String, BTreeMap<String, String>>>>);

impl NamespaceLabels {
    /// Replaces the labels of a namespace, `None` when it is gone; true if they differ.
    pub fn set(&self, namespace: &str, labels: Option<BTreeMap<String, String>>) -> bool {
        let mut all = self.0.write();
        match labels {
            Some(labels) if all.get(namespace) == Some(&labels) => false,
            Some(labels) => {
                all.insert(namespace.to_owned(), labels);
                true
            }
            None => all.remove(namespace).is_some(),
        }
    }

    fn of(&self, namespace: &str) -> BTreeMap<String, String> {
        self.0.read().get(namespace).cloned().unwrap_or_default()
    }
}

impl Served for Workspace {
    fn api(client: kube::Client, namespace: Option<&str>) -> Api<Self> {
        namespace.map_or_else(|| Api::all(client.clone()), |n| Api::namespaced(client.clone(), n))
    }
    fn allows(&self, _: &NamespaceLabels) -> Option<Allows> {
        None
    }
}

impl Served for ClusterWorkspace {
    fn api(client: kube::Client, _: Option<&str>) -> Api<Self> {
        Api::all(client)
    }
    fn allows(&self, namespaces: &NamespaceLabels) -> Option<Allows> {
        let (spec, namespaces) = (self.spec.clone(), namespaces.clone());
        Some(Arc::new(move |who| spec.admits(who, &namespaces.of(who.namespace))))
    }
}
