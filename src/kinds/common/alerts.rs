//! What emnify warns of, as people read it on the object of the device or SIM.

use emnify::wire::event::Event;
use emnify_engine::kind::{Alert, Subject, reason};
use jiff::Timestamp;
use serde_json::Value;

/// Warnings whose ids are documented nowhere, by name. [D]
const BY_NAME: [(&str, &str); 2] = [
    ("Endpoint data traffic limit warning", reason::TRAFFIC_LIMIT_NEAR),
    ("SMS MO P2P limit reached", reason::TRAFFIC_LIMIT_REACHED),
];

/// A device that is refused tries again and again: it is said once in so many seconds.
const REFUSED_EVERY: i64 = 3600;

/// The alert about this object, if the event is one.
pub fn about(of: Subject, event: &Event) -> Option<Alert> {
    let reason = reason_of(event)?;
    let key = match (reason, event.timestamp) {
        (reason::SESSION_REFUSED, Some(at)) => format!("{}/{}", event.description, hour(at)),
        _ => event.id.to_string(),
    };
    Some(Alert { of, reason, note: note(event), key })
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(REFUSED_EVERY)
}

/// Types of alerts, and of what is worth one although emnify does not call it so. [P]
fn reason_of(event: &Event) -> Option<&'static str> {
    match event.kind()? {
        0 if event.alert => Some(reason::SESSION_CUT),
        // a session that came about is no alert, whatever the flag says
        3 if event.event_severity.unwrap_or(0) > 0 || event.alert => Some(reason::SESSION_REFUSED),
        10 => Some(reason::SIM_DELETED),
        11 => Some(reason::TRAFFIC_LIMIT_REACHED),
        18 | 20 => Some(reason::QUOTA_LOW),
        19 | 21 => Some(reason::QUOTA_USED_UP),
        60 => Some(reason::QUOTA_EXPIRED),
        69 => Some(reason::SIM_MIGRATED),
        _ => {
            let name = event.event_type.as_ref().and_then(|kind| kind.name.as_deref()).unwrap_or_default();
            let known = BY_NAME.iter().find(|(text, _)| *text == name).map(|(_, reason)| *reason);
            known.or(event.alert.then_some(reason::EMNIFY_ALERT))
        }
    }
}

/// emnify's words, with what is left of a quota and which SIM it is about.
fn note(event: &Event) -> String {
    let name = event.event_type.as_ref().and_then(|kind| kind.name.as_deref()).unwrap_or_default();
    let said = event.description.trim();
    let mut note = match (name, said) {
        ("", "") => "emnify raised an alert".to_owned(),
        (name, "") => name.to_owned(),
        ("", said) => said.to_owned(),
        (name, said) if said.starts_with(name) => said.to_owned(),
        (name, said) => format!("{name}: {said}"),
    };
    if let Some(quota) = quota(&event.detail) {
        note += &quota;
    }
    if let Some(iccid) = event.sim.as_ref().and_then(|sim| sim.iccid.as_deref()) {
        note.push_str(" (SIM ");
        note.push_str(iccid);
        note.push(')');
    }
    note
}

/// Volumes are numbers or strings. [R]
fn quota(detail: &Value) -> Option<String> {
    let quota = detail.get("quota")?;
    let number = |key: &str| match quota.get(key)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    let left = number("volume").map(|left| format!("; left: {left}"))?;
    let threshold = number("threshold_percentage").map(|percent| format!(", threshold: {percent} %"));
    Some(left + &threshold.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use emnify_engine::kind::Id;
    use serde_json::json;

    use super::*;

    fn nine() -> Subject {
        Subject::Id(Id::Int(9))
    }

    fn event(value: &Value) -> Event {
        let mut all = json!({"id": 281_474_976_710_777_i64, "timestamp": "2026-05-01T12:00:00.000Z",
            "endpoint": {"id": 9}, "sim": {"id": 4, "iccid": "8988303000000010001"}});
        all.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn said(value: &Value) -> Option<(&'static str, String)> {
        about(nine(), &event(value)).map(|alert| (alert.reason, alert.note))
    }

    #[test]
    fn every_alert_says_what_happened_in_emnifys_words() {
        let blocked = json!({"event_type": {"id": 11, "description": "Endpoint blocked"}, "alert": true,
            "description": "Endpoint blocked by traffic limit"});
        assert_eq!(
            said(&blocked),
            Some((
                "TrafficLimitReached",
                "Endpoint blocked by traffic limit (SIM 8988303000000010001)".into()
            ))
        );
        let quota = json!({"event_type": {"id": 19, "description": "Quota used up"}, "alert": 1, "sim": null,
            "detail": {"quota": {"volume": "0.000000", "threshold_percentage": 20}}});
        assert_eq!(
            said(&quota),
            Some(("QuotaUsedUp", "Quota used up; left: 0.000000, threshold: 20 %".into()))
        );
        let unknown = json!({"event_type": {"id": 4711, "description": "New"}, "alert": true, "sim": null,
            "description": "text"});
        assert_eq!(said(&unknown), Some(("EmnifyAlert", "New: text".into())), "types may be added any time");
        let bare = json!({"event_type": {"id": 4711}, "alert": true, "sim": null});
        assert_eq!(said(&bare), Some(("EmnifyAlert", "emnify raised an alert".into())));
    }

    #[test]
    fn types_say_it_where_the_flag_or_the_id_does_not() {
        let typed = |id: i64, name: &str| json!({"event_type": {"id": id, "description": name}});
        for (id, reason) in [
            (10, "SimDeleted"),
            (18, "QuotaLow"),
            (20, "QuotaLow"),
            (21, "QuotaUsedUp"),
            (60, "QuotaExpired"),
        ] {
            assert_eq!(said(&typed(id, "")).map(|s| s.0), Some(reason), "{id}");
        }
        let near = typed(4712, "Endpoint data traffic limit warning");
        assert_eq!(said(&near).map(|s| s.0), Some("TrafficLimitNear"));
        for id in [1, 3, 5, 8, 9, 42, 51] {
            assert_eq!(said(&typed(id, "")), None, "{id} is no alert");
        }
    }

    #[test]
    fn a_device_that_is_refused_again_and_again_is_one_alert_an_hour() {
        let refused = |id: i64, at: &str| {
            let value = json!({"id": id, "timestamp": at, "event_type": {"id": 3}, "event_severity": {"id": 1},
                "description": "quota exhausted"});
            about(nine(), &event(&value)).unwrap()
        };
        let first = refused(1, "2026-05-01T12:00:00Z");
        assert_eq!(first.reason, "SessionRefused");
        assert_eq!(first.key, refused(2, "2026-05-01T12:59:00Z").key);
        assert_ne!(first.key, refused(3, "2026-05-01T13:00:00Z").key);
        let blocked =
            |id: i64| about(nine(), &event(&json!({"id": id, "event_type": {"id": 11}}))).unwrap().key;
        assert_ne!(blocked(1), blocked(2), "others are said each time");
    }
}
