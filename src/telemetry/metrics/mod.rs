//! The exposition. Nothing is counted here: values are read from a [`Snapshot`] when somebody asks for them.
//!
//! [`table`] defines every metric.

mod format;
mod read;
mod table;

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, OnceLock},
};

use emnify::{Count, CountKey, LimitsSnapshot, Pace, wire::usage::MonthlyStats};
use emnify_engine::metrics::{
    histogram::Histogram,
    snapshot::{EngineSnapshot, Readiness, SessionSnapshot},
};
use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, text},
    metrics::{MetricType, exemplar::Exemplar},
    registry::{Registry, Unit},
};

pub use self::{format::Format, table::METRICS};
use crate::{cluster::Hearing, leader::election, push};

/// Everything that metrics are made of.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Wall clock.
    pub now: Timestamp,
    /// Hosts that were called.
    pub hosts: Vec<HostSnapshot>,
    /// Kubernetes objects, and what was counted.
    pub engine: EngineSnapshot,
    /// Workspaces of both kinds.
    pub workspaces: Vec<WorkspaceSnapshot>,
    /// Live sessions.
    pub sessions: Vec<OrganisationSnapshot>,
    /// Whether this process leads, once it may.
    pub lead: Option<election::Snapshot>,
    /// The receiver of data streams, where there is one.
    pub push: Option<push::Snapshot>,
    /// The receiver of callbacks about SMS, where there is one.
    pub sms: Option<push::sms::Snapshot>,
    /// Fields that differ between the cluster's definitions and this binary's, by kind.
    pub skew: Vec<(String, usize)>,
    /// How the API server was heard.
    pub hearing: Option<Hearing>,
    /// Namespaces that are to be watched and cannot be.
    pub unserved: Vec<String>,
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
    /// Rows of listings and tables that could not be read, by route.
    pub unread: Vec<(&'static str, u64)>,
}

/// One `Workspace` or `ClusterWorkspace`.
#[derive(Clone, Debug, Default)]
pub struct WorkspaceSnapshot {
    /// Which of the two.
    pub kind: &'static str,
    /// Empty for a `ClusterWorkspace`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What its condition `Ready` says.
    pub ready: Readiness,
    /// Since when it is being deleted.
    pub deleted: Option<Timestamp>,
    /// When the token that it works with ends.
    pub token_expires: Option<Timestamp>,
}

/// One live organisation.
#[derive(Clone, Debug)]
pub struct OrganisationSnapshot {
    /// What the engine knows of it.
    pub session: SessionSnapshot,
    /// When the application token that the operator logs in with ends.
    pub credential_expires: Option<Timestamp>,
    /// What it uses and pays, and when that was read.
    pub usage: Option<(MonthlyStats, Timestamp)>,
}

impl std::ops::Deref for OrganisationSnapshot {
    type Target = SessionSnapshot;
    fn deref(&self) -> &SessionSnapshot {
        &self.session
    }
}

/// One metric.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name without the prefix `emnify_`, the unit and `_total`.
    pub name: &'static str,
    /// What it says, for people.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    seconds: bool,
    read: Read,
}

/// Takes one value with its labels, in the order of [`Metric::labels`].
type Put<'a> = dyn FnMut(&[&str], f64) + 'a;
/// The same for durations that were counted by size.
type PutTimes<'a> = dyn FnMut(&[&str], &Histogram) + 'a;

#[derive(Clone, Copy)]
enum Read {
    /// A value that only grows while the process lives.
    Counter(fn(&Snapshot, &mut Put<'_>)),
    Gauge(fn(&Snapshot, &mut Put<'_>)),
    Histogram(fn(&Snapshot, &mut PutTimes<'_>)),
}

const fn metric(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: Read,
) -> Metric {
    Metric { name, help, labels, seconds: false, read }
}

const fn counter(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: fn(&Snapshot, &mut Put<'_>),
) -> Metric {
    metric(name, help, labels, Read::Counter(read))
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: fn(&Snapshot, &mut Put<'_>),
) -> Metric {
    metric(name, help, labels, Read::Gauge(read))
}

const fn histogram(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    read: fn(&Snapshot, &mut PutTimes<'_>),
) -> Metric {
    metric(name, help, labels, Read::Histogram(read))
}

impl Metric {
    /// Its values are seconds, and its name says so.
    const fn seconds(self) -> Self {
        Self { seconds: true, ..self }
    }

    /// `counter`, `gauge` or `histogram`.
    pub fn kind(&self) -> &'static str {
        match self.read {
            Read::Counter(_) => "counter",
            Read::Gauge(_) => "gauge",
            Read::Histogram(_) => "histogram",
        }
    }

    /// Its full name; that of a histogram gets `_bucket`, `_sum` or `_count` in addition.
    pub fn exposed(&self) -> String {
        let unit = if self.seconds { "_seconds" } else { "" };
        let total = if matches!(self.read, Read::Counter(_)) { "_total" } else { "" };
        format!("emnify_{}{unit}{total}", self.name)
    }

    fn encode(&self, now: &Snapshot, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.read {
            Read::Counter(_) => MetricType::Counter,
            Read::Gauge(_) => MetricType::Gauge,
            Read::Histogram(_) => MetricType::Histogram,
        };
        let unit = self.seconds.then_some(&Unit::Seconds);
        let mut values = encoder.encode_descriptor(self.name, self.help, unit, kind)?;
        let mut result = Ok(());
        let mut one = |labels: &[&str], put: &mut dyn FnMut(MetricEncoder<'_>) -> fmt::Result| {
            let labels: Vec<(&str, &str)> = self.labels.iter().copied().zip(labels.iter().copied()).collect();
            result = result.and_then(|()| put(values.encode_family(&labels)?));
        };
        match self.read {
            Read::Counter(read) => read(now, &mut |labels, value| {
                one(labels, &mut |mut out| out.encode_counter(&value, None::<&Exemplar<NoLabels, f64>>));
            }),
            Read::Gauge(read) => read(now, &mut |labels, value| {
                one(labels, &mut |mut out| out.encode_gauge(&value));
            }),
            Read::Histogram(read) => read(now, &mut |labels, times| {
                let buckets = times.buckets();
                one(labels, &mut |mut out| {
                    out.encode_histogram::<NoLabels>(times.sum(), times.count(), &buckets, None)
                });
            }),
        }
        result
    }
}

type NoLabels = [(&'static str, &'static str); 0];

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.exposed())
    }
}

/// Tells how everything stands.
pub type Source = Box<dyn Fn() -> Snapshot + Send + Sync>;

/// The exposition. Before its source is known it has no values.
#[derive(Clone, Default)]
pub struct Metrics {
    source: Arc<OnceLock<Source>>,
    /// Name of the shard, on every sample; none where one process serves all.
    shard: Option<Arc<str>>,
}

impl Metrics {
    /// That of the shard with this name; of everything if it is empty. Every sample says so, or what one shard lacks would
    /// be hidden by what another one has.
    pub fn of_shard(name: &str) -> Self {
        Self { shard: (!name.is_empty()).then(|| name.into()), ..Self::default() }
    }

    /// Says where values come from; the first source stays.
    pub fn read_from(&self, source: impl Fn() -> Snapshot + Send + Sync + 'static) {
        self.source.get_or_init(|| Box::new(source));
    }

    /// All metrics as they stand now.
    pub fn text(&self, format: Format) -> Result<String, fmt::Error> {
        let shard = self.shard.iter().map(|shard| (Cow::from("shard"), Cow::from(shard.to_string())));
        let mut registry = Registry::with_prefix_and_labels("emnify", shard);
        let snapshot = self.source.get().map(|read| read()).unwrap_or_default();
        registry.register_collector(Box::new(Reading(snapshot)));
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(format.of(out))
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
        METRICS.iter().try_for_each(|metric| metric.encode(&self.0, &mut encoder))
    }
}

#[cfg(test)]
mod tests;
