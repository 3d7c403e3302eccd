//! Who changed a device in emnify, as its log there tells. Applications have no name in it.

use emnify::wire::{
    Listing,
    reading::{Ask, ENDPOINT_EVENTS, Reading, SIM_EVENTS},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::plugin::{cluster::Found, emnify::Emnify};

/// Source of what was done at the portal or by the API. [R]
const API: i64 = 2;
/// So long before it was set back something may have been changed.
const BEFORE: SignedDuration = SignedDuration::from_hours(24);
/// So many of its newest events are looked at.
const EVENTS: u32 = 100;
/// So many people are named.
const PEOPLE: usize = 3;

/// Somebody who changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    /// As they log in.
    pub(super) name: String,
    /// When they did it last.
    pub(super) at: Timestamp,
    /// What emnify calls that.
    pub(super) what: String,
}

/// Where the log of an object is; emnify keeps one for devices and SIMs.
pub(super) fn log(found: &Found) -> Option<Reading> {
    match found.family.resource.kind.as_str() {
        "Endpoint" => Some(ENDPOINT_EVENTS),
        "Sim" => Some(SIM_EVENTS),
        _ => None,
    }
}

/// Who changed the object before this; nobody where that cannot be read.
pub(super) async fn who(emnify: &Emnify, found: &Found, first: Timestamp) -> Vec<Person> {
    let (Some(log), Some(id)) = (log(found), found.text("/status/id")) else { return Vec::new() };
    let listing = Listing::all().sort("-timestamp").per_page(EVENTS);
    let ask = Ask { args: vec![id.to_owned()], listing, ..Ask::default() };
    let rows = emnify.page(&log, &ask).await.map(|page| page.items).unwrap_or_default();
    people(&rows, first.saturating_sub(BEFORE).unwrap_or(Timestamp::MIN))
}

/// People of these events, the newest first, each once.
fn people(rows: &[Value], since: Timestamp) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    for row in rows {
        let text = |at: &[&str]| at.iter().find_map(|at| row.pointer(at)?.as_str()).map(str::to_owned);
        let source = row.pointer("/event_source/id").unwrap_or(&row["event_source"]);
        let (Some(name), Some(at)) = (
            text(&["/user/username", "/user/name"]),
            text(&["/timestamp"]).and_then(|at| emnify::parse_timestamp(&at)),
        ) else {
            continue;
        };
        if emnify::wire::integer(source) != Some(API)
            || at < since
            || people.iter().any(|known| known.name == name)
        {
            continue;
        }
        let what = text(&["/event_type/description", "/event_type/name", "/description"]).unwrap_or_default();
        people.push(Person { name, at, what });
    }
    people.truncate(PEOPLE);
    people
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(minute: u32, source: u32, user: &Value) -> Value {
        json!({"timestamp": format!("2026-05-01T12:{minute:02}:00Z"), "event_source": {"id": source}, "user": user,
            "event_type": {"id": 20, "description": "Endpoint disabled"}})
    }

    #[test]
    fn people_are_named_once_and_applications_not_at_all() {
        let since = "2026-05-01T12:00:00Z".parse().unwrap();
        let (ada, bo) = (json!({"id": 1, "username": "ada@example.com"}), json!({"id": 2, "name": "Bo"}));
        let rows =
            [row(9, 2, &json!(null)), row(8, 2, &ada), row(7, 2, &bo), row(6, 2, &ada), row(5, 0, &ada)];
        let names: Vec<_> =
            people(&rows, since).into_iter().map(|one| (one.name, one.at.to_string())).collect();
        let wanted = [("ada@example.com", "2026-05-01T12:08:00Z"), ("Bo", "2026-05-01T12:07:00Z")];
        assert_eq!(names, wanted.map(|(name, at)| (name.to_owned(), at.to_owned())));
        assert_eq!(people(&[row(8, 0, &ada)], since), [], "the network changes no settings");
        assert_eq!(people(&rows, "2026-05-01T13:00:00Z".parse().unwrap()), [], "that was long before");
        assert_eq!(people(&[json!({"user": 7, "timestamp": 3})], since), [], "an odd row hides no other");
    }
}
