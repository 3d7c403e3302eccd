use std::{collections::BTreeSet, time::Duration};

use emnify::{Ledger, WindowSnapshot};
use emnify_engine::{scrub::ScrubSnapshot, snapshot::KindSnapshot};

use super::*;

/// A snapshot in which every metric has a value.
fn snapshot() -> Snapshot {
    let key = CountKey { method: "GET".into(), route: "/api/v1/endpoint", status: 200, lane: Lane::Sweep };
    let count = Count { requests: 12, duration: Duration::from_millis(1_500) };
    let window = |name, organisation| WindowSnapshot { name, organisation, available: 3.5, burst: 5.0 };
    let ledger = Ledger { month: "2026-11".into(), used: 70, lanes: [10; 7] };
    let limits = LimitsSnapshot {
        available: 180.0,
        burst: 200.0,
        closed_for: Duration::from_secs(30),
        waiting: [0, 1, 2, 0, 0, 0, 0],
        windows: vec![window("ip", None), window("login", None), window("listing", Some(42))],
        months: vec![MonthSnapshot { organisation: 42, ledger, limit: 5_000_000, pace: Pace::Slowed }],
    };
    let host = "https://cdn.emnify.net".to_owned();
    let session = SessionSnapshot {
        organisation: "42".into(),
        queued: [0, 0, 7, 0, 0, 0, 0],
        scrub: ScrubSnapshot { pieces: 3, rotation: Duration::from_secs(300), share: 0.02 },
        kinds: vec![KindSnapshot { kind: "Endpoint", objects: 9, listed_at: Timestamp::UNIX_EPOCH }],
    };
    Snapshot {
        now: Timestamp::from_second(60).unwrap(),
        hosts: vec![HostSnapshot { host, limits, counts: vec![(key, count)] }],
        sessions: vec![session],
        push: Some(crate::serve::push::Snapshot { requests: 5, records: 9, refused: [1, 0, 0, 0, 0, 0, 2] }),
    }
}

fn text() -> String {
    let metrics = Metrics::default();
    metrics.read_from(snapshot);
    metrics.text().unwrap()
}

/// The name under which values of a metric appear.
fn exposed(metric: &Metric) -> String {
    let unit = metric.unit.as_ref().map(|unit| format!("_{}", unit.as_str())).unwrap_or_default();
    let total = if metric.counts { "_total" } else { "" };
    format!("emnify_{}{unit}{total}", metric.name)
}

#[test]
fn every_metric_has_help_and_a_value() {
    let text = text();
    let mut names = BTreeSet::new();
    for metric in METRICS {
        let name = exposed(metric);
        assert!(names.insert(name.clone()), "{name} is defined once");
        let family = name.trim_end_matches("_total");
        assert!(metric.help.len() > 20, "{name} says what it is");
        assert!(text.contains(&format!("# HELP {family} {}", metric.help)), "{name} has help:\n{text}");
        assert!(
            text.lines().any(|line| line.starts_with(&format!("{name}{{"))),
            "{name} has a value:\n{text}"
        );
    }
}

#[test]
fn every_metric_is_in_the_documentation() {
    let page = include_str!("../../docs/limits.md");
    for metric in METRICS {
        let name = exposed(metric);
        assert!(page.contains(&format!("`{name}`")), "docs/limits.md says nothing of {name}");
    }
}

#[test]
fn labels_are_those_that_are_declared() {
    let text = text();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        let metric = METRICS.iter().find(|metric| exposed(metric) == name).unwrap();
        let labels = rest.split_once('}').unwrap().0;
        let names: Vec<&str> =
            labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0)).collect();
        assert_eq!(names, metric.labels, "{line}");
    }
    let allowed = ["host", "method", "route", "status", "lane", "window", "organisation", "kind", "result"];
    for metric in METRICS {
        for label in metric.labels {
            assert!(allowed.contains(label), "{label} of {} may take any number of values", metric.name);
        }
    }
}

#[test]
fn values_are_those_of_the_snapshot() {
    let text = text();
    let has = |line: &str| assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    let host = "host=\"https://cdn.emnify.net\"";
    let request = format!("{host},method=\"GET\",route=\"/api/v1/endpoint\",status=\"200\",lane=\"sweep\"");
    has(&format!("emnify_requests_total{{{request}}} 12.0"));
    has(&format!("emnify_request_duration_seconds_total{{{request}}} 1.5"));
    has(&format!("emnify_window_available{{{host},window=\"listing\",organisation=\"42\"}} 3.5"));
    has(&format!("emnify_turns_waiting{{{host},lane=\"create\"}} 2.0"));
    has(&format!("emnify_door_closed_seconds{{{host}}} 30.0"));
    has(&format!("emnify_month_limit{{{host},organisation=\"42\"}} 5000000.0"));
    has(&format!("emnify_month_held{{{host},organisation=\"42\"}} 1.0"));
    has("emnify_queue_length{organisation=\"42\",lane=\"create\"} 7.0");
    has("emnify_push_requests_total{result=\"accepted\"} 5.0");
    has("emnify_push_records_total{} 9.0");
    has("emnify_scrub_rotation_seconds{organisation=\"42\"} 300.0");
    has("emnify_listing_age_seconds{organisation=\"42\",kind=\"Endpoint\"} 60.0");
    assert!(text.ends_with("# EOF\n"), "a scraper knows that it got everything");
}

#[test]
fn a_starting_process_has_no_values() {
    let text = Metrics::default().text().unwrap();
    assert!(text.contains("# HELP emnify_requests"), "but tells what there will be:\n{text}");
}
