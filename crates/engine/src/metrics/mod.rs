//! What the engine counts as it goes: a few numbers per kind and lane, none per object.

mod convergence;
pub mod histogram;
pub mod snapshot;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use emnify::Lane;
use parking_lot::{Mutex, MutexGuard};

pub use self::convergence::Convergences;
use self::histogram::{Histogram, MOMENTS, WAITS};
use crate::session::queue::Ticket;

/// How a difference between spec and emnify that nobody edited here ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drift {
    /// It was seen.
    Found,
    /// It was seen, and emnify is as the spec says again.
    Corrected,
}

impl Drift {
    /// Its name in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Corrected => "corrected",
        }
    }
}

/// What a look at an object came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    /// Its kind.
    pub kind: &'static str,
    /// The step that was decided, or `Failed`.
    pub step: &'static str,
    /// A constant of [`crate::kind::reason`]; empty where the step says it all.
    pub reason: &'static str,
}

/// All numbers as they stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Looks at objects.
    pub looks: BTreeMap<Outcome, u64>,
    /// From the beginning of a look to the end of its Kubernetes side, by kind.
    pub look_time: BTreeMap<&'static str, Histogram>,
    /// From an edit, or the making of an object, until emnify is as it says, by kind.
    pub ready_time: BTreeMap<&'static str, Histogram>,
    /// From a place in the queue to the turn, by lane.
    pub wait_time: BTreeMap<Lane, Histogram>,
    /// From a place in the queue to the answer, by lane.
    pub answer_time: BTreeMap<Lane, Histogram>,
    /// Differences that nobody here made, by kind.
    pub drift: BTreeMap<(&'static str, Drift), u64>,
    /// Kubernetes Events that the API server could not take in time.
    pub dropped_events: u64,
    /// Tasks that triggers made.
    pub triggers_fired: u64,
    /// Devices that triggers left out because of their limits.
    pub triggers_dropped: u64,
}

/// Counts as it goes.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
    dropped_events: AtomicU64,
}

impl Metrics {
    /// All numbers as they stand.
    pub fn snapshot(&self) -> Counts {
        Counts { dropped_events: self.dropped_events.load(Ordering::Relaxed), ..self.lock().clone() }
    }

    pub(crate) fn looked(&self, outcome: Outcome, took: Duration) {
        let mut counts = self.lock();
        *counts.looks.entry(outcome).or_default() += 1;
        counts.look_time.entry(outcome.kind).or_insert_with(|| Histogram::new(MOMENTS)).observe(took);
    }

    pub(crate) fn ready(&self, kind: &'static str, after: Duration) {
        self.lock().ready_time.entry(kind).or_insert_with(|| Histogram::new(WAITS)).observe(after);
    }

    pub(crate) fn waited(&self, ticket: &Ticket) {
        let mut counts = self.lock();
        let times = counts.wait_time.entry(ticket.lane).or_insert_with(|| Histogram::new(WAITS));
        times.observe(ticket.since.elapsed());
    }

    pub(crate) fn answered(&self, ticket: &Ticket) {
        let mut counts = self.lock();
        let times = counts.answer_time.entry(ticket.lane).or_insert_with(|| Histogram::new(WAITS));
        times.observe(ticket.since.elapsed());
    }

    pub(crate) fn drifted(&self, kind: &'static str, drift: Drift, objects: u64) {
        if objects > 0 {
            *self.lock().drift.entry((kind, drift)).or_default() += objects;
        }
    }

    /// A trigger made a task.
    pub(crate) fn fired(&self) {
        self.lock().triggers_fired += 1;
    }

    /// A trigger left out so many devices.
    pub(crate) fn dropped(&self, devices: usize) {
        self.lock().triggers_dropped += u64::try_from(devices).unwrap_or(u64::MAX);
    }

    pub(crate) fn event_dropped(&self) {
        self.dropped_events.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock()
    }
}
