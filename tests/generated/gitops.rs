//! What users paste into Argo CD and Flux, for every kind.

use std::{collections::BTreeMap, fs, path::Path};

use emnify_operator::{api, kinds};
use serde_json::{Value, json};

const ACTIONS: [&str; 3] = ["refresh", "suspend", "resume"];

fn all_kinds() -> impl Iterator<Item = String> {
    kinds::crds().into_iter().map(|crd| crd.spec.names.kind)
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

fn yaml(value: &Value) -> String {
    serde_yaml::to_string(value).expect("JSON is YAML")
}
