//! Which requests came, counted and in order.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

/// Entries kept in the ordered log; the counts know all.
const KEPT: usize = 200_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its place in the order of arrival, from 1.
    pub number: u64,
    /// When it came, on the simulated clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path template, or the path where no operation matches.
    pub route: String,
    /// Path.
    pub path: String,
    /// Query, as sent.
    pub query: String,
    /// Status of the answer; 0 while it runs and where the connection was cut.
    pub status: u16,
    /// Id of the organisation, once the token was read.
    pub organisation: Option<u64>,
    /// Where it came from.
    pub source: IpAddr,
    /// Who called, in its own words: the `User-Agent`.
    pub agent: String,
}

/// How often a route was called with that outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Count {
    /// HTTP method.
    pub method: String,
    /// Path template.
    pub route: String,
    /// Status of the answer; 0 where the connection was cut.
    pub status: u16,
    /// How often.
    pub count: u64,
}

/// Requests since the start or the last clearing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Requests {
    /// All of them.
    pub total: u64,
    /// By method, route and status.
    pub counts: Vec<Count>,
    /// In order of arrival, where asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<Entry>,
}

impl Requests {
    /// How many calls of a method and path template were answered or cut.
    pub fn count(&self, method: &str, route: &str) -> u64 {
        self.counts
            .iter()
            .filter(|count| count.method == method && count.route == route)
            .map(|count| count.count)
            .sum()
    }
}

/// The log.
#[derive(Debug, Default)]
pub struct Log {
    arrived: u64,
    counts: BTreeMap<(String, String, u16), u64>,
    entries: BTreeMap<u64, Entry>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Status of the answer; 0 where the connection was cut.
    pub status: u16,
    /// Whose request it was, where that was found out.
    pub organisation: Option<u64>,
}

impl Log {
    /// Notes a request and returns its number.
    pub fn arrive(&mut self, mut entry: Entry) -> u64 {
        self.arrived += 1;
        entry.number = self.arrived;
        self.entries.insert(self.arrived, entry);
        if self.entries.len() > KEPT {
            self.entries.pop_first();
        }
        self.arrived
    }

    /// Notes how it ended.
    pub fn finish(&mut self, number: u64, (method, route): (&str, &str), ended: Ended) {
        let Ended { status, organisation } = ended;
        if let Some(entry) = self.entries.get_mut(&number) {
            entry.status = status;
            entry.organisation = organisation;
        }
        let key = (method.to_owned(), route.to_owned(), status);
        *self.counts.entry(key).or_default() += 1;
    }

    /// What came so far, with the ordered log on demand.
    pub fn read(&self, with_log: bool) -> Requests {
        let counts = self
            .counts
            .iter()
            .map(|((method, route, status), count)| Count {
                method: method.clone(),
                route: route.clone(),
                status: *status,
                count: *count,
            })
            .collect();
        Requests {
            total: self.counts.values().sum(),
            counts,
            log: if with_log { self.entries.values().cloned().collect() } else { Vec::new() },
        }
    }

    /// Number of the last request; 0 before the first.
    pub fn last(&self) -> u64 {
        self.arrived
    }

    /// Requests after the one of that number, in order of arrival; without the oldest where there are too many to keep.
    pub fn after(&self, number: u64) -> Vec<Entry> {
        self.entries.range(number + 1..).map(|(_, entry)| entry.clone()).collect()
    }

    /// Forgets everything so far; numbers go on.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.entries.clear();
    }
}
