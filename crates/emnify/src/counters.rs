//! How many requests were answered how.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::lane::Lane;

/// What is counted apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountKey {
    /// HTTP method.
    pub method: String,
    /// Path with placeholders.
    pub route: &'static str,
    /// HTTP status; 0 without an answer.
    pub status: u16,
    /// The lane the request went in.
    pub lane: Lane,
}

/// Requests of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// How many.
    pub requests: u64,
    /// How long they took together, waiting for a turn not included.
    pub duration: Duration,
}

/// Requests to one host by method, route, status and lane.
#[derive(Debug, Default)]
pub struct Counters {
    counts: Mutex<BTreeMap<CountKey, Count>>,
    unread: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    /// All counts so far.
    pub fn snapshot(&self) -> Vec<(CountKey, Count)> {
        let counts = self.counts.lock();
        counts.iter().map(|(key, count)| (key.clone(), *count)).collect()
    }

    /// Requests in all.
    pub fn total(&self) -> u64 {
        self.snapshot().iter().map(|(_, count)| count.requests).sum()
    }

    /// Rows of listings and tables that could not be read and were left out, by route.
    pub fn unread(&self) -> Vec<(&'static str, u64)> {
        self.unread.lock().iter().map(|(route, rows)| (*route, *rows)).collect()
    }

    pub(crate) fn add_unread(&self, route: &'static str, rows: usize) {
        if rows > 0 {
            *self.unread.lock().entry(route).or_default() += u64::try_from(rows).unwrap_or(u64::MAX);
        }
    }

    pub(crate) fn add(&self, key: CountKey, took: Duration) {
        let mut counts = self.counts.lock();
        let count = counts.entry(key).or_default();
        count.requests += 1;
        count.duration += took;
    }
}
