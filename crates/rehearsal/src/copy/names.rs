//! Ids that are no numbers: the copy has texts of its own for them, and whoever asks it sees the live ones.

use emnify_simulator::{
    reference_data::{
        Family as Uuids,
        automations::{ACTIONS, SYSTEM_EVENTS, TEMPLATES},
        number, uuid,
    },
    state::DataStream,
};
use serde_json::Value;

use super::{families::Family, read::list};

/// Pairs of a live text and the copy's own.
#[derive(Debug, Default)]
pub(super) struct Names {
    pairs: Vec<(String, String)>,
    last: u64,
}

impl Names {
    fn pair(&mut self, live: &str, copy: String) {
        if live != copy && !self.pairs.iter().any(|(known, _)| known == live) {
            self.pairs.push((live.to_owned(), copy));
        }
    }

    /// Gives each row of a family whose ids are texts one that the copy can have.
    pub(super) fn learn(&mut self, family: Family, rows: &[Value]) {
        let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        let known = |id: &str| match family {
            Family::CustomEvents => number(Uuids::CustomEvent, id),
            Family::Automations => number(Uuids::Automation, id),
            Family::DataStreams => DataStream::number_of(id),
            _ => None,
        };
        self.last = ids.iter().filter_map(|id| known(id)).fold(self.last, u64::max);
        for id in ids {
            if known(id).is_some() {
                continue;
            }
            let next = self.last + 1;
            let copy = match family {
                Family::CustomEvents => uuid(Uuids::CustomEvent, next),
                Family::Automations => uuid(Uuids::Automation, next),
                Family::DataStreams => DataStream::name_of(next),
                _ => continue,
            };
            self.last = next;
            self.pair(id, copy);
        }
    }

    /// What automations are made of has its ids from emnify; it is known again by its name.
    pub(super) fn learn_catalogue(&mut self, family: Uuids, rows: &Value) {
        for row in list(rows) {
            let (Some(id), Some(name)) = (row["id"].as_str(), row["name"].as_str()) else { continue };
            let same = |known: &str| known.eq_ignore_ascii_case(name);
            let of = match family {
                Uuids::SystemEvent => {
                    SYSTEM_EVENTS.iter().find(|event| same(event.name)).map(|event| event.id)
                }
                Uuids::Action => ACTIONS.iter().find(|action| same(action.name)).map(|action| action.id),
                Uuids::Template => TEMPLATES.iter().find(|template| same(template.name)).map(|one| one.id),
                _ => None,
            };
            if let Some(number) = of {
                self.pair(id, uuid(family, number));
            }
        }
    }

    /// A live text as the copy writes it.
    pub(super) fn to_copy(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (live, copy)| text.replace(live, copy))
    }

    /// The other way round.
    pub(super) fn to_live(&self, text: &str) -> String {
        self.pairs.iter().fold(text.to_owned(), |text, (live, copy)| text.replace(copy, live))
    }

    /// All ids are the copy's own.
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn live_ids_are_shown_and_the_copys_own_are_used() {
        let mut names = Names::default();
        let known = uuid(Uuids::Automation, 7);
        let rows = [json!({"id": "b7c1"}), json!({"id": known})];
        names.learn(Family::Automations, &rows);
        let copy = names.to_copy("/api/v1/automation/b7c1");
        assert_eq!(copy, format!("/api/v1/automation/{}", uuid(Uuids::Automation, 8)), "7 is taken");
        assert_eq!(names.to_live(&copy), "/api/v1/automation/b7c1");
        assert_eq!(names.to_copy(&known), known, "what is the copy's own already stays");
        let event = SYSTEM_EVENTS[0];
        names.learn_catalogue(
            Uuids::SystemEvent,
            &json!([{"id": "5e5e", "name": event.name}, {"id": "0", "name": "?"}]),
        );
        assert_eq!(names.to_copy("5e5e"), uuid(Uuids::SystemEvent, event.id));
    }
}
