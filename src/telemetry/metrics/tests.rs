use std::{collections::BTreeSet, time::Duration};

use emnify::{
    Lane, Ledger, MonthSnapshot, WindowSnapshot,
    wire::usage::{Balance, Currency, Month, Traffic},
};
use emnify_engine::{
    kind::census::Census,
    metrics::{
        Counts, Drift, Outcome,
        histogram::{Histogram, WAITS},
        snapshot::{KindSnapshot, ObjectsSnapshot},
    },
    session::scrub::ScrubSnapshot,
};

use crate::{kinds::common::group, telemetry::metrics::*};

fn census() -> Census {
    let mut census = Census::default();
    for name in ["Online", "Online", "Unknown"] {
        census.add(group::CONNECTIVITY, name);
    }
    census.add(group::COUNTRY, "Germany");
    census.add(group::RAT, "4G");
    census.add(group::SIM, "Activated");
    census.add(group::DATA_STREAM, "Running");
    census.add(group::CLOUD_CONNECT, "Active");
    census
}

fn usage() -> MonthlyStats {
    let traffic = |volume| Traffic {
        volume: Some(volume),
        cost: Some(1.25),
        currency: Some(Currency { code: "EUR".into() }),
        ..Traffic::default()
    };
    MonthlyStats {
        current_month: Some(Month { data: Some(traffic(35.5)), sms: Some(traffic(7.0)) }),
        last_month: None,
        active_chargeable_sims: Some(9.0),
        prepaid_balance: Some(Balance { amount: Some(100.0), currency: None }),
    }
}

fn engine() -> EngineSnapshot {
    let mut times = Histogram::new(WAITS);
    times.observe(Duration::from_secs(2));
    let outcome = Outcome { kind: "Endpoint", step: "Stall", reason: "Rejected" };
    let objects = ObjectsSnapshot {
        kind: "ApplicationToken",
        ready: [(("True", "UpToDate"), 4)].into(),
        stuck: 1,
        expires: Timestamp::from_second(1_700_000_000).ok(),
    };
    EngineSnapshot {
        objects: vec![objects],
        counts: Counts {
            looks: [(outcome, 3)].into(),
            look_time: [("Endpoint", times.clone())].into(),
            ready_time: [("Endpoint", times.clone())].into(),
            wait_time: [(Lane::Create, times.clone())].into(),
            answer_time: [(Lane::Create, times)].into(),
            drift: [(("Endpoint", Drift::Corrected), 6)].into(),
            dropped_events: 2,
            triggers_fired: 4,
            triggers_dropped: 1,
        },
    }
}

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
        oldest: [0, 0, 90, 0, 0, 0, 0].map(Duration::from_secs),
        tail_lag: Some(Duration::from_secs(12)),
        guard_tripped: true,
        restricted: true,
        blocked: true,
        scrub: ScrubSnapshot { pieces: 3, rotation: Duration::from_secs(300), asked_for: 0, share: 0.02 },
        census: census(),
        kinds: vec![KindSnapshot { kind: "Endpoint", objects: 9, listed_at: Timestamp::UNIX_EPOCH }],
    };
    let workspace = WorkspaceSnapshot {
        kind: "Workspace",
        namespace: "iot".into(),
        name: "default".into(),
        ready: ("False", "Unauthorized"),
        deleted: None,
        token_expires: Timestamp::from_second(1_800_000_000).ok(),
    };
    Snapshot {
        now: Timestamp::from_second(60).unwrap(),
        hosts: vec![HostSnapshot {
            host,
            limits,
            counts: vec![(key, count)],
            unread: vec![("/api/v1/operator", 2)],
        }],
        engine: engine(),
        workspaces: vec![workspace],
        sessions: vec![OrganisationSnapshot {
            session,
            credential_expires: Timestamp::from_second(1_900_000_000).ok(),
            usage: Some((usage(), Timestamp::UNIX_EPOCH)),
        }],
        lead: Some(crate::leader::election::Snapshot { leads: true, transitions: 2 }),
        push: Some(crate::push::Snapshot { requests: 5, records: 9, refused: [1, 0, 0, 0, 0, 0, 2, 0] }),
        sms: Some(crate::push::sms::Snapshot {
            messages: 3,
            receipts: 4,
            refused: [0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        }),
        skew: vec![("Endpoint".into(), 2)],
        hearing: Some(crate::cluster::Hearing { silent: Duration::from_secs(3), given_up: 1 }),
        unserved: vec!["gone".into()],
    }
}

fn text() -> String {
    let metrics = Metrics::default();
    metrics.read_from(snapshot);
    metrics.text(Format::OpenMetrics).unwrap()
}

/// The metric that a line of the exposition is of, and its labels.
fn sample(line: &str) -> Option<(&'static Metric, &str)> {
    let (name, rest) = line.split_once('{')?;
    let of = |metric: &&Metric| {
        let series = if metric.kind() == "histogram" { &["_bucket", "_sum", "_count"][..] } else { &[""] };
        series.iter().any(|end| name == format!("{}{end}", metric.exposed()))
    };
    Some((METRICS.iter().find(of)?, rest.split_once('}')?.0))
}

#[test]
fn every_metric_has_help_and_a_value() {
    let text = text();
    let mut names = BTreeSet::new();
    for metric in METRICS {
        let name = metric.exposed();
        assert!(names.insert(name.clone()), "{name} is defined once");
        let family = name.trim_end_matches("_total");
        assert!(metric.help.len() > 20, "{name} says what it is");
        assert!(text.contains(&format!("# HELP {family} {}", metric.help)), "{name} has help:\n{text}");
        assert!(
            text.lines().any(|line| sample(line).is_some_and(|(of, _)| of.exposed() == name)),
            "{name} has a value:\n{text}"
        );
    }
}

#[test]
fn labels_are_those_that_are_declared() {
    let text = text();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (metric, labels) = sample(line).unwrap_or_else(|| panic!("{line} is of no metric"));
        let names: Vec<&str> = labels
            .split("\",")
            .filter_map(|label| Some(label.split_once('=')?.0))
            .filter(|l| *l != "le")
            .collect();
        assert_eq!(names, metric.labels, "{line}");
    }
    let fixed = [
        "method",
        "route",
        "status",
        "lane",
        "window",
        "kind",
        "result",
        "step",
        "reason",
        "ready",
        "outcome",
        "connectivity",
        "state",
        "country",
        "rat",
        "month",
        "traffic",
        "currency",
    ];
    let one_each =
        ["version", "host", "organisation", "workspace_namespace", "workspace", "watched_namespace"];
    let allowed = [&fixed[..], &one_each].concat();
    for metric in METRICS {
        for label in metric.labels {
            assert!(allowed.contains(label), "{label} of {} may take any number of values", metric.name);
        }
    }
}

#[test]
fn no_label_is_one_that_prometheus_gives_to_targets() {
    // of a scrape by the Prometheus operator, by annotations, or of static targets
    let theirs = ["namespace", "pod", "service", "container", "endpoint", "node", "job", "instance"];
    for metric in METRICS {
        for label in metric.labels {
            assert!(
                !theirs.contains(label) && !label.starts_with("exported_"),
                "{}: without honorLabels `{label}` is stored as exported_{label}, and rules mean the operator's own",
                metric.exposed()
            );
        }
    }
}

#[test]
fn every_sample_of_a_shard_says_which() {
    let metrics = Metrics::of_shard("region=eu");
    metrics.read_from(snapshot);
    for format in [Format::OpenMetrics, Format::Text] {
        let text = metrics.text(format).unwrap();
        let mut samples = text.lines().filter(|line| !line.starts_with('#')).peekable();
        assert!(
            samples.peek().is_some() && samples.all(|line| line.contains("shard=\"region=eu\"")),
            "{text}"
        );
    }
    assert!(!text().contains("shard="), "one that serves all has no shard");
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
    has("emnify_sms_received_total{kind=\"message\"} 3.0");
    has("emnify_sms_received_total{kind=\"receipt\"} 4.0");
    has("emnify_sms_refused_total{reason=\"replay\"} 5.0");
    has("emnify_triggers_fired_total{} 4.0");
    has("emnify_triggers_dropped_total{} 1.0");
    has("emnify_leader{} 1.0");
    has("emnify_lease_transitions_total{} 2.0");
    has("emnify_scrub_rotation_seconds{organisation=\"42\"} 300.0");
    has("emnify_listing_age_seconds{organisation=\"42\",kind=\"Endpoint\"} 60.0");
    has("emnify_queue_oldest_age_seconds{organisation=\"42\",lane=\"create\"} 90.0");
    has("emnify_queue_wait_seconds_bucket{le=\"2.5\",lane=\"create\"} 1");
    has("emnify_queue_wait_seconds_bucket{le=\"1.0\",lane=\"create\"} 0");
    has("emnify_time_to_ready_seconds_sum{kind=\"Endpoint\"} 2.0");
    has("emnify_reconciles_total{kind=\"Endpoint\",step=\"Stall\",reason=\"Rejected\"} 3.0");
    has("emnify_drift_total{kind=\"Endpoint\",outcome=\"corrected\"} 6.0");
    has("emnify_resources{kind=\"ApplicationToken\",ready=\"True\",reason=\"UpToDate\"} 4.0");
    has("emnify_resources{kind=\"Workspace\",ready=\"False\",reason=\"Unauthorized\"} 1.0");
    has("emnify_stuck_deletions{kind=\"ApplicationToken\"} 1.0");
    has("emnify_devices{organisation=\"42\",connectivity=\"Online\"} 2.0");
    has("emnify_devices_by_country{organisation=\"42\",country=\"Germany\"} 1.0");
    has("emnify_sims{organisation=\"42\",state=\"Activated\"} 1.0");
    has("emnify_usage_data_megabytes{organisation=\"42\",month=\"current\"} 35.5");
    has("emnify_usage_cost{organisation=\"42\",month=\"current\",traffic=\"sms\",currency=\"EUR\"} 1.25");
    has("emnify_guard_tripped{organisation=\"42\"} 1.0");
    has("emnify_login_restricted{organisation=\"42\"} 1.0");
    has("emnify_organisation_blocked{organisation=\"42\"} 1.0");
    has("emnify_tail_lag_seconds{organisation=\"42\"} 12.0");
    has("emnify_credential_expiry_timestamp_seconds{organisation=\"42\"} 1900000000.0");
    assert!(text.ends_with("# EOF\n"), "a scraper knows that it got everything");
}

#[test]
fn a_starting_process_has_no_values() {
    let text = Metrics::default().text(Format::OpenMetrics).unwrap();
    assert!(text.contains("# HELP emnify_requests"), "but tells what there will be:\n{text}");
}
