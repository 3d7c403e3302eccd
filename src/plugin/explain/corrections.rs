//! How often the operator set back what somebody had changed in emnify, as the events of the object tell, and who that was.

use emnify_engine::kind::reason::CORRECT;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

use super::people::{Person, log};
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

/// How often drift was corrected.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Corrections {
    times: i32,
    /// The first that is still known.
    pub(super) first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// What the last one was.
    what: String,
}

impl Corrections {
    /// What the events tell, in the order in which they happened; none if there was nothing.
    pub(super) fn of(events: &[Event]) -> Option<Self> {
        let all: Vec<&Event> =
            events.iter().filter(|event| event.action.as_deref() == Some(CORRECT)).collect();
        let (first, last) = (all.first()?, all.last()?);
        Some(Self {
            times: all.iter().map(|event| times(event)).sum(),
            first: happened(first),
            last: happened(last),
            what: last.message.clone().unwrap_or_default(),
        })
    }

    /// A sentence, and one on who made it necessary.
    pub(super) fn told(&self, found: &Found, who: &[Person]) -> String {
        let at = |at: Option<Timestamp>| at.map(second).unwrap_or_default();
        let (from, to) = (at(self.first), at(self.last));
        let when = match self.times {
            1 => format!("once, at {to}"),
            2 => format!("twice since {from}, last at {to}"),
            times => format!("{times} times since {from}, last at {to}"),
        };
        let who = if who.is_empty() {
            let object = if log(found).is_some() {
                format!(" {}{}", found.typed(), found.within())
            } else {
                String::new()
            };
            format!("Who changed it in emnify: kubectl emnify events{object}")
        } else {
            let all: Vec<_> = who
                .iter()
                .map(|person| format!("{} ({}, {})", person.name, second(person.at), person.what))
                .collect();
            format!("Its log in emnify names {}", all.join(", "))
        };
        format!("Drift was corrected {when}: {}. {who}", self.what)
    }
}

fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
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
        assert_eq!(Corrections::of(std::slice::from_ref(&edit)), None, "an edit is no drift");
        let told = |events: &[Event]| Corrections::of(events).map(|all| all.told(&device(), &[]));
        let first = event("Correct", 2, "name: c -> b");
        let once = told(&[edit.clone(), first.clone()]).unwrap();
        assert!(
            once.starts_with("Drift was corrected once, at 2026-05-01 12:02:00Z: name: c -> b."),
            "{once}"
        );
        let twice = told(&[first.clone(), edit, event("Correct", 7, "name: d -> b")]).unwrap();
        let wanted = "Drift was corrected twice since 2026-05-01 12:02:00Z, last at 2026-05-01 12:07:00Z: name: d -> b. Who changed it in \
                      emnify: kubectl emnify events endpoint/meter-1 -n iot";
        assert_eq!(twice, wanted);
        let mut many = first;
        many.count = Some(3);
        assert!(told(&[many.clone()]).unwrap().contains("3 times since"));
        let ada = Person {
            name: "ada@example.com".to_owned(),
            at: "2026-05-01T12:01:30Z".parse().unwrap(),
            what: "Endpoint disabled".to_owned(),
        };
        let by = Corrections::of(&[many]).unwrap().told(&device(), &[ada]);
        assert!(
            by.ends_with("Its log in emnify names ada@example.com (2026-05-01 12:01:30Z, Endpoint disabled)"),
            "{by}"
        );
    }
}
