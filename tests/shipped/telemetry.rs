//! Alert rules, dashboard and documentation speak of metrics that exist, and the rules do what they say.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use emnify_devenv::tools;
use emnify_operator::telemetry::metrics::METRICS;
use regex::Regex;
use serde_json::Value;

const FILES: &str = "charts/emnify-operator/files";

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(super::ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every name that metrics and recording rules are exposed under.
fn exposed() -> BTreeSet<String> {
    let metrics = METRICS.iter().flat_map(|metric| match metric.kind() {
        "histogram" => ["_bucket", "_sum", "_count"].map(|end| metric.exposed() + end).to_vec(),
        _ => vec![metric.exposed()],
    });
    let recorded = rules().into_iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned()));
    metrics.chain(recorded).collect()
}

fn rules() -> Vec<Value> {
    let groups = yaml(&format!("{FILES}/rules.yaml"));
    let groups = groups["groups"].as_array().expect("groups").clone();
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

/// Names of ours that an expression or a page uses.
fn used(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\bemnify(?:_|:[a-z])[a-z0-9_:]*").expect("a pattern");
    name.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

/// Every string under the key `expr`, however deep.
fn expressions(node: &Value, put: &mut Vec<String>) {
    match node {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "expr" => put.push(text.clone()),
                    _ => expressions(value, put),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|value| expressions(value, put)),
        _ => {}
    }
}

#[test]
fn rules_and_dashboard_name_metrics_that_exist() {
    let exposed = exposed();
    let dashboard: Value = serde_json::from_str(&text(&format!("{FILES}/dashboard.json"))).expect("JSON");
    for (file, content) in [("rules.yaml", Value::from(rules())), ("dashboard.json", dashboard)] {
        let mut found = Vec::new();
        expressions(&content, &mut found);
        assert!(found.len() > 15, "{file} has expressions");
        for expression in found {
            let names = used(&expression);
            assert!(
                !names.is_empty() || expression.contains("day_of_month"),
                "{file}: {expression} asks nothing of us"
            );
            let unknown: Vec<_> = names.difference(&exposed).collect();
            assert!(unknown.is_empty(), "{file}: {expression} names {unknown:?}, which nobody exposes");
        }
    }
}

#[test]
fn labels_in_expressions_are_those_of_the_metric() {
    let mut found = Vec::new();
    let dashboard: Value = serde_json::from_str(&text(&format!("{FILES}/dashboard.json"))).expect("JSON");
    expressions(&dashboard, &mut found);
    expressions(&Value::from(rules()), &mut found);
    let selector = Regex::new(r"\b(emnify_[a-z0-9_]+)\{([^}]*)\}").expect("a pattern");
    let label = Regex::new(r"([a-z_]+)\s*(?:=~|!~|!=|=)").expect("a pattern");
    for expression in found {
        for of in selector.captures_iter(&expression) {
            let base = of[1].trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
            let metric = METRICS.iter().find(|metric| metric.exposed() == base || metric.exposed() == of[1]);
            let labels = metric.unwrap_or_else(|| panic!("{} exists", &of[1])).labels;
            for name in label.captures_iter(&of[2]) {
                assert!(labels.contains(&&name[1]), "{} has no label {}: {expression}", &of[1], &name[1]);
            }
        }
    }
}

#[test]
fn every_alert_says_what_it_means_and_where_help_is() {
    let runbook = text("docs/runbook.md");
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("a name");
        assert!(name.starts_with("Emnify"), "{name}: alerts of one cluster share one list");
        let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{name} has a severity");
        assert!(alert["for"].is_string(), "{name} waits until it is sure");
        for key in ["summary", "description"] {
            let told = alert["annotations"][key].as_str().unwrap_or_default();
            assert!(told.len() > 20 && told.ends_with('.'), "{name} has a {key}");
        }
        let anchor = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], anchor, "{name} leads to its own entry");
        assert!(runbook.contains(&format!("### {name}\n")), "docs/runbook.md has no entry ### {name}");
    }
}

#[test]
fn every_alert_is_tested_when_it_fires_and_when_it_does_not() {
    let tests = yaml(&format!("{FILES}/rules-test.yaml"));
    let tests = tests["tests"].as_array().expect("tests");
    let checks = tests.iter().flat_map(|test| test["promql_expr_test"].as_array().expect("checks"));
    let checks: Vec<_> = checks
        .map(|check| {
            let fires = check["exp_samples"].as_array().is_some_and(|samples| !samples.is_empty());
            (check["expr"].as_str().expect("an expression"), fires)
        })
        .collect();
    for alert in alerts() {
        let of = format!("alertname=\"{}\"", alert["alert"].as_str().expect("a name"));
        for fires in [true, false] {
            let tested = checks.iter().any(|(expression, f)| expression.contains(&of) && *f == fires);
            assert!(tested, "rules-test.yaml has no case in which {of} fires: {fires}");
        }
    }
}

#[test]
fn rules_are_tested_with_labels_as_prometheus_stores_them() {
    let tests = yaml(&format!("{FILES}/rules-test.yaml"));
    let tests = tests["tests"].as_array().expect("tests");
    let series = tests.iter().flat_map(|test| test["input_series"].as_array().into_iter().flatten());
    let mut seen = 0;
    for series in series.map(|input| input["series"].as_str().expect("a series")) {
        for label in ["namespace=", "job=", "pod="] {
            assert_eq!(
                series.matches(&format!("{{{label}")).count() + series.matches(&format!(",{label}")).count(),
                1,
                "{series}: {label}"
            );
        }
        seen += 1;
    }
    assert!(seen > 30);
}

#[tokio::test]
async fn promtool_accepts_the_rules_and_their_tests_hold() {
    let promtool = tools::promtool().await.expect("promtool");
    for arguments in [
        ["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"].as_slice(),
        &["test", "rules", "rules-test.yaml"],
    ] {
        let mut command = Command::new(&promtool);
        let done = command
            .args(arguments)
            .current_dir(Path::new(super::ROOT).join(FILES))
            .output()
            .expect("promtool runs");
        let said =
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "promtool {}:\n{said}", arguments.join(" "));
    }
}

#[test]
fn the_dashboard_asks_the_data_source_that_was_chosen() {
    let dashboard: Value = serde_json::from_str(&text(&format!("{FILES}/dashboard.json"))).expect("JSON");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    assert!(
        variables.iter().any(|v| v["type"] == "datasource" && v["name"] == "datasource"),
        "a data source can be chosen"
    );
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(ids.insert(panel["id"].as_i64().expect("an id")), "panels have ids of their own");
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
}

#[test]
fn the_documentation_names_every_metric_and_no_other() {
    let page = text("docs/metrics.md");
    let exposed = exposed();
    for metric in METRICS {
        assert!(
            page.contains(&format!("`{}`", metric.exposed())),
            "docs/metrics.md says nothing of {metric:?}"
        );
    }
    for page in ["docs/metrics.md", "docs/limits.md", "docs/runbook.md"] {
        for name in used(&text(page)) {
            let known = exposed.iter().any(|metric| metric.starts_with(&name));
            assert!(known, "{page} speaks of {name}, which nobody exposes");
        }
    }
}
