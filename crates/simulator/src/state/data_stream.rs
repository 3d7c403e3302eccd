//! Data streams: what they select, what waits to be delivered, and the states they go through. [S][P]

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Event;
use super::table::rows;
use crate::rules::loopback;

rows!(DataStream => data_stream);

/// States of a stream, by id. [S]
pub mod status {
    /// It delivers.
    pub const RUNNING: u64 = 1;
    /// It keeps what comes, for up to seven days. [P]
    pub const PAUSED: u64 = 2;
    /// Its destination could not be reached; it has to be restarted. [P]
    pub const ERROR: u64 = 3;
    /// It is being changed.
    pub const PENDING: u64 = 4;
}

/// How long a change takes. [?]
const CHANGE: SignedDuration = SignedDuration::from_secs(1);
/// How long what was not delivered is kept. [P]
pub(super) const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Records that wait at the most, so that memory has a bound.
const MOST: usize = 100_000;
/// Pauses before a delivery is tried once more; after the last one the stream is in error. [?]
pub(super) const RETRIES: [i64; 3] = [1, 2, 4];
/// Records of a delivery unless the stream says otherwise. [S]
const BATCH: u64 = 3_000;

/// A data stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataStream {
    /// Its number; clients see a text that is made of it.
    #[serde(default)]
    pub id: u64,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// 1 usage, 2 events.
    pub kind: u64,
    /// Where to.
    pub connection_type: String,
    /// How to reach that, secrets included.
    #[serde(default)]
    pub credentials: Map<String, Value>,
    /// Which records: `{"field", "value": [..]}`.
    #[serde(default)]
    pub filters: Vec<Value>,
    /// The state that it is in.
    #[serde(default = "running")]
    pub status: u64,
    /// What it is being changed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Events that wait to be delivered, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub outbox: VecDeque<u64>,
    /// Deliveries that failed in a row.
    #[serde(default)]
    pub failures: usize,
    /// No delivery before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
}

fn running() -> u64 {
    status::RUNNING
}

/// A change that was accepted and takes effect later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// When it does.
    pub at: Timestamp,
    /// The stream goes.
    #[serde(default)]
    pub ends: bool,
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Other credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Map<String, Value>>,
    /// Other filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Vec<Value>>,
    /// The state that it has then.
    #[serde(default = "running")]
    pub status: u64,
}

impl Change {
    /// One that takes effect in a second, and leaves the stream in this state.
    pub fn to(status: u64, now: Timestamp) -> Self {
        Self { at: now + CHANGE, ends: false, name: None, credentials: None, filters: None, status }
    }
}

/// Records for one stream, in one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Batch {
    /// Id of the organisation.
    pub(crate) organisation: u64,
    /// Number of the stream.
    pub(crate) stream: u64,
    /// How many of the outbox these are.
    pub(crate) taken: usize,
    /// The events of them that the log still holds.
    pub(crate) events: Vec<u64>,
    /// One record goes as an object, several as an array.
    pub(crate) bare: bool,
    /// How to send them.
    pub(crate) credentials: Map<String, Value>,
}

impl DataStream {
    /// The id that clients see: opaque, and no number.
    pub fn name_of(id: u64) -> String {
        format!("ds{id:06}x")
    }

    /// The number of such an id.
    pub fn number_of(text: &str) -> Option<u64> {
        text.strip_prefix("ds")?.strip_suffix('x')?.parse().ok()
    }

    /// Where it really delivers to: plain HTTP on loopback.
    pub fn loopback(&self) -> Option<http::Uri> {
        let url = self.credentials.get("url").filter(|_| self.connection_type == "RestAPI")?;
        loopback(url.as_str()?)
    }

    /// Filters are all met; one without a value selects everything.
    fn selects(&self, event: &Event) -> bool {
        let met = |filter: &Value| {
            let any = |wanted: &str| {
                filter["value"].as_array().is_none_or(|all| all.iter().any(|value| *value == *wanted))
            };
            match filter["field"].as_str() {
                Some("event_type_id") => any(&event.event_type.to_string()),
                Some("alert") => any(if event.alert { "true" } else { "false" }),
                _ => true,
            }
        };
        self.kind == 2 && self.filters.iter().all(met)
    }

    /// Takes an event that was written if it is one of its own.
    pub(super) fn offer(&mut self, event: &Event) {
        if self.loopback().is_some() && self.selects(event) {
            self.outbox.push_back(event.id);
            if self.outbox.len() > MOST {
                self.outbox.pop_front();
            }
        }
    }

    pub(super) fn settle(&mut self, now: Timestamp) {
        let Some(change) = self.change.take_if(|change| !change.ends && change.at <= now) else { return };
        let Change { name, credentials, filters, status, .. } = change;
        self.name = name.unwrap_or_else(|| std::mem::take(&mut self.name));
        self.credentials = credentials.unwrap_or_else(|| std::mem::take(&mut self.credentials));
        self.filters = filters.unwrap_or_else(|| std::mem::take(&mut self.filters));
        (self.status, self.failures, self.retry_at) = (status, 0, None);
    }

    pub(super) fn has_ended(&self, now: Timestamp) -> bool {
        self.change.as_ref().is_some_and(|change| change.ends && change.at <= now)
    }

    /// Records of one request.
    pub(super) fn size(&self) -> usize {
        let size = self.credentials.get("size").and_then(Value::as_u64).unwrap_or(BATCH);
        usize::try_from(size).unwrap_or(usize::MAX).max(1)
    }
}
