//! The charts as Helm renders them.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod collisions;
mod conform;
mod deployment;
mod exposure;
mod monitoring;
mod nulls;
mod plain;
mod refusals;
mod rights;
mod schemas;
mod values;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use emnify_devenv::tools;
use serde_json::Value;

use super::ROOT;

/// Each setting away from its default.
const FULL: &str = include_str!("full.yaml");

/// In one namespace of its own, serving two others.
const NAMESPACED: &str = "installation: test\nwatchNamespaces: [meters, trackers]\n";

/// What must be given.
const LEAST: &str = "installation: test\n";

fn folder(chart: &str) -> PathBuf {
    Path::new(ROOT).join("charts").join(chart)
}

/// A folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Helm with files of values. No cluster is asked.
pub(super) async fn helm(arguments: &[&str], values: &[&str]) -> Output {
    let program = tools::helm().await.expect("helm is there or can be built");
    let scratch = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..values.len()).map(|n| scratch.path().join(format!("{n}.yaml"))).collect();
    for (file, text) in files.iter().zip(values) {
        std::fs::write(file, text).unwrap();
    }
    let files = files.iter().flat_map(|file| [OsStr::new("--values"), file.as_os_str()]);
    Command::new(program)
        .args(arguments)
        .args(files)
        .current_dir(ROOT)
        .env("KUBECONFIG", "/dev/null")
        .env("HELM_CACHE_HOME", scratch.path())
        .env("HELM_CONFIG_HOME", scratch.path())
        .env("HELM_DATA_HOME", scratch.path())
        // it ends before its garbage is worth collecting
        .env("GOGC", "off")
        .output()
        .expect("helm starts")
}

/// What `helm template` prints of a chart, in namespace `emnify-system`.
pub(crate) async fn text(chart: &str, values: &[&str]) -> String {
    template(&folder(chart), "emnify-system", values).await
}

async fn template(chart: &Path, namespace: &str, values: &[&str]) -> String {
    let arguments = ["template", "emnify-operator", chart.to_str().unwrap(), "--namespace", namespace];
    let output = helm(&arguments, values).await;
    let chart = chart.display();
    assert!(output.status.success(), "{chart}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The objects in it.
pub(super) fn objects(text: &str) -> Vec<Value> {
    let documents = text.split("\n---").map(|document| document.trim_start_matches("---"));
    documents.map(strict).filter(|object| !object.is_null()).collect()
}

/// YAML, in which no key may stand twice: kustomize and Flux's post-rendering refuse it, and others take either.
fn strict(document: &str) -> Value {
    let read =
        serde_yaml::from_str::<serde_yaml::Value>(document).unwrap_or_else(|e| panic!("{e}: {document}"));
    serde_yaml::from_value(read).unwrap_or_else(|e| panic!("{e}: {document}"))
}

/// The operator's objects with these values, in another namespace.
async fn rendered_in(namespace: &str, values: &str) -> Vec<Value> {
    objects(&template(&folder("emnify-operator"), namespace, &[values]).await)
}

/// The operator's objects with these values.
async fn rendered(values: &str) -> Vec<Value> {
    objects(&text("emnify-operator", &[values]).await)
}

/// Those of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The only one of its kind.
fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of_kind(objects, kind);
    assert_eq!(found.len(), 1, "there is one {kind}");
    found[0]
}

/// The pods of the only Deployment.
fn pod(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]["spec"]
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn both_charts_pass_helms_own_rules() {
    for values in [&[][..], &[LEAST], &[FULL], &[NAMESPACED]] {
        let charts = ["charts/emnify-operator", "charts/emnify-operator-crds"];
        // The other chart has no such values.
        let charts = if values.is_empty() { &charts[..] } else { &charts[..1] };
        let output = helm(&[&["lint", "--strict"], charts].concat(), values).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("WARNING"), "helm lint --strict: {said}");
    }
}

#[test]
fn charts_have_the_version_of_the_operator() {
    for chart in ["emnify-operator", "emnify-operator-crds"] {
        let text = std::fs::read_to_string(folder(chart).join("Chart.yaml")).unwrap();
        let chart: Value = serde_yaml::from_str(&text).unwrap();
        for key in ["version", "appVersion"] {
            assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "{}: {key} is Cargo's", chart["name"]);
        }
    }
}

#[tokio::test]
async fn the_chart_of_definitions_holds_each_as_it_is_and_helm_keeps_it() {
    let annotations = "annotations: {argocd.argoproj.io/sync-options: ServerSideApply=true}\n";
    let crds = objects(&text("emnify-operator-crds", &[annotations]).await);
    let wanted = emnify_operator::definitions::crds();
    assert_eq!(crds.len(), wanted.len(), "one for each kind");
    for crd in wanted {
        let crd = serde_json::to_value(crd).unwrap();
        let name = &crd["metadata"]["name"];
        let found = crds.iter().find(|found| &found["metadata"]["name"] == name).expect("each has one");
        assert_eq!(found["spec"], crd["spec"], "{name}: templates change nothing");
        let annotations = &found["metadata"]["annotations"];
        assert_eq!(annotations["helm.sh/resource-policy"], "keep", "{name}: uninstalling deletes no object");
        assert_eq!(annotations["argocd.argoproj.io/sync-options"], "ServerSideApply=true", "{name}");
    }
}
