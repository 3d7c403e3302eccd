//! The tables of docs/metrics.md, made from the metrics and the alert rules.

use std::fmt::Write as _;

use emnify_operator::telemetry::metrics::METRICS;
use serde_json::Value;

/// One line per metric.
pub(super) fn metrics() -> String {
    let mut table = String::from("| Metric | Type | Labels | What it says |\n|---|---|---|---|\n");
    for metric in METRICS {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (metric.exposed(), metric.kind(), metric.help);
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", "))
            .expect("text takes everything");
    }
    table
}

/// One line per alert.
pub(super) fn alerts(rules: &str) -> String {
    let rules: Value = serde_yaml::from_str(rules).expect("rules are YAML");
    let groups = rules["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let mut table = String::from("| Alert | Severity | After | What it means |\n|---|---|---|---|\n");
    for rule in rules {
        let Some(name) = rule["alert"].as_str() else { continue };
        let text = |value: &Value| value.as_str().unwrap_or_default().trim().to_owned();
        let (severity, after) = (text(&rule["labels"]["severity"]), text(&rule["for"]));
        let means =
            text(&rule["annotations"]["description"]).replace("{{ $value | humanizeDuration }}", "that time");
        let means = means.replace("{{ $value | humanizePercentage }}", "That share");
        let link = format!("[{name}](runbook.md#{})", name.to_lowercase());
        writeln!(table, "| {link} | {severity} | {after} | {means} |").expect("text takes everything");
    }
    table
}
