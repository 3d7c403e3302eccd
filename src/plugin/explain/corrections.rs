//! How often the operator set back what somebody had changed in emnify, as the events of the object tell.

use emnify_engine::kind::reason::CORRECT;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

use crate::plugin::cluster::Found;

/// When it happened last.
pub(super) fn happened(event: &Event) -> Option<Timestamp> {
    let last = event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
    last.or(event.last_timestamp.as_ref().map(|time| time.0)).or(event.event_time.as_ref().map(|time| time.0))
}

/// How often it happened.
pub(super) fn times(event: &Event) -> i32 {
    event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1)
}

/// How often drift was corrected, since when, and what it was last; the events in the order in which they happened.
pub(super) fn told(found: &Found, events: &[Event]) -> Option<String> {
    let all: Vec<&Event> = events.iter().filter(|event| event.action.as_deref() == Some(CORRECT)).collect();
    let (first, last) = (all.first()?, all.last()?);
    let often = all.iter().map(|event| times(event)).sum();
    let at = |event: &Event| happened(event).map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string());
    let (from, to) = (at(first).unwrap_or_default(), at(last).unwrap_or_default());
    let when = match often {
        1 => format!("once, at {to}"),
        2 => format!("twice since {from}, last at {to}"),
        _ => format!("{often} times since {from}, last at {to}"),
    };
    let what = last.message.clone().unwrap_or_default();
    let kind = found.family.resource.kind.as_str();
    let who = match kind {
        "Endpoint" | "Sim" => format!("kubectl emnify events {}{}", found.typed(), found.within()),
        _ => "kubectl emnify events".to_owned(),
    };
    Some(format!("Drift was corrected {when}: {what}. Who changed it in emnify: {who}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::definitions::families;

    fn device() -> Found {
        let object = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": "meter-1", "namespace": "iot"}});
        let family = families().into_iter().find(|family| family.resource.kind == "Endpoint").unwrap();
        Found::of(&family, from_value(object).unwrap())
    }

    fn event(action: &str, minute: u32, message: &str) -> Event {
        let event: Value = json!({"metadata": {"name": "e"}, "involvedObject": {}, "reason": "Updated", "action": action,
            "message": message, "eventTime": format!("2026-05-01T12:{minute:02}:00.000000Z")});
        from_value(event).unwrap()
    }

    #[test]
    fn corrections_are_counted_and_edits_are_not() {
        let edit = event("Reconcile", 1, "name: a -> b");
        assert_eq!(told(&device(), std::slice::from_ref(&edit)), None, "an edit is no drift");
        let first = event("Correct", 2, "name: c -> b");
        let once = told(&device(), &[edit.clone(), first.clone()]).unwrap();
        assert!(
            once.starts_with("Drift was corrected once, at 2026-05-01 12:02:00Z: name: c -> b."),
            "{once}"
        );
        let twice = told(&device(), &[first.clone(), edit, event("Correct", 7, "name: d -> b")]).unwrap();
        let wanted = "Drift was corrected twice since 2026-05-01 12:02:00Z, last at 2026-05-01 12:07:00Z: name: d -> b. Who changed it in \
                      emnify: kubectl emnify events endpoint/meter-1 -n iot";
        assert_eq!(twice, wanted);
        let mut many = first;
        many.count = Some(3);
        assert!(told(&device(), &[many]).unwrap().contains("3 times since"));
    }
}
