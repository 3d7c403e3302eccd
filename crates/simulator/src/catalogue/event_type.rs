//! Event types with what their entries usually carry.

use std::sync::LazyLock;

use serde::Deserialize;

static EVENT_TYPES: LazyLock<Vec<EventType>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("event_types.json")).expect("event_types.json is part of this crate")
});

/// A type of event. Ids below 100 are published ones; those of types whose id is nowhere readable start at 9001. [D][P][?]
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventType {
    /// Its id.
    pub id: u64,
    /// What the API calls it.
    #[serde(rename = "description")]
    pub name: String,
    /// 0 info, 1 warn, 2 critical.
    pub severity: u64,
    /// 0 network, 1 policy control, 2 API (and Portal).
    pub source: u64,
    /// Whether entries are alerts.
    pub alert: bool,
}

impl EventType {
    /// A data limit's warning percentage was crossed. [?]
    pub const LIMIT_WARNING: u64 = 9001;
    /// The daily number of P2P MO SMS was reached. [?]
    pub const P2P_LIMIT: u64 = 9002;
    /// A traffic limit was extended. [?]
    pub const LIMIT_EXTENSION: u64 = 9003;

    /// All types, by id.
    pub fn all() -> &'static [Self] {
        &EVENT_TYPES
    }

    /// The type of that id.
    pub fn get(id: u64) -> Option<&'static Self> {
        EVENT_TYPES.iter().find(|kind| kind.id == id)
    }

    /// The API's word for a source. [R]
    pub fn source_name(source: u64) -> &'static str {
        match source {
            0 => "Network",
            1 => "Policy Control",
            _ => "API",
        }
    }

    /// The API's word for a severity. [R]
    pub fn severity_name(severity: u64) -> &'static str {
        match severity {
            0 => "Info",
            1 => "Warn",
            _ => "Critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_type_is_there_once() {
        let ids: Vec<_> = EventType::all().iter().map(|kind| kind.id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "types are listed once, by id");
        for id in [0, 1, 2, 3, 5, 8, 9, 10, 11, 15, 16, 18, 42, 43, 45, 48, 50, 51, 52, 56, 60, 67, 68, 69] {
            assert!(EventType::get(id).is_some(), "type {id} is published");
        }
        assert_eq!(EventType::get(51).map(|kind| kind.name.as_str()), Some("SIM Assigned"));
    }
}
