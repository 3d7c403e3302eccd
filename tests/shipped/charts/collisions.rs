//! Values that repeat what the chart says itself. Everything that is rendered is decoded strictly by [`super::objects`].

use std::{collections::BTreeSet, fs};

use serde_json::{Map, Value, json};

use super::{FULL, LEAST, folder, objects, of_kind, only, pod, rendered, text};

/// Maps of labels and annotations that users fill.
fn maps(schema: &Value, at: &str, found: &mut Vec<String>) {
    if schema["additionalProperties"]["type"] == "string" {
        found.push(at.to_owned());
    }
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        maps(value, &format!("{at}/{key}"), found);
    }
}

/// Keys of labels and annotations, of objects and of pods, wherever they are.
fn keys(node: &Value, found: &mut BTreeSet<String>) {
    for (key, value) in node.as_object().into_iter().flatten() {
        if ["labels", "annotations"].contains(&key.as_str()) {
            found.extend(value.as_object().into_iter().flatten().map(|(key, _)| key.clone()));
        }
        keys(value, found);
    }
}

/// Values that put each of these keys into each map of the chart's values.
fn colliding(chart: &str, values: &str, keys: &BTreeSet<String>) -> String {
    let schema = fs::read_to_string(folder(chart).join("values.schema.json")).unwrap();
    let (schema, mut values): (Value, Value) =
        (serde_json::from_str(&schema).unwrap(), serde_yaml::from_str(values).unwrap());
    let mut paths = Vec::new();
    maps(&schema, "", &mut paths);
    let theirs: Map<String, Value> = keys.iter().map(|key| (key.clone(), json!("theirs"))).collect();
    for path in &paths {
        let mut node = &mut values;
        for part in path.split('/').skip(1) {
            node = &mut node[part];
        }
        *node = json!(theirs);
    }
    assert!(!paths.is_empty(), "{chart} takes labels or annotations");
    values.to_string()
}

#[tokio::test]
async fn labels_and_annotations_that_repeat_the_charts_stand_once_and_break_no_selector() {
    let mut known = BTreeSet::new();
    let shards = format!("{FULL}shards: [{{name: eu, selector: region=eu}}]\n").replace("shards: []\n", "");
    for object in rendered(&shards).await {
        keys(&object, &mut known);
    }
    assert!(known.contains("emnify.io/shard") && known.contains("kubectl.kubernetes.io/default-container"));
    let objects = rendered(&colliding("emnify-operator", &shards, &known)).await;

    let deployment = only(&objects, "Deployment");
    let pods = &deployment["spec"]["template"]["metadata"]["labels"];
    let selects = |selector: &Value, labels: &Value| {
        selector.as_object().unwrap().iter().all(|(key, value)| &labels[key] == value)
    };
    assert!(selects(&deployment["spec"]["selector"]["matchLabels"], pods), "a Deployment finds its pods");
    assert_eq!(pods["app.kubernetes.io/instance"], "emnify-operator", "what is selected by stays");
    for service in of_kind(&objects, "Service") {
        assert!(selects(&service["spec"]["selector"], pods), "a Service finds the pods");
    }
    let monitor = &only(&objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"];
    let found =
        of_kind(&objects, "Service").into_iter().filter(|s| selects(monitor, &s["metadata"]["labels"]));
    assert_eq!(found.count(), 1, "metrics are scraped once, pushes never");
    assert_eq!(pods["team"], "theirs", "labels that nothing selects by are the user's");
    assert_eq!(deployment["metadata"]["labels"]["app.kubernetes.io/part-of"], "theirs");
}

#[tokio::test]
async fn no_annotation_of_the_values_takes_away_that_helm_keeps_the_definitions() {
    let values = "annotations: {helm.sh/resource-policy: delete, example.com/a: b}\n";
    let crds = objects(&text("emnify-operator-crds", &[values]).await);
    assert!(!crds.is_empty());
    for crd in crds {
        let annotations = &crd["metadata"]["annotations"];
        assert_eq!(
            annotations["helm.sh/resource-policy"], "keep",
            "every object would go with its definition"
        );
        assert_eq!(annotations["example.com/a"], "b");
    }
}

#[tokio::test]
async fn a_variable_of_the_users_stands_in_the_place_of_the_charts() {
    let extra = "extraEnv: [{name: NO_PROXY, value: theirs}, {name: SSL_CERT_DIR, value: theirs}]\n";
    let values = FULL.replace("extraEnv: [{name: EXTRA, value: env}]\n", extra);
    let objects = rendered(&values).await;
    let env = pod(&objects)["containers"][0]["env"].as_array().unwrap();
    let names: BTreeSet<_> = env.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), env.len(), "server-side apply refuses a list with a name twice: {env:?}");
    for name in ["NO_PROXY", "SSL_CERT_DIR"] {
        let found = env.iter().find(|variable| variable["name"] == name).unwrap();
        assert_eq!(found["value"], "theirs");
    }
}

#[tokio::test]
async fn a_release_and_a_chart_may_be_called_by_a_number() {
    let values = format!("{LEAST}nameOverride: '123'\ncommonLabels: {{build: '7'}}\n");
    for object in rendered(&values).await {
        let labels = object["metadata"]["labels"].as_object().unwrap();
        assert!(labels.values().all(Value::is_string), "labels are text: {labels:?}");
    }
}
