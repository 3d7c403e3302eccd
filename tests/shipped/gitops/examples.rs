//! examples/gitops: everything is applied after what it needs, and the checks in it are the ones that are shipped.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize as _;
use serde_json::Value;

use crate::{ROOT, charts};

/// The documents of a file, or of all files of a folder and below.
fn documents(path: &str) -> Vec<Value> {
    fn read(path: &Path, all: &mut Vec<Value>) {
        if path.is_dir() {
            let mut paths: Vec<_> =
                fs::read_dir(path).expect("a folder").flatten().map(|e| e.path()).collect();
            paths.sort();
            return paths.iter().for_each(|path| read(path, all));
        }
        let text = fs::read_to_string(path).expect("an example is text");
        let documents = serde_yaml::Deserializer::from_str(&text);
        all.extend(documents.map(|document| Value::deserialize(document).expect("an example is YAML")));
    }
    let mut all = Vec::new();
    read(&Path::new(ROOT).join(path), &mut all);
    all
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("text, not {value}"))
}

/// `Kind/name`.
fn name(object: &Value) -> String {
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn wave(object: &Value) -> i64 {
    let wave = &object["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"];
    text(wave).parse().unwrap_or_else(|error| panic!("{}: {error}", name(object)))
}

/// What a device or a profile refers to in its namespace.
fn needs(object: &Value) -> Vec<String> {
    let reference =
        |field: &str, kind: &str| Some(format!("{kind}/{}", object["spec"][field]["name"].as_str()?));
    let profiles =
        [reference("serviceProfile", "ServiceProfile"), reference("tariffProfile", "TariffProfile")];
    let workspace = (object["kind"] != "Workspace").then(|| "Workspace/default".to_owned());
    profiles.into_iter().flatten().chain(workspace).collect()
}

#[test]
fn argo_cd_applies_in_waves() {
    let applications = documents("examples/gitops/argocd");
    let waves: Vec<_> = ["emnify-operator-crds", "emnify-operator", "fleet"]
        .map(|name| applications.iter().find(|a| a["kind"] == "Application" && a["metadata"]["name"] == name))
        .map(|found| wave(found.expect("there is such an application")))
        .into();
    assert_eq!(waves, [-2, -1, 0], "definitions, then the operator, then what it keeps");
    for application in &applications {
        let options = application["spec"]["syncPolicy"]["syncOptions"].to_string();
        assert!(!options.contains("Replace=true"), "replacing takes finalizers off");
        // a device under a new name waits for the old one, which would wait for everything to be Healthy
        assert!(!options.contains("PruneLast=true"), "what goes makes room for what comes");
    }
    let fleet = documents("examples/gitops/fleet");
    let waves: BTreeMap<_, _> = fleet.iter().map(|object| (name(object), wave(object))).collect();
    for object in &fleet {
        for needed in needs(object) {
            assert!(waves[&needed] < wave(object), "{needed} comes before {}", name(object));
        }
    }
}

#[test]
fn flux_applies_in_the_order_of_dependencies() {
    let all = documents("examples/gitops/flux");
    let layers: Vec<_> = all.iter().filter(|object| object["kind"] == "Kustomization").collect();
    let folder = |layer: &Value| {
        let path = text(&layer["spec"]["path"]).trim_start_matches("./");
        // the operator's manifests lie beside these, as a file
        if path == "operator" { Vec::new() } else { documents(&format!("examples/gitops/{path}")) }
    };
    // what is there when a layer is applied
    let mut there: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for layer in layers {
        let own = folder(layer);
        let needed = layer["spec"]["dependsOn"].as_array().into_iter().flatten();
        let mut before: Vec<String> = needed
            .flat_map(|on| there.get(text(&on["name"])).expect("it depends on a layer above it").clone())
            .collect();
        for object in &own {
            let missing: Vec<_> = needs(object).into_iter().filter(|name| !before.contains(name)).collect();
            assert!(missing.is_empty(), "{}: {missing:?} come in an earlier layer", name(object));
        }
        assert_eq!(layer["spec"]["wait"], true, "without it the next layer starts at once");
        before.extend(own.iter().map(name));
        there.insert(text(&layer["metadata"]["name"]), before);
    }
    let devices = &there["fleet-devices"];
    assert!(
        devices.iter().any(|name| name.starts_with("Endpoint/")),
        "the layers lead to devices: {devices:?}"
    );
}

#[test]
fn no_kustomization_of_the_fleet_deletes_what_others_hold() {
    let flux = documents("examples/gitops/flux");
    let layers = flux.iter().filter(|object| object["kind"] == "Kustomization");
    let fleet: Vec<_> = layers.filter(|layer| text(&layer["spec"]["path"]).starts_with("./fleet/")).collect();
    assert_eq!(fleet.len(), 3);
    for layer in fleet {
        // devices stay, so a profile or Workspace that is deleted would wait for them for ever
        assert_eq!(layer["spec"]["deletionPolicy"], "Orphan", "{}", name(layer));
    }
}

#[test]
fn flux_checks_health_as_shipped() {
    let shipped = documents("gitops/flux/health-checks.yaml").remove(0);
    let shipped = shipped["spec"]["healthCheckExprs"].as_array().expect("a list").clone();
    for layer in documents("examples/gitops/flux").iter().filter(|object| object["kind"] == "Kustomization") {
        let path = text(&layer["spec"]["path"]).trim_start_matches("./");
        if path == "operator" {
            continue;
        }
        let checks = layer["spec"]["healthCheckExprs"].as_array().expect("every layer of ours has checks");
        for check in checks {
            assert!(shipped.contains(check), "{}: a check as in gitops/flux: {check:#}", name(layer));
        }
        for object in documents(&format!("examples/gitops/{path}")) {
            let checked = checks.iter().any(|check| check["kind"] == object["kind"]);
            assert!(checked, "{}: {} has a check", name(layer), name(&object));
        }
    }
}

#[tokio::test]
async fn the_charts_take_the_values_of_the_examples() {
    let argo = documents("examples/gitops/argocd");
    let applications = argo.iter().filter(|object| object["spec"]["source"]["chart"].is_string());
    let values = applications.map(|a| {
        (&a["metadata"]["name"], &a["spec"]["source"]["chart"], &a["spec"]["source"]["helm"]["valuesObject"])
    });
    let flux = documents("examples/gitops/flux");
    let releases = flux.iter().filter(|object| object["kind"] == "HelmRelease");
    let values = values.chain(
        releases.map(|r| (&r["metadata"]["name"], &r["spec"]["chartRef"]["name"], &r["spec"]["values"])),
    );
    let mut rendered = 0;
    for (name, chart, values) in values {
        let values = if values.is_null() { "{}".to_owned() } else { values.to_string() };
        let objects = charts::text(text(chart), &[&values]).await;
        assert!(objects.contains("kind: "), "{name}: {chart} with {values} makes objects");
        rendered += 1;
    }
    assert_eq!(rendered, 4, "both charts, by both tools");
}

#[test]
fn what_must_not_be_pruned_says_so_to_both_tools() {
    for object in documents("examples/gitops/fleet") {
        let annotations = &object["metadata"]["annotations"];
        let argo = annotations["argocd.argoproj.io/sync-options"] == "Prune=false";
        let flux = annotations["kustomize.toolkit.fluxcd.io/prune"] == "disabled";
        assert_eq!(argo, flux, "{}: protected from one tool, protected from both", name(&object));
        assert!(argo || object["kind"] != "Workspace", "without its workspace nothing could be retired");
    }
}
