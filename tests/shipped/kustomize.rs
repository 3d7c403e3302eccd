//! What kustomize, and so Flux and Argo CD, make of what is shipped: prefixes, other namespaces, generated names.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use emnify_devenv::tools;
use serde_json::{Value, json};

use crate::{ROOT, charts};

/// What `kubectl kustomize` builds of an overlay that lies in a folder beside the repository's own.
async fn build(overlay: &Value, files: &[(&str, &str)]) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    for folder in ["crds", "deploy", "gitops"] {
        charts::copy(&Path::new(ROOT).join(folder), &home.path().join(folder));
    }
    let at = home.path().join("overlay");
    fs::create_dir(&at).unwrap();
    fs::write(at.join("kustomization.yaml"), overlay.to_string()).unwrap();
    for (name, text) in files {
        fs::write(at.join(name), text).unwrap();
    }
    kustomize(&at).await
}

async fn kustomize(at: &Path) -> Vec<Value> {
    let kubectl = tools::kubectl().await.expect("kubectl is there or can be built");
    let output = Command::new(kubectl).arg("kustomize").arg(at).output().expect("kubectl starts");
    assert!(output.status.success(), "kubectl kustomize: {}", String::from_utf8_lossy(&output.stderr));
    charts::objects(&String::from_utf8(output.stdout).unwrap())
}

#[tokio::test]
async fn the_plain_manifests_can_be_moved_to_another_namespace() {
    let overlay = json!({"namespace": "iot-system", "namePrefix": "iot-", "resources": ["../deploy"]});
    let objects = build(&overlay, &[]).await;
    let mut kinds = BTreeSet::new();
    for object in objects.iter().filter(|object| object["kind"] != "CustomResourceDefinition") {
        kinds.insert(object["kind"].as_str().unwrap());
        let text = object.to_string();
        assert!(!text.contains("emnify-system"), "{}: nothing is left where it was: {text}", object["kind"]);
    }
    assert!(
        kinds.contains("Namespace") && kinds.contains("ClusterRoleBinding") && kinds.contains("Deployment")
    );
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let account = &deployment["spec"]["template"]["spec"]["serviceAccountName"];
    for binding in objects.iter().filter(|object| object["roleRef"].is_object()) {
        let subject = &binding["subjects"][0];
        assert_eq!((&subject["namespace"], &subject["name"]), (&json!("iot-system"), account));
    }
}

#[tokio::test]
async fn the_example_names_what_it_makes() {
    let objects = kustomize(&Path::new(ROOT).join("examples/gitops/kustomize")).await;
    let named = |kind: &str| {
        let mut found = objects.iter().filter(|object| object["kind"] == kind);
        let name = found.next().unwrap_or_else(|| panic!("a {kind}"))["metadata"]["name"].clone();
        assert!(name.as_str().unwrap().starts_with("berlin-"), "{kind}: {name}");
        name
    };
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap()["spec"].clone();
    assert_eq!(of("Workspace")["credentials"]["applicationTokenSecretRef"]["name"], named("Secret"));
    let set = of("EndpointSet");
    assert_eq!(set["sims"]["configMapRef"]["name"], named("ConfigMap"));
    assert_eq!(set["template"]["serviceProfile"]["name"], named("ServiceProfile"));
    assert_eq!(set["template"]["tariffProfile"]["name"], named("TariffProfile"));
    for kind in ["EndpointSet", "ServiceProfile", "TariffProfile"] {
        assert_eq!(of(kind)["workspaceRef"]["name"], named("Workspace"), "{kind}");
    }
}

/// `{"a": {"b": value}}` for `a/b`.
fn nested(path: &str, value: Value) -> Value {
    path.rsplit('/').fold(value, |value, key| json!({key: value}))
}

#[tokio::test]
async fn kustomize_changes_every_name_that_names_another_object() {
    let shipped = fs::read_to_string(Path::new(ROOT).join("gitops/kustomize/name-references.yaml")).unwrap();
    let shipped: Value = serde_yaml::from_str(&shipped).unwrap();
    let (mut manifests, mut expected) = (String::new(), Vec::new());
    for (at, reference) in shipped["nameReference"].as_array().unwrap().iter().enumerate() {
        let group = reference["group"].as_str();
        let version = group.map_or("v1".to_owned(), |group| format!("{group}/v1alpha1"));
        let referent = format!("referent-{at}");
        let object =
            json!({"apiVersion": version, "kind": reference["kind"], "metadata": {"name": referent}});
        manifests.extend(["---\n", object.to_string().as_str(), "\n"]);
        for field in reference["fieldSpecs"].as_array().unwrap() {
            let name = format!("referrer-{}", expected.len());
            let path = field["path"].as_str().unwrap();
            let mut object = nested(path, json!(referent));
            object["apiVersion"] = "emnify.io/v1alpha1".into();
            object["kind"] = field["kind"].clone();
            object["metadata"] = json!({"name": name});
            manifests.extend(["---\n", object.to_string().as_str(), "\n"]);
            expected.push((format!("a-{name}-z"), format!("/{path}"), format!("a-{referent}-z")));
        }
    }
    let overlay = json!({
        "namePrefix": "a-", "nameSuffix": "-z", "resources": ["all.yaml"], "components": ["../gitops/kustomize"],
    });
    let objects = build(&overlay, &[("all.yaml", &manifests)]).await;
    assert!(expected.len() > 15, "all kinds refer to something");
    for (name, pointer, referent) in expected {
        let object = objects.iter().find(|object| object["metadata"]["name"] == name.as_str()).unwrap();
        assert_eq!(object.pointer(&pointer), Some(&json!(referent)), "{}: {pointer}", object["kind"]);
    }
}
