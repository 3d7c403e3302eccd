//! Events, and drafts of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::rows;
use crate::reference_data::EventType;

rows!(Event => event);

/// One entry of the log. What it names is a copy of how things were. [R]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct Event {
    #[serde(default)]
    pub id: u64,
    pub timestamp: Timestamp,
    pub event_type: u64,
    pub source: u64,
    pub severity: u64,
    #[serde(default)]
    pub alert: bool,
    pub description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<EventUser>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EventEndpoint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim: Option<EventSim>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<EventImsi>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

/// Who caused an event; absent for application tokens. [R]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct EventUser {
    pub id: u64,
    pub username: String,
    pub name: String,
}

/// The device as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct EventEndpoint {
    pub id: u64,
    pub name: String,
    pub tags: Option<String>,
    pub ip_address: Option<String>,
    pub imei: Option<String>,
}

/// The SIM as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct EventSim {
    pub id: u64,
    pub iccid: String,
    pub production_date: Timestamp,
}

/// The SIM's IMSI as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct EventImsi {
    pub id: u64,
    pub imsi: String,
    pub import_date: Timestamp,
}

/// An event about to be written. Severity, source, alert and description come from its type unless changed.
#[derive(Debug, Clone)]
pub struct Draft {
    pub(super) kind: &'static EventType,
    pub(super) severity: u64,
    pub(super) source: u64,
    pub(super) alert: bool,
    pub(super) description: String,
    pub(super) user: Option<EventUser>,
    pub(super) endpoint: Option<u64>,
    pub(super) sim: Option<u64>,
    pub(super) detail: Value,
}

impl Draft {
    /// An event of that type (ids of `reference_data::EVENT_TYPES`).
    pub fn new(kind: u64) -> Self {
        let kind = EventType::get(kind).expect("only known event types are emitted");
        Self {
            kind,
            severity: kind.severity,
            source: kind.source,
            alert: kind.alert,
            description: kind.name.to_owned(),
            user: None,
            endpoint: None,
            sim: None,
            detail: Value::Null,
        }
    }

    /// Names a device of the organisation, and its SIM unless [`Draft::sim`] names one.
    #[must_use]
    pub fn endpoint(mut self, id: u64) -> Self {
        self.endpoint = Some(id);
        self
    }

    /// Names a SIM of the organisation.
    #[must_use]
    pub fn sim(mut self, id: u64) -> Self {
        self.sim = Some(id);
        self
    }

    /// Names the acting person.
    #[must_use]
    pub fn user(mut self, user: Option<EventUser>) -> Self {
        self.user = user;
        self
    }

    /// The text of the entry.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// What the type adds.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// Another source than the type's usual one: 0 network, 1 policy control, 2 API.
    #[must_use]
    pub fn source(mut self, source: u64) -> Self {
        self.source = source;
        self
    }

    /// Another severity than the type's usual one: 0 info, 1 warn, 2 critical.
    #[must_use]
    pub fn severity(mut self, severity: u64) -> Self {
        self.severity = severity;
        self
    }

    /// Marks the event as an alert.
    #[must_use]
    pub fn alert(mut self) -> Self {
        self.alert = true;
        self
    }
}
