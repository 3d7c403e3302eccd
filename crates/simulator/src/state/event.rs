//! The event log of one organisation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NextIds, Organisation, table::rows};
use crate::catalogue::EventType;

rows!(Event => event);

/// Entries of the log that are kept at the most, so that memory has a bound: what 100,000 devices write in a day or so. The
/// oldest go first, as they would after 30 days.
const KEPT: usize = 500_000;

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
    kind: &'static EventType,
    severity: u64,
    source: u64,
    alert: bool,
    description: String,
    user: Option<EventUser>,
    endpoint: Option<u64>,
    sim: Option<u64>,
    detail: Value,
}

impl Draft {
    /// An event of that type (ids of `catalogue::EVENT_TYPES`).
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

impl Organisation {
    /// Writes an event into the log.
    pub fn emit(&mut self, next: &mut NextIds, now: Timestamp, draft: Draft) {
        let endpoint = draft.endpoint.and_then(|id| self.endpoints.get(&id));
        let sim = draft
            .sim
            .or_else(|| endpoint.and_then(|endpoint| endpoint.sim))
            .and_then(|id| self.sims.get(&id));
        let event = Event {
            id: 0,
            timestamp: now,
            event_type: draft.kind.id,
            source: draft.source,
            severity: draft.severity,
            alert: draft.alert,
            description: draft.description,
            user: draft.user,
            endpoint: endpoint.map(|endpoint| EventEndpoint {
                id: endpoint.id,
                name: endpoint.name.clone(),
                tags: endpoint.tags.clone(),
                ip_address: endpoint.ip_address.map(|address| address.to_string()),
                imei: endpoint.imei.clone(),
            }),
            imsi: sim.map(|sim| EventImsi {
                id: sim.id,
                imsi: sim.imsi.clone(),
                import_date: sim.production_date,
            }),
            sim: sim.map(|sim| EventSim {
                id: sim.id,
                iccid: sim.iccid.clone(),
                production_date: sim.production_date,
            }),
            detail: draft.detail,
        };
        self.events.add(next, event);
        if self.events.len() > KEPT {
            self.events.pop_first();
        }
    }
}
