//! Every metric, defined and documented in one place: an entry of [`METRICS`] is all there is to a metric.
//!
//! Nothing is counted here. Values are read from a [`Snapshot`] when somebody asks for them; labels take values from small,
//! fixed sets, or one per workspace or allowed host.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use emnify::{Count, CountKey, Lane, LimitsSnapshot, MonthSnapshot, Pace};
use emnify_engine::snapshot::SessionSnapshot;
use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::{Registry, Unit},
};

use crate::serve::push;

/// Everything that metrics are made of.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Wall clock.
    pub now: Timestamp,
    /// Hosts that were called.
    pub hosts: Vec<HostSnapshot>,
    /// Live sessions.
    pub sessions: Vec<SessionSnapshot>,
    /// The receiver of data streams, where there is one.
    pub push: Option<push::Snapshot>,
}

/// Traffic with one host.
#[derive(Clone, Debug)]
pub struct HostSnapshot {
    /// Its origin.
    pub host: String,
    /// How its limits stand.
    pub limits: LimitsSnapshot,
    /// Requests so far.
    pub counts: Vec<(CountKey, Count)>,
}

/// One metric.
pub struct Metric {
    /// Its name without the prefix `emnify_`, the unit and `_total`.
    pub name: &'static str,
    /// What it says, for people.
    pub help: &'static str,
    /// Part of the name, where values have one.
    pub unit: Option<Unit>,
    /// A value that only grows while the process lives.
    pub counts: bool,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    read: fn(&Snapshot, &mut Put<'_>),
}

/// Takes one value with its labels, in the order of [`Metric::labels`].
type Put<'a> = dyn FnMut(&[&str], f64) + 'a;

/// Every metric.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "requests",
        help: "Requests sent to emnify, by route, HTTP status (0: no answer) and lane",
        unit: None,
        counts: true,
        labels: &["host", "method", "route", "status", "lane"],
        read: |now, put| {
            each_count(now, &mut |labels, count| put(labels, whole(count.requests)));
        },
    },
    Metric {
        name: "request_duration",
        help: "Time that those requests took together, waiting for a turn not included",
        unit: Some(Unit::Seconds),
        counts: true,
        labels: &["host", "method", "route", "status", "lane"],
        read: |now, put| {
            each_count(now, &mut |labels, count| put(labels, count.duration.as_secs_f64()));
        },
    },
    Metric {
        name: "window_available",
        help: "Requests that a limit allows at once: of the IP address, of logins, of a class of operations per organisation",
        unit: None,
        counts: false,
        labels: &["host", "window", "organisation"],
        read: |now, put| each_window(now, &mut |labels, (available, _)| put(labels, available)),
    },
    Metric {
        name: "window_burst",
        help: "Requests that the limit ever allows at once",
        unit: None,
        counts: false,
        labels: &["host", "window", "organisation"],
        read: |now, put| each_window(now, &mut |labels, (_, burst)| put(labels, burst)),
    },
    Metric {
        name: "turns_waiting",
        help: "Requests that wait for the limits of a host",
        unit: None,
        counts: false,
        labels: &["host", "lane"],
        read: |now, put| {
            for host in &now.hosts {
                each_lane(&host.limits.waiting, |lane, n| put(&[&host.host, lane], small(n)));
            }
        },
    },
    Metric {
        name: "door_closed",
        help: "How long the host wants to be left alone after a 429 or 503; 0: not at all",
        unit: Some(Unit::Seconds),
        counts: false,
        labels: &["host"],
        read: |now, put| {
            for host in &now.hosts {
                put(&[&host.host], host.limits.closed_for.as_secs_f64());
            }
        },
    },
    Metric {
        name: "month_requests",
        help: "Requests of the calendar month (UTC) by lane, those before a restart included",
        unit: None,
        counts: false,
        labels: &["host", "organisation", "lane"],
        read: |now, put| {
            each_month(now, &mut |host, organisation, month| {
                for (lane, n) in Lane::ALL.into_iter().zip(month.ledger.lanes) {
                    put(&[host, organisation, lane.as_str()], whole(n));
                }
            });
        },
    },
    Metric {
        name: "month_limit",
        help: "Requests that the workspace's share of the monthly quota allows",
        unit: None,
        counts: false,
        labels: &["host", "organisation"],
        read: |now, put| {
            each_month(now, &mut |host, organisation, month| put(&[host, organisation], whole(month.limit)));
        },
    },
    Metric {
        name: "month_held",
        help: "Whether the monthly quota holds requests up: 0 no, 1 what can wait is slowed down, 2 nothing is sent",
        unit: None,
        counts: false,
        labels: &["host", "organisation"],
        read: |now, put| {
            each_month(now, &mut |host, organisation, month| {
                let held = match month.pace {
                    Pace::Free => 0.0,
                    Pace::Slowed => 1.0,
                    Pace::Spent => 2.0,
                };
                put(&[host, organisation], held);
            });
        },
    },
    Metric {
        name: "queue_length",
        help: "Objects that wait to be sent or read in emnify",
        unit: None,
        counts: false,
        labels: &["organisation", "lane"],
        read: |now, put| {
            for session in &now.sessions {
                each_lane(&session.queued, |lane, n| put(&[&session.organisation, lane], small(n)));
            }
        },
    },
    Metric {
        name: "scrub_pieces",
        help: "Quotas, blocklists, profile details, rate zones and first-time connectivity that are read in slow rotation",
        unit: None,
        counts: false,
        labels: &["organisation"],
        read: |now, put| {
            now.sessions.iter().for_each(|s| put(&[&s.organisation], small(s.scrub.pieces)));
        },
    },
    Metric {
        name: "scrub_rotation",
        help: "How old such a piece may become until it is read again",
        unit: Some(Unit::Seconds),
        counts: false,
        labels: &["organisation"],
        read: |now, put| {
            now.sessions.iter().for_each(|s| put(&[&s.organisation], s.scrub.rotation.as_secs_f64()));
        },
    },
    Metric {
        name: "listing_age",
        help: "Time since the last complete listing of a kind began",
        unit: Some(Unit::Seconds),
        counts: false,
        labels: &["organisation", "kind"],
        read: |now, put| {
            for session in &now.sessions {
                for kind in &session.kinds {
                    let age = now.now.duration_since(kind.listed_at).as_secs_f64().max(0.0);
                    put(&[&session.organisation, kind.kind], age);
                }
            }
        },
    },
    Metric {
        name: "objects",
        help: "Objects in emnify, by kind",
        unit: None,
        counts: false,
        labels: &["organisation", "kind"],
        read: |now, put| {
            for session in &now.sessions {
                for kind in &session.kinds {
                    put(&[&session.organisation, kind.kind], small(kind.objects));
                }
            }
        },
    },
    Metric {
        name: "push_requests",
        help: "Requests of data streams, by result: accepted, or why not",
        unit: None,
        counts: true,
        labels: &["result"],
        read: |now, put| {
            let Some(push) = &now.push else { return };
            put(&["accepted"], whole(push.requests));
            for (why, count) in push::Outcome::ALL.iter().zip(push.refused) {
                put(&[why.as_str()], whole(count));
            }
        },
    },
    Metric {
        name: "push_records",
        help: "Records in accepted requests of data streams",
        unit: None,
        counts: true,
        labels: &[],
        read: |now, put| {
            if let Some(push) = &now.push {
                put(&[], whole(push.records));
            }
        },
    },
];

/// Takes something with labels.
type Each<'a, T> = dyn FnMut(&[&str], T) + 'a;

fn each_count(now: &Snapshot, put: &mut dyn FnMut(&[&str], &Count)) {
    for host in &now.hosts {
        for (key, count) in &host.counts {
            let status = key.status.to_string();
            put(&[&host.host, &key.method, key.route, &status, key.lane.as_str()], count);
        }
    }
}

fn each_window(now: &Snapshot, put: &mut Each<'_, (f64, f64)>) {
    for host in &now.hosts {
        for window in &host.limits.windows {
            let organisation = window.organisation.map(|id| id.to_string()).unwrap_or_default();
            put(&[&host.host, window.name, &organisation], (window.available, window.burst));
        }
    }
}

fn each_month(now: &Snapshot, put: &mut dyn FnMut(&str, &str, &MonthSnapshot)) {
    for host in &now.hosts {
        for month in &host.limits.months {
            put(&host.host, &month.organisation.to_string(), month);
        }
    }
}

fn each_lane(counts: &[usize; 7], mut put: impl FnMut(&str, usize)) {
    Lane::ALL.into_iter().zip(counts).for_each(|(lane, n)| put(lane.as_str(), *n));
}

#[allow(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn whole(count: u64) -> f64 {
    count as f64
}

fn small(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

/// Tells how everything stands.
pub type Source = Box<dyn Fn() -> Snapshot + Send + Sync>;

/// The exposition. Before its source is known it has no values.
#[derive(Clone, Default)]
pub struct Metrics(Arc<OnceLock<Source>>);

impl Metrics {
    /// What [`Metrics::text`] is served as.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Says where values come from; the first source stays.
    pub fn read_from(&self, source: impl Fn() -> Snapshot + Send + Sync + 'static) {
        self.0.get_or_init(|| Box::new(source));
    }

    /// All metrics as they stand now, in the `OpenMetrics` text format.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("emnify");
        let snapshot = self.0.get().map(|read| read()).unwrap_or_default();
        registry.register_collector(Box::new(Reading(snapshot)));
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Reading(Snapshot);

impl Collector for Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in METRICS {
            let kind = if metric.counts { MetricType::Counter } else { MetricType::Gauge };
            let unit = metric.unit.as_ref();
            let mut values = encoder.encode_descriptor(metric.name, metric.help, unit, kind)?;
            let mut result = Ok(());
            (metric.read)(&self.0, &mut |labels, value| {
                let labels: Vec<(&str, &str)> =
                    metric.labels.iter().copied().zip(labels.iter().copied()).collect();
                result = result.and_then(|()| put(&mut values, metric.counts, &labels, value));
            });
            result?;
        }
        Ok(())
    }
}

fn put(
    values: &mut prometheus_client::encoding::MetricEncoder<'_>,
    counts: bool,
    labels: &Vec<(&str, &str)>,
    value: f64,
) -> fmt::Result {
    let mut one = values.encode_family(labels)?;
    if counts {
        one.encode_counter(&value, None::<&Exemplar<[(&str, &str); 0], f64>>)
    } else {
        one.encode_gauge(&value)
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
