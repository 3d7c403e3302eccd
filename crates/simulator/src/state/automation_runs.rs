//! Automations at work: who is asked, and what runs on an event.

use jiff::Timestamp;

use super::{
    ActionLog, Automation, ConfiguredAction, Event, NextIds, Organisation, Property, Recipient, Switch,
    Trigger,
};
use crate::reference_data::automations::{SYSTEM_EVENTS, TEMPLATES};

/// Entries of the log of actions that are kept; the oldest go first.
const KEPT: usize = 10_000;

impl Organisation {
    /// Asks everybody who would get mail and was never asked.
    pub fn ask_recipients(&mut self, next: &mut NextIds, actions: &[ConfiguredAction]) {
        for email in actions.iter().flat_map(ConfiguredAction::recipients) {
            if self.recipients.values().all(|known| known.email != email) {
                let token = format!("verify-{}", next.recipient);
                self.recipients
                    .add(next, Recipient { id: 0, email: email.to_owned(), token, verified: false });
            }
        }
    }

    /// Runs what waits for this event.
    pub(super) fn run_automations(&mut self, next: &mut NextIds, event: u64) {
        if self.automations.is_empty() || self.automation_beta == Switch::Off {
            return;
        }
        let Some(event) = self.events.get(&event) else { return };
        let waiting = self.automations.values().filter(|automation| self.runs(automation, event));
        let waiting: Vec<u64> = waiting.map(|automation| automation.id).collect();
        let (event, now) = (event.id, event.timestamp);
        for id in waiting {
            self.run_automation(next, id, event, now);
        }
    }

    fn runs(&self, automation: &Automation, event: &Event) -> bool {
        let awaited = match automation.actionable_event {
            Trigger::SystemEvent(id) => {
                SYSTEM_EVENTS.iter().find(|known| known.id == id).map(|known| known.event_type)
            }
            Trigger::CustomEvent(id) => self.custom_events.get(&id).and_then(|own| {
                TEMPLATES.iter().find(|known| known.id == own.template).map(|known| known.event_type)
            }),
        };
        automation.status.eq_ignore_ascii_case("active")
            && awaited == Some(event.event_type)
            && automation.targeting_properties.iter().all(|target| self.hits(target, event))
    }

    /// Whether an event is about what an automation is meant for: one of the values will do.
    fn hits(&self, target: &Property, event: &Event) -> bool {
        let Some(device) = event.endpoint.as_ref().and_then(|named| self.endpoints.get(&named.id)) else {
            return false;
        };
        match target.property.as_str() {
            "tags" => device
                .tag_ids
                .iter()
                .any(|id| self.tags.get(id).is_some_and(|tag| target.values().contains(&tag.name.as_str()))),
            _ => target.values().contains(&device.id.to_string().as_str()),
        }
    }

    fn run_automation(&mut self, next: &mut NextIds, id: u64, event: u64, now: Timestamp) {
        let Some(automation) = self.automations.get_mut(&id) else { return };
        automation.number_of_executions += 1;
        automation.last_execution = Some(now);
        let execution = automation.number_of_executions;
        let actions = automation.configured_actions.clone();
        for action in actions {
            let unheard = action.recipients().into_iter().find(|email| {
                !self.recipients.values().any(|known| known.verified && known.email == **email)
            });
            let (status, message) = match unheard {
                Some(email) => ("FAILED", format!("recipient {email} is not verified")),
                None => ("SUCCESS", "done".to_owned()),
            };
            let entry = ActionLog {
                id: 0,
                automation: id,
                action: action.action,
                event,
                automation_execution_number: execution,
                message,
                status: status.to_owned(),
                created_at: now,
            };
            self.action_logs.add(next, entry);
            if self.action_logs.len() > KEPT {
                self.action_logs.pop_first();
            }
        }
    }
}
