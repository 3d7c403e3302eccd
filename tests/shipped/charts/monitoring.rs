//! What other operators and Grafana are given.

use std::{fs, process::Command};

use emnify_devenv::tools;
use serde_json::{Value, json};

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
async fn what_is_scraped_may_be_relabelled_and_keeps_its_own_labels() {
    let endpoint = |objects: &[Value]| only(objects, "ServiceMonitor")["spec"]["endpoints"][0].clone();
    let least = endpoint(&rendered(&format!("{LEAST}serviceMonitor: {{enabled: true}}\n")).await);
    assert_eq!(least["honorLabels"], true, "a label of the target of the same name does not replace ours");
    assert!(least.get("relabelings").is_none() && least.get("metricRelabelings").is_none());
    let full = endpoint(&rendered(FULL).await);
    assert_eq!(full["honorLabels"], false);
    assert_eq!(full["relabelings"][0]["action"], "labeldrop");
    assert_eq!(full["metricRelabelings"][0]["action"], "drop");
}

/// Alerts that fire after twenty minutes with these series, for rules as the chart renders them: `alert shard`.
async fn firing(values: &str, series: &[&str], expected: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let rules = only(&rendered(values).await, "PrometheusRule")["spec"].to_string();
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let inputs: Vec<_> = series.iter().map(|series| json!({"series": series, "values": "1x30"})).collect();
    let samples: Vec<_> = expected
        .iter()
        .map(|(alert, shard)| {
            let shard = if shard.is_empty() { String::new() } else { format!(", shard=\"{shard}\"") };
            json!({"labels": format!("{{alertname=\"{alert}\"{shard}}}"), "value": 1})
        })
        .collect();
    let expression =
        "count by (alertname, shard) (ALERTS{alertname=\"EmnifyOperatorDown\", alertstate=\"firing\"})";
    let test = json!({
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": inputs,
            "promql_expr_test": [{"expr": expression, "eval_time": "20m", "exp_samples": samples}],
        }],
    });
    fs::write(folder.path().join("test.yaml"), test.to_string()).unwrap();
    let promtool = tools::promtool().await.expect("promtool");
    let output = Command::new(promtool)
        .args(["test", "rules", "test.yaml"])
        .current_dir(folder.path())
        .output()
        .expect("promtool runs");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{series:?}: {said}");
}

#[tokio::test]
async fn a_shard_that_is_down_is_not_hidden_by_another_one() {
    let shards = "shards: [{name: eu, selector: region=eu}, {name: rest, selector: region!=eu}]\n";
    let values = format!("{LEAST}{shards}prometheusRule: {{enabled: true}}\n");
    let up = |shard: &str| {
        format!("emnify_build_info{{version=\"1\",shard=\"{shard}\",namespace=\"emnify-system\"}}")
    };
    let down = "EmnifyOperatorDown";
    firing(&values, &[&up("eu"), &up("rest")], &[]).await;
    firing(&values, &[&up("rest")], &[(down, "eu")]).await;
    firing(&values, &[], &[(down, "eu"), (down, "rest")]).await;
}

#[tokio::test]
async fn an_installation_that_is_down_is_not_hidden_by_another_one() {
    let values = format!("{LEAST}prometheusRule: {{enabled: true}}\nserviceMonitor: {{enabled: true}}\n");
    let up = |namespace: &str| format!("emnify_build_info{{version=\"1\",namespace=\"{namespace}\"}}");
    firing(&values, &[&up("emnify-system")], &[]).await;
    firing(&values, &[&up("elsewhere")], &[("EmnifyOperatorDown", "")]).await;
}

#[tokio::test]
async fn alerts_reach_the_prometheus_operator_as_they_are() {
    let objects = rendered(FULL).await;
    let rule = only(&objects, "PrometheusRule");
    let written = file("rules.yaml").replace("docs/runbook.md", "https://docs.example/runbook.html");
    // the chart's ServiceMonitor gives targets their namespace
    let written = written
        .replace("absent(emnify_build_info)", "absent(emnify_build_info{namespace=\"emnify-system\"})");
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
