//! What other operators and Grafana are given.

use std::fs;

use serde_json::Value;

use super::{FULL, LEAST, folder, of_kind, only, rendered};

fn file(name: &str) -> String {
    fs::read_to_string(folder("emnify-operator").join("files").join(name)).expect("the chart holds it")
}

#[tokio::test]
async fn nothing_that_needs_other_definitions_is_there_unasked() {
    let objects = rendered(LEAST).await;
    let foreign = objects.iter().find(|object| {
        object["apiVersion"].as_str().is_some_and(|version| version.starts_with("monitoring.coreos.com"))
    });
    assert_eq!(foreign, None, "a cluster without the Prometheus operator can install the chart");
}

#[tokio::test]
async fn a_service_monitor_finds_the_service_of_metrics_and_no_other_rendered_only() {
    let objects = rendered(FULL).await;
    let monitor = only(&objects, "ServiceMonitor");
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus", "Prometheus selects it by label");
    let wanted = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let services = of_kind(&objects, "Service").into_iter();
    let found: Vec<_> = services
        .filter(|service| wanted.iter().all(|(key, value)| &service["metadata"]["labels"][key] == value))
        .collect();
    assert_eq!(found.len(), 1, "pushes are not scraped");
    assert_eq!(found[0]["spec"]["ports"][0]["name"], monitor["spec"]["endpoints"][0]["port"]);
}

#[tokio::test]
async fn alerts_reach_the_prometheus_operator_as_they_are() {
    let objects = rendered(FULL).await;
    let rule = only(&objects, "PrometheusRule");
    let written = file("rules.yaml").replace("docs/runbook.md", "https://docs.example/runbook.html");
    let written: Value = serde_yaml::from_str(&written).unwrap();
    assert_eq!(rule["spec"], written, "Helm must not take the alerts' own templates for its own");
    assert!(
        rule.to_string().contains("https://docs.example/runbook.html#"),
        "links lead to the user's runbook"
    );
    assert_eq!(rule["metadata"]["labels"]["release"], "prometheus");
}

#[tokio::test]
async fn grafana_finds_the_dashboard_by_its_label_rendered_only() {
    let values = format!("{LEAST}dashboard: {{enabled: true}}\n");
    let objects = rendered(&values).await;
    let map = only(&objects, "ConfigMap");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let text = map["data"]["emnify-operator.json"].as_str().expect("a file");
    let read: Value = serde_json::from_str(text).expect("the dashboard is JSON");
    assert_eq!(read, serde_json::from_str::<Value>(&file("dashboard.json")).unwrap());
}
