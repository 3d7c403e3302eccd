//! `deploy/` is the chart without Helm: `UPDATE=1 cargo test --test shipped -- charts::plain` writes it.

use std::{env, fs, path::Path};

use serde_json::Value;

use super::{ROOT, of_kind, only, text};

const HEAD: &str =
    "# The chart `emnify-operator`, rendered: `UPDATE=1 cargo test --test shipped -- charts::plain`.\n";

#[tokio::test]
async fn deploy_is_the_chart_with_its_defaults() {
    let rendered = text("emnify-operator", &["installation: main\n"]).await;
    // Objects that Helm did not install must not say that it manages them.
    let lines = rendered.lines().filter(|line| !line.contains("helm.sh/chart:"));
    let lines = lines.map(|line| line.replace("managed-by: Helm", "managed-by: kustomize"));
    let wanted: String = [HEAD.to_owned()].into_iter().chain(lines.map(|line| line + "\n")).collect();
    let path = Path::new(ROOT).join("deploy/operator.yaml");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "run UPDATE=1 cargo test --test shipped -- charts::plain");
}

#[test]
fn what_the_kustomization_changes_is_there() {
    let read = |name: &str| fs::read_to_string(Path::new(ROOT).join("deploy").join(name)).unwrap();
    let kustomization: Value = serde_yaml::from_str(&read("kustomization.yaml")).unwrap();
    let objects = super::objects(&read("operator.yaml"));
    let deployment = only(&objects, "Deployment");
    let patch = &kustomization["patches"][0];
    assert_eq!(patch["target"]["name"], deployment["metadata"]["name"]);
    let operations: Value = serde_yaml::from_str(patch["patch"].as_str().unwrap()).unwrap();
    let replaced = deployment.pointer(operations[0]["path"].as_str().unwrap()).and_then(Value::as_str);
    assert!(
        replaced.is_some_and(|argument| argument.starts_with("--installation=")),
        "the patch names the installation: {replaced:?}"
    );
    let image = &kustomization["images"][0];
    let used = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(used, &format!("{}:{}", image["name"].as_str().unwrap(), env!("CARGO_PKG_VERSION")));
    assert_eq!(image["newTag"], env!("CARGO_PKG_VERSION"));
    let namespace: Value = serde_yaml::from_str(&read("namespace.yaml")).unwrap();
    for object in objects.iter().filter(|object| object["metadata"]["namespace"].is_string()) {
        assert_eq!(object["metadata"]["namespace"], namespace["metadata"]["name"]);
    }
    assert!(of_kind(&objects, "Namespace").is_empty(), "it has a file of its own");
}
