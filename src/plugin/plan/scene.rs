//! Manifests as an API server would hold them.

use std::collections::{BTreeMap, BTreeSet};

use emnify_engine::{
    kind::{
        Kind,
        spec::{WorkspaceKey, WorkspaceKind},
    },
    session::guard::GuardLimit,
};
use emnify_rehearsal::{ASSUMED, assumed_digest};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::Sort;
use crate::{
    api::{GROUP, VERSION},
    check::Manifest,
    kinds::{ApplicationToken, OperationTrigger, SimBatch},
    workspace::spec::Access,
};

/// Name of the workspace that objects without `workspaceRef` belong to.
const DEFAULT: &str = "default";

/// Which objects are rehearsed, and in which workspaces.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Objects by path.
    pub(super) objects: Vec<(String, Value)>,
    /// Secrets and `ConfigMap`s by path.
    pub(super) beside: Vec<(String, Value)>,
    /// Workspaces of objects, with their guards.
    pub(super) workspaces: BTreeMap<WorkspaceKey, Option<GuardLimit>>,
    /// One of the workspaces logs in as a person.
    pub(super) person: bool,
    /// What people should know.
    pub(super) notes: BTreeSet<String>,
    /// Workspaces of other organisations.
    foreign: BTreeSet<WorkspaceKey>,
}

/// Where an object of ours lies.
pub(super) fn path_of(plural: &str, namespace: &str, name: &str) -> String {
    format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}/{name}")
}

/// The workspace that an object of this spec is of. `shared`: the cluster has a default one for all namespaces.
pub(super) fn workspace_of(object: &Value, namespace: &str, shared: bool) -> WorkspaceKey {
    let wanted = &object["spec"]["workspaceRef"];
    let of_all = wanted["kind"] == json!(WorkspaceKind::ClusterWorkspace.as_str());
    let name = wanted["name"].as_str();
    let own = !of_all && (name.is_some() || !shared);
    let namespace = own.then(|| namespace.to_owned());
    WorkspaceKey { namespace, name: name.unwrap_or(DEFAULT).to_owned() }
}

/// Kind, namespace and name.
pub(super) type Named = (String, String, String);

/// What an object is called. `namespace` is that of objects that name none.
pub(super) fn named(object: &Value, namespace: &str) -> Option<Named> {
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let namespace = text("/metadata/namespace").unwrap_or_else(|| namespace.to_owned());
    Some((text("/kind")?, namespace, text("/metadata/name")?))
}

/// What is set up.
pub(super) struct Props<'a> {
    pub(super) manifests: &'a [Manifest],
    /// Objects that run in the cluster.
    pub(super) running: &'a [Value],
    pub(super) sorts: &'a [Sort],
    /// Namespace of manifests that name none.
    pub(super) namespace: &'a str,
    /// What runs and is in no manifest is deleted.
    pub(super) prune: bool,
    /// Id of the organisation that is read.
    pub(super) organisation: String,
    /// Kind and name of the workspace that reads it, if one does.
    pub(super) reads: Option<(&'a str, &'a str)>,
    pub(super) now: Timestamp,
}

impl Stage {
    /// Sets up what was read.
    pub(super) fn of(props: &Props<'_>) -> Self {
        let mut stage = Self { foreign: foreign(props), ..Self::default() };
        let mut running: BTreeMap<Named, &Value> =
            props.running.iter().filter_map(|object| Some((named(object, "")?, object))).collect();
        let default_of_all = ("ClusterWorkspace".to_owned(), String::new(), DEFAULT.to_owned());
        let shared = running.contains_key(&default_of_all)
            || props.manifests.iter().any(|manifest| {
                manifest.object["kind"] == *"ClusterWorkspace"
                    && manifest.object["metadata"]["name"] == *DEFAULT
            });
        for (at, manifest) in props.manifests.iter().enumerate() {
            let Some(name) = named(&manifest.object, props.namespace) else {
                stage.notes.insert(format!(
                    "{}:{}: it has no name (generateName): the API server names it, so it is not in the plan",
                    manifest.file, manifest.line
                ));
                continue;
            };
            let mut object = manifest.object.clone();
            object["metadata"]["namespace"] = json!(name.1);
            let sort = props.sorts.iter().find(|sort| sort.kind == name.0 && manifest.ours);
            if let Some(sort) = sort {
                let object = match running.remove(&name) {
                    Some(runs) => applied(runs, &object),
                    None => fresh(object, at, props.now),
                };
                stage.enter(sort, object, (&name, shared));
            } else if !manifest.ours {
                object["metadata"]["uid"] = json!(format!("plan-{at}"));
                match name.0.as_str() {
                    "Secret" => stage.beside("secrets", &name, secret(object)),
                    "ConfigMap" => stage.beside("configmaps", &name, object),
                    _ => {}
                }
            }
        }
        for (name, runs) in running {
            let Some(sort) = props.sorts.iter().find(|sort| sort.kind == name.0) else { continue };
            let mut object = runs.clone();
            if props.prune && object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty()) {
                object["metadata"]["deletionTimestamp"] = json!(props.now.to_string());
                next_generation(&mut object);
            }
            stage.enter(sort, object, (&name, shared));
        }
        let workspaces =
            props.manifests.iter().filter(|manifest| manifest.ours).map(|manifest| &manifest.object);
        props.running.iter().chain(workspaces).for_each(|object| stage.guard(object, props.namespace));
        stage
    }

    /// An object of ours is there.
    fn enter(&mut self, sort: &Sort, mut object: Value, (name, shared): (&Named, bool)) {
        let (kind, namespace, of) = name;
        let workspace = workspace_of(&object, namespace, shared);
        if self.foreign.contains(&workspace) {
            let which = &workspace.name;
            self.notes.insert(format!(
                "{kind} {namespace}/{of} is of workspace {which}, another organisation: not planned"
            ));
            return;
        }
        if sort.kind == SimBatch::KIND {
            self.notes.insert(format!(
                "{kind} {namespace}/{of}: which SIMs it has is known once it is registered; what waits for them is not planned"
            ));
        }
        let runs = object["status"]["id"].is_string() && object["metadata"]["deletionTimestamp"].is_null();
        if sort.kind == ApplicationToken::KIND && runs {
            // without its Secret it would be taken for lost, and made anew
            self.notes
                .insert(format!("{kind} {namespace}/{of} runs, and its Secret is not read: not planned"));
            return;
        }
        if sort.kind == OperationTrigger::KIND {
            // times come and devices are told of long after it was applied
            object["spec"]["suspend"] = json!(true);
            self.notes
                .insert(format!("{kind} {namespace}/{of}: what it does once it fires is not in the plan"));
        }
        self.workspaces.entry(workspace).or_default();
        self.assume_secrets(&object["spec"], namespace);
        let sent = object.pointer_mut("/status/inputs").and_then(Value::as_object_mut);
        for digest in sent.into_iter().flat_map(|inputs| inputs.values_mut()) {
            // what was sent last is taken as what the Secret holds
            *digest = json!(assumed_digest(&format!("{kind} {namespace}/{of}")));
        }
        self.objects.push((path_of(&sort.plural, namespace, of), object));
    }

    fn beside(&mut self, plural: &str, (_, namespace, name): &Named, object: Value) {
        self.beside.push((format!("/api/v1/namespaces/{namespace}/{plural}/{name}"), object));
    }

    /// Secrets that manifests name are taken as there: what they hold is not known, and is never shown.
    fn assume_secrets(&mut self, spec: &Value, namespace: &str) {
        let mut named = Vec::new();
        keys(spec, &mut named);
        for (name, key) in named {
            let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
            let at = self.beside.iter().position(|(known, _)| *known == path).unwrap_or_else(|| {
                self.notes.insert(format!(
                    "Secret {namespace}/{name} is taken as there; what it holds is not known"
                ));
                let meta =
                    json!({"name": name, "namespace": namespace, "uid": format!("plan-secret-{name}")});
                let made = json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {}});
                self.beside.push((path, made));
                self.beside.len() - 1
            });
            let secret = &mut self.beside[at].1;
            if secret["data"][&key].is_null() {
                secret["data"][&key] = json!(data_encoding::BASE64.encode(ASSUMED.as_bytes()));
            }
        }
    }

    /// What a workspace says of its guard.
    fn guard(&mut self, object: &Value, namespace: &str) {
        let Some((kind, namespace, name)) = named(object, namespace) else { return };
        let namespace = match kind.as_str() {
            "Workspace" => Some(namespace),
            "ClusterWorkspace" => None,
            _ => return,
        };
        if let Some(guard) = self.workspaces.get_mut(&WorkspaceKey { namespace, name }) {
            *guard = limit(&object["spec"]);
            self.person |= object.pointer("/spec/credentials/user").is_some();
        }
    }
}

/// Workspaces that are known to be of another organisation than the one that is read.
fn foreign(props: &Props<'_>) -> BTreeSet<WorkspaceKey> {
    let mut foreign = BTreeSet::new();
    let manifests = props.manifests.iter().filter(|manifest| manifest.ours).map(|manifest| &manifest.object);
    for object in props.running.iter().chain(manifests) {
        let Some((kind, namespace, name)) = named(object, props.namespace) else { continue };
        let namespace = match kind.as_str() {
            "Workspace" => Some(namespace),
            "ClusterWorkspace" => None,
            _ => continue,
        };
        let own = props.reads == Some((kind.as_str(), name.as_str()));
        let told = ["/status/organisation/id", "/spec/organisationId"]
            .iter()
            .find_map(|at| object.pointer(at)?.as_str());
        if told.is_some_and(|id| id != props.organisation) && !own {
            foreign.insert(WorkspaceKey { namespace, name });
        }
    }
    foreign
}

/// What the spec of a workspace lets its objects disturb.
pub(super) fn limit(spec: &Value) -> Option<GuardLimit> {
    let access: Access = serde_json::from_value(spec.clone()).ok()?;
    Some(access.terms(None).ok()?.guard)
}

/// Names and keys of Secrets that a spec names.
fn keys(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, below) in fields {
                let secret = field.ends_with("ecretRef") || field == "valueFrom";
                match (below["name"].as_str(), below["key"].as_str()) {
                    (Some(name), Some(key)) if secret => found.push((name.to_owned(), key.to_owned())),
                    _ => keys(below, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

/// A Secret whose clear texts are where an API server keeps them.
fn secret(mut object: Value) -> Value {
    let clear = object.as_object_mut().and_then(|fields| fields.remove("stringData"));
    for (key, text) in clear.as_ref().and_then(Value::as_object).into_iter().flatten() {
        let text = text.as_str().unwrap_or_default();
        object["data"][key] = json!(data_encoding::BASE64.encode(text.as_bytes()));
    }
    object
}

/// An object that nobody has applied before.
fn fresh(mut object: Value, at: usize, now: Timestamp) -> Value {
    if let Some(top) = object.as_object_mut() {
        top.remove("status");
    }
    let meta = &mut object["metadata"];
    meta["uid"] = json!(format!("plan-{at}"));
    meta["generation"] = json!(1);
    meta["creationTimestamp"] = json!(now.to_string());
    object
}

/// An object that runs, with the spec of its manifest; labels and annotations of others stay.
fn applied(runs: &Value, manifest: &Value) -> Value {
    let mut object = runs.clone();
    if object["spec"] != manifest["spec"] {
        object["spec"] = manifest["spec"].clone();
        next_generation(&mut object);
    }
    for of in ["labels", "annotations"] {
        for (key, value) in manifest["metadata"][of].as_object().into_iter().flatten() {
            object["metadata"][of][key] = value.clone();
        }
    }
    object
}

fn next_generation(object: &mut Value) {
    let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
    object["metadata"]["generation"] = json!(generation + 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::plan::kinds::sorts;

    const NOW: &str = "2026-05-01T12:00:00Z";

    fn manifest(object: Value) -> Manifest {
        let ours = object["apiVersion"] != *"v1";
        Manifest { file: "a.yaml".to_owned(), line: 1, ours, object }
    }

    fn object(kind: &str, name: &str, spec: &Value) -> Value {
        json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
    }

    fn stage(manifests: &[Manifest], running: &[Value], prune: bool) -> Stage {
        Stage::of(&Props {
            manifests,
            running,
            sorts: &sorts(),
            namespace: "ns",
            prune,
            organisation: "1001".to_owned(),
            reads: None,
            now: NOW.parse().unwrap(),
        })
    }

    #[test]
    fn what_nobody_applied_is_new_and_what_runs_keeps_its_status() {
        let new = manifest(object("Tag", "roof", &json!({"name": "roof"})));
        let mut runs = object("Tag", "loft", &json!({"name": "loft"}));
        runs["metadata"] = json!({"name": "loft", "namespace": "ns", "uid": "u", "generation": 3});
        runs["status"] = json!({"id": "7", "inputs": {"a": "digest"}});
        let edit = manifest(object("Tag", "loft", &json!({"name": "attic"})));
        let stage = stage(&[new, edit], &[runs], false);
        let (path, roof) = &stage.objects[0];
        assert_eq!(path, "/apis/emnify.io/v1alpha1/namespaces/ns/tags/roof");
        assert_eq!(roof["metadata"]["generation"], 1);
        let loft = &stage.objects[1].1;
        assert_eq!((&loft["spec"]["name"], &loft["status"]["id"]), (&json!("attic"), &json!("7")));
        assert_eq!((&loft["metadata"]["uid"], &loft["metadata"]["generation"]), (&json!("u"), &json!(4)));
        let digest = assumed_digest("Tag ns/loft");
        assert_eq!(loft["status"]["inputs"]["a"], digest, "what was sent last is what the Secret holds");
    }

    #[test]
    fn what_runs_and_is_in_no_manifest_goes_only_where_pruning_is_asked_for() {
        let mut runs = object("Tag", "loft", &json!({"name": "loft"}));
        runs["metadata"] = json!({"name": "loft", "namespace": "ns", "finalizers": ["emnify.io/finalizer"]});
        for (prune, goes) in [(false, false), (true, true)] {
            let stage = stage(&[], std::slice::from_ref(&runs), prune);
            assert_eq!(!stage.objects[0].1["metadata"]["deletionTimestamp"].is_null(), goes);
        }
    }

    #[test]
    fn secrets_that_are_named_are_taken_as_there_and_those_of_manifests_hold_what_they_say() {
        let key = object("ApiSecret", "signing", &json!({"secretRef": {"name": "signing", "key": "key"}}));
        let given = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}, "stringData": {"key": "x"}});
        let stage = stage(&[manifest(key), manifest(given)], &[], false);
        let of = |name: &str| {
            let path = format!("/api/v1/namespaces/ns/secrets/{name}");
            stage.beside.iter().find(|(at, _)| *at == path).unwrap().1["data"]["key"].clone()
        };
        assert_eq!(of("other"), data_encoding::BASE64.encode(b"x"));
        assert_eq!(of("signing"), data_encoding::BASE64.encode(ASSUMED.as_bytes()));
        assert!(stage.notes.iter().any(|note| note.starts_with("Secret ns/signing is taken as there")));
    }

    #[test]
    fn objects_of_another_organisation_are_told_and_left_out() {
        let credentials = json!({"applicationTokenSecretRef": {"name": "a", "key": "b"}});
        let guard = json!({"maxDevices": 7, "window": "1h"});
        let ours = object("Workspace", "default", &json!({"credentials": credentials, "guard": guard}));
        let theirs =
            object("Workspace", "theirs", &json!({"credentials": credentials, "organisationId": "1002"}));
        let tag = object("Tag", "roof", &json!({"name": "roof", "workspaceRef": {"name": "theirs"}}));
        let batch = object("SimBatch", "box", &json!({"bic": "1"}));
        let own = object("Tag", "own", &json!({"name": "own"}));
        let stage = stage(&[ours, theirs, tag, batch, own].map(manifest), &[], false);
        assert_eq!(stage.objects.len(), 2, "{:?}", stage.objects);
        assert!(stage.notes.iter().any(|note| note.contains("is of workspace theirs, another organisation")));
        assert!(stage.notes.iter().any(|note| note.starts_with("SimBatch ns/box: which SIMs it has")));
        let limits: Vec<_> = stage.workspaces.values().flatten().map(|limit| limit.devices).collect();
        assert_eq!(limits, [7], "the guard is the workspace's own");
    }
}
