//! What events say of devices.

use emnify::wire::event::Event;
use emnify_engine::kind::{EventEffect, Id, Key, Subject};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    connectivity::{Connectivity, rat_name},
    rows::key,
};

/// Event types that tell of a device without saying where it is: enabled, disabled, SIM released, assigned, activated,
/// suspended, deleted, in factory test. [P]
const HINTS: [i64; 8] = [42, 43, 50, 51, 8, 9, 10, 45];

/// The device that an event or a record means: the one it names, else the one that holds the SIM it names.
pub fn subject(endpoint: Option<i64>, sim: Option<i64>) -> Option<Subject> {
    let by_sim = || sim.map(|sim| Subject::Key(Key::new(key::SIM, sim.to_string())));
    endpoint.map(|id| Subject::Id(Id::Int(id))).or_else(by_sim)
}

/// What an event says about a device: where it is, or only that something about it changed.
pub fn on_event(event: &Event) -> Option<EventEffect<Connectivity>> {
    let of = subject(event.endpoint_id(), event.sim_id())?;
    let kind = event.kind()?;
    if HINTS.contains(&kind) {
        return Some(EventEffect { of, news: None });
    }
    // A rejected session is a warning or of policy control, and leaves the device where it was.
    let accepted = event.event_severity.unwrap_or(0) == 0 && event.event_source.unwrap_or(0) == 0;
    let word = match kind {
        1 | 2 | 5 => "ATTACHED",
        3 if accepted => "ONLINE",
        15 | 16 => "OFFLINE",
        11 => "BLOCKED",
        _ => return None,
    };
    Some(EventEffect { of, news: Some(place(word, &event.detail, event.timestamp)) })
}

/// Location events carry the operator itself, session events a country and the session.
fn place(word: &str, detail: &Value, since: Option<Timestamp>) -> Connectivity {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let operator = detail.get("operator").unwrap_or(detail);
    let country = detail.get("country").or_else(|| operator.get("country"));
    let session = detail.get("pdp_context");
    let rat = session.and_then(|session| session.get("rat_type"));
    let rat_id = rat.and_then(|rat| rat.as_i64().or_else(|| rat.as_str()?.parse().ok()));
    Connectivity {
        word: word.to_owned(),
        operator: text(operator.get("name")),
        country: text(country.and_then(|country| country.get("name"))),
        rat_type: text(rat.and_then(|rat| rat.get("description"))).or_else(|| rat_id.map(rat_name)),
        cell: None,
        since,
    }
}
