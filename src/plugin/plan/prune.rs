//! What carries this installation's mark and is in no manifest.

use std::collections::{BTreeSet, HashSet};

use anyhow::Result;
use emnify::{Api, Cursor};
use emnify_engine::kind::{
    FINALIZER, Kind, Managed,
    set::ObjectSet,
    spec::{WorkspaceKey, WorkspaceKind},
    task::Task,
    trigger::Trigger,
};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use kube::Resource;
use serde_json::{Value, json};

use super::{kinds::Sort, scene::path_of};
use crate::{
    kinds::{EndpointSet, Visitor, export::Export, for_each},
    plugin::emnify::mended,
};

/// Something in emnify that is marked as an operator's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    kind: &'static str,
    id: String,
    /// `installation/namespace/name`, or only `installation` where marks are shared.
    mark: String,
}

type Reading<'a> = BoxFuture<'a, Result<Vec<Marked>>>;

/// Everything that carries a mark; a kind that cannot be read is told.
pub async fn marked(api: &Api, notes: &mut BTreeSet<String>) -> Vec<Marked> {
    struct Collect<'a>(&'a Api, Vec<(&'static str, Reading<'a>)>);
    impl Visitor for Collect<'_> {
        fn visit<K: Export>(&mut self) {
            self.1.push((K::KIND, of_kind::<K>(self.0).boxed()));
        }
        fn visit_set<F: ObjectSet>(&mut self) {}
        fn visit_task<T: Task>(&mut self) {}
        fn visit_trigger<T: Trigger>(&mut self) {}
    }
    let mut collect = Collect(api, Vec::new());
    for_each(&mut collect);
    let mut all = Vec::new();
    for (kind, reading) in collect.1 {
        match reading.await {
            Ok(marked) => all.extend(marked),
            Err(error) => drop(notes.insert(format!("{kind}: what could be pruned is not known: {error:#}"))),
        }
    }
    all
}

async fn of_kind<K: Managed>(api: &Api) -> Result<Vec<Marked>> {
    let (mut all, mut next) = (Vec::new(), Some(Cursor::first()));
    while let Some(at) = next {
        let page = K::list(api, at).await.map_err(mended)?;
        next = page.next();
        for row in page.items.iter().filter(|row| !K::is_deleted(row)) {
            if let Some(mark) = K::mark(row) {
                all.push(Marked { kind: K::KIND, id: K::id(row).to_string(), mark });
            }
        }
    }
    Ok(all)
}

/// Where pruning looks.
pub(super) struct Pruning<'a> {
    pub(super) installation: &'a str,
    /// Namespaces that the manifests are of.
    pub(super) namespaces: &'a BTreeSet<String>,
    /// Kinds and names of the manifests' objects, with their namespace.
    pub(super) named: &'a HashSet<(String, String, String)>,
    /// Workspaces of the manifests.
    pub(super) workspaces: Vec<&'a WorkspaceKey>,
    /// Kinds and ids of what they are bound to.
    pub(super) bound: &'a HashSet<(String, String)>,
    /// Id of the organisation.
    pub(super) organisation: String,
}

impl Pruning<'_> {
    /// The workspace that objects of the namespace have.
    fn workspace(&self, namespace: &str) -> Option<Value> {
        let own = |key: &&&WorkspaceKey| key.namespace.as_deref() == Some(namespace);
        let of_all = || self.workspaces.iter().find(|key| key.namespace.is_none());
        let key = self.workspaces.iter().find(own).or_else(of_all)?;
        let kind =
            if key.namespace.is_some() { WorkspaceKind::Workspace } else { WorkspaceKind::ClusterWorkspace };
        Some(json!({"kind": kind.as_str(), "name": key.name}))
    }
}

/// The objects whose manifests are gone, as they would be while they are deleted.
pub(super) fn gone(
    marked: &[Marked],
    pruning: &Pruning<'_>,
    (sorts, now): (&[Sort], Timestamp),
    notes: &mut BTreeSet<String>,
) -> Vec<(String, Value)> {
    let (mut gone, mut sets) = (Vec::new(), BTreeSet::new());
    for Marked { kind, id, mark } in marked {
        if pruning.bound.contains(&((*kind).to_owned(), id.clone())) {
            continue;
        }
        let Some(rest) = mark.strip_prefix(pruning.installation) else { continue };
        let (kind, namespace, name, id) = match rest.strip_prefix('/').and_then(|rest| rest.split_once('/')) {
            Some((namespace, name)) if *kind == "Endpoint" => {
                if !sets.insert(rest) {
                    continue;
                }
                (EndpointSet::KIND, namespace.to_owned(), name.to_owned(), None)
            }
            Some((namespace, name)) => (*kind, namespace.to_owned(), name.to_owned(), Some(id)),
            None if rest.is_empty() => {
                let Some(namespace) = pruning.namespaces.first() else { continue };
                notes.insert(format!(
                    "{kind} {id}: its mark names the installation only; if another namespace has it, it is not deleted"
                ));
                (*kind, namespace.clone(), format!("id-{id}").to_lowercase(), Some(id))
            }
            None => continue,
        };
        if pruning.named.contains(&(kind.to_owned(), namespace.clone(), name.clone())) {
            continue;
        }
        if !pruning.namespaces.contains(&namespace) {
            notes.insert(format!(
                "namespace {namespace} is not among the manifests': nothing of it is pruned"
            ));
            continue;
        }
        let Some(sort) = sorts.iter().find(|sort| sort.kind == kind) else { continue };
        let mut object =
            deleted(kind, (&namespace, &name), id.map(String::as_str), (&pruning.organisation, now));
        if let Some(workspace) = pruning.workspace(&namespace) {
            object["spec"]["workspaceRef"] = workspace;
        }
        gone.push((path_of(&sort.plural, &namespace, &name), object));
    }
    gone
}

/// An object that somebody deleted.
fn deleted(
    kind: &str,
    (namespace, name): (&str, &str),
    id: Option<&str>,
    (organisation, now): (&str, Timestamp),
) -> Value {
    let spec =
        if kind == EndpointSet::KIND { json!({"template": {}, "sims": {"list": []}}) } else { json!({}) };
    let mut status = json!({"organisationId": organisation, "provenance": "Created", "settledGeneration": 1});
    if let Some(id) = id {
        status["id"] = json!(id);
    }
    json!({
        "apiVersion": EndpointSet::api_version(&()), "kind": kind, "spec": spec, "status": status,
        "metadata": {
            "name": name, "namespace": namespace, "uid": format!("gone-{kind}-{namespace}-{name}"), "generation": 2,
            "creationTimestamp": now.to_string(), "deletionTimestamp": now.to_string(), "finalizers": [FINALIZER],
        },
    })
}
