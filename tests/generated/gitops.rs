//! What users paste into Argo CD and Flux, for every kind.

use std::{collections::BTreeMap, fs, path::Path};

use emnify_operator::api;
use serde_json::{Value, json};

const ACTIONS: [&str; 3] = ["refresh", "suspend", "resume"];

fn all_kinds() -> impl Iterator<Item = String> {
    emnify_operator::definitions::crds().into_iter().map(|crd| crd.spec.names.kind)
}

/// Keys name a kind each: a key of a config map cannot hold the wildcard, and Argo CD finds actions by kind only.
pub(super) fn argocd() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("gitops/argocd");
    let script = |name: &str| fs::read_to_string(folder.join(name)).expect("the script is in the repository");
    let definitions =
        ACTIONS.map(|name| json!({"name": name, "action.lua": script(&format!("actions/{name}.lua"))}));
    let actions = json!({"discovery.lua": script("actions/discovery.lua"), "definitions": definitions});
    let ignored = json!({"jsonPointers": ["/status"]});
    let mut data = BTreeMap::new();
    for kind in all_kinds() {
        let key = |what: &str| format!("resource.customizations.{what}.{}_{kind}", api::GROUP);
        data.insert(key("health"), script("health.lua"));
        data.insert(key("actions"), yaml(&actions));
        // without it, versions before 3.0 compare the application after every write of a status
        data.insert(key("ignoreResourceUpdates"), yaml(&ignored));
    }
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "argocd-cm",
            "namespace": "argocd",
            "labels": {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"},
        },
        "data": data,
    });
    format!(
        "# Generated from the scripts beside it, for every kind. docs/gitops.md says how to apply it.\n{}",
        yaml(&map)
    )
}

/// An entry for each kind: older versions of Flux know no entry for a whole group.
pub(super) fn flux() -> String {
    let exists =
        |kind: &str| format!("status.conditions.exists(c, c.type == '{kind}' && c.status == 'True')");
    let checks = all_kinds().map(|kind| {
        json!({
            "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
            "kind": kind,
            "inProgress": format!("has(metadata.deletionTimestamp) || {}", exists("Reconciling")),
            "failed": exists("Stalled"),
            "current": "status.conditions.exists(c, c.type == 'Ready' && c.status == 'True' \
                        && c.observedGeneration == metadata.generation)",
        })
    });
    let patch = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "any"},
        "spec": {"healthCheckExprs": checks.collect::<Vec<_>>()},
    });
    format!(
        "# Generated, for every kind: a patch for Flux Kustomizations. docs/gitops.md says how to use it.\n{}",
        yaml(&patch)
    )
}

/// Where our kinds name other objects, for kustomize: it changes names (prefixes, suffixes, hashes of generated Secrets and
/// `ConfigMap`s), and knows no fields of ours.
pub(super) fn kustomize() -> String {
    let mut found: BTreeMap<(&str, String), Vec<Value>> = BTreeMap::new();
    let kinds: Vec<String> = all_kinds().collect();
    for crd in emnify_operator::definitions::crds() {
        let kind = crd.spec.names.kind.clone();
        let schema = crd.spec.versions[0].schema.as_ref().expect("a kind has a schema");
        let schema = serde_json::to_value(&schema.open_api_v3_schema).expect("a schema is JSON");
        let mut names = Vec::new();
        names_in(&schema["properties"]["spec"], "spec", &mut names);
        for path in names {
            for (group, referent) in referents(&kind, &path, &kinds) {
                let field = json!({"group": api::GROUP, "kind": kind, "path": format!("{path}/name")});
                found.entry((group, referent)).or_default().push(field);
            }
        }
    }
    let references = found.into_iter().map(|((group, kind), fields)| {
        let group = if group.is_empty() { json!({"version": "v1"}) } else { json!({"group": group}) };
        let mut reference = json!({"kind": kind, "fieldSpecs": fields});
        reference.as_object_mut().expect("an object").extend(group.as_object().cloned().unwrap_or_default());
        reference
    });
    let text = yaml(&json!({"nameReference": references.collect::<Vec<_>>()}));
    format!("# Generated, for every kind. docs/gitops.md says how to use it.\n{text}")
}

/// Paths of all objects in a schema that have a `name`.
fn names_in(schema: &Value, at: &str, found: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    if at != "spec" && properties.contains_key("name") {
        found.push(at.to_owned());
    }
    for (key, value) in properties {
        names_in(value, &format!("{at}/{key}"), found);
    }
}

/// What the name at a path is the name of: groups and kinds.
fn referents(kind: &str, path: &str, kinds: &[String]) -> Vec<(&'static str, String)> {
    let field = path.rsplit('/').next().unwrap_or_default();
    let of_ours = field[..1].to_uppercase() + &field[1..];
    match field {
        // the Secret that the operator makes: no manifest holds it
        "secretRef" if kind == "ApplicationToken" => Vec::new(),
        "outputSecret" => Vec::new(),
        "workspaceRef" => ["Workspace", "ClusterWorkspace"].map(|kind| (api::GROUP, kind.to_owned())).into(),
        "secretRef" => vec![("", "Secret".to_owned())],
        "configMapRef" => vec![("", "ConfigMap".to_owned())],
        "mocCallback" => vec![(api::GROUP, "ApiCallback".to_owned())],
        _ if field.ends_with("SecretRef") => vec![("", "Secret".to_owned())],
        _ if kinds.contains(&of_ours) => vec![(api::GROUP, of_ours)],
        _ => {
            // `dns` of a DnsConfig
            let alike: Vec<_> = kinds.iter().filter(|kind| kind.starts_with(&of_ours)).collect();
            let [referent] = alike[..] else {
                panic!(
                    "{kind}: {path}/name names an object of some kind; say here which, or that it names none"
                )
            };
            vec![(api::GROUP, referent.clone())]
        }
    }
}

fn yaml(value: &Value) -> String {
    serde_yaml::to_string(value).expect("JSON is YAML")
}
