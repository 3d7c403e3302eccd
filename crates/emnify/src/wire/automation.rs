//! Automations (beta): what is done when an event happens. With what they are made of: system events and actions.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;

use super::collection::{Collection, Entry};
use super::common::TextRef;
use super::custom_event::Property;
use super::lenient;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

record!(
    /// An automation.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Automation {
        /// Its id: a UUID [S].
        #[read(lenient::text_id)]
        pub id: String,
        /// Its name.
        pub name: String,
        /// Free text.
        pub description: String,
        /// Whether it runs; which words emnify knows is not documented [?].
        pub status: String,
        /// What it waits for.
        #[key("actionable_event")]
        pub event: Option<ActionableEvent>,
        /// What it does.
        #[key("configured_actions")]
        pub actions: Vec<ConfiguredAction>,
        /// What it is meant for.
        #[key("targeting_properties")]
        pub targeting: Vec<Property>,
        /// How often it ran.
        pub number_of_executions: Option<i64>,
        /// When it ran last.
        pub last_execution: Option<Timestamp>,
    }
);

record!(
    /// What an automation waits for: one of the two.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct ActionableEvent {
        /// An event of the organisation's own.
        pub custom_event: Option<NamedEvent>,
        /// One of emnify's.
        pub system_event: Option<NamedEvent>,
    }
);

record!(
    /// An event as an automation shows it.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct NamedEvent {
        /// Its id.
        #[read(lenient::text_id)]
        pub id: String,
        /// Its name.
        pub name: String,
    }
);

record!(
    /// An action as an automation is told to carry it out.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct ConfiguredAction {
        /// Id of the action.
        #[read(lenient::text_reference)]
        pub action: Option<String>,
        /// What it is told.
        pub properties: Vec<Property>,
        /// Who gets mail by it; each has to agree first. [S]
        #[read(addresses)]
        pub recipients: Vec<String>,
    }
);

/// `{"email": ["a@example.com"]}`; what looks otherwise is no reason to lose the automation.
#[allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "the type of what reads a field")]
fn addresses(value: Value) -> Result<Vec<String>, lenient::Unlike> {
    let all = value.get("email").and_then(Value::as_array);
    Ok(all.into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect())
}

/// An action in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionWrite {
    /// The action.
    pub action: TextRef,
    /// What it is told.
    pub properties: Vec<Property>,
}

/// The event in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventWrite {
    /// An event of the organisation's own.
    CustomEvent(TextRef),
    /// One of emnify's.
    SystemEvent(TextRef),
}

/// An automation but for its event, which emnify does not change. All keys are required, and lists are replaced whole. [S]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AutomationWrite {
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Whether it runs.
    pub status: String,
    /// What it does.
    pub configured_actions: Vec<ActionWrite>,
    /// What it is meant for.
    pub targeting_properties: Vec<Property>,
}

impl From<&Automation> for AutomationWrite {
    fn from(shown: &Automation) -> Self {
        let action = |action: &ConfiguredAction| ActionWrite {
            action: TextRef { id: action.action.clone().unwrap_or_default() },
            properties: action.properties.clone(),
        };
        Self {
            name: shown.name.clone(),
            description: shown.description.clone(),
            status: shown.status.clone(),
            configured_actions: shown.actions.iter().map(action).collect(),
            targeting_properties: shown.targeting.clone(),
        }
    }
}

/// A new automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AutomationCreate {
    /// What it waits for.
    pub actionable_event: EventWrite,
    /// All else.
    #[serde(flatten)]
    pub rest: AutomationWrite,
}

/// Automations. A create and a change answer with the automation. [S]
pub const AUTOMATIONS: Collection<Automation> =
    Collection::at("/api/v1/automation", "/api/v1/automation/{id}");

impl Entry for Automation {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }
}

record!(
    /// An event that emnify offers to automations.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SystemEvent {
        /// Its id: a UUID [S].
        #[read(lenient::text_id)]
        pub id: String,
        /// Its name.
        pub name: String,
        /// By what an automation may narrow it down.
        #[key("supportedTargetingParameters")]
        pub targeting_parameters: Vec<String>,
        /// What an automation may do on it.
        #[key("supportedActions")]
        pub actions: Vec<String>,
    }
);

record!(
    /// Something that automations can do.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AutomationAction {
        /// Its id: a UUID [S].
        #[read(lenient::text_id)]
        pub id: String,
        /// Its type.
        #[key("type")]
        pub kind: String,
        /// Its name.
        pub name: String,
        /// What it can be told.
        #[key("configurationProperties")]
        pub properties: Vec<String>,
    }
);

#[derive(Serialize)]
struct Verification<'a> {
    token: &'a str,
}

impl Api {
    /// Says that an address may get mails, with the token that emnify mailed there. The token is used up.
    pub async fn verify_recipient(&self, token: &SecretString) -> Result<(), Error> {
        let call = Call::post("/api/v1/automation/recipient/email/verification");
        self.call(call.body(&Verification { token: token.expose_secret() }).sensitive()).await.map(drop)
    }

    /// Events that emnify offers to automations.
    pub async fn system_events(&self) -> Result<Vec<SystemEvent>, Error> {
        self.call(Call::get("/api/v1/event/system/configuration")).await?.lookup()
    }

    /// What automations can do.
    pub async fn automation_actions(&self) -> Result<Vec<AutomationAction>, Error> {
        self.call(Call::get("/api/v1/automation/action")).await?.lookup()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn an_automation_is_read_and_written_as_documented() {
        let properties = json!([{"property": "email", "value": "", "value_array": ["a@example.com"]}]);
        let shown = json!({"id": "0b5f4a0e-6a1c-4d53-9a57-3a8f1f0d2c11", "name": "blocked", "description": "",
            "status": "ACTIVE", "organisation": {"id": 42.0}, "number_of_executions": 3.0,
            "last_execution": "2026-03-01T10:00:00.000Z", "actionable_event": {"system_event": {"id": "e-1", "name": "Device blocked"}},
            "configured_actions": [{"action": {"id": "a-1"}, "properties": properties, "recipients": {"email": ["a@example.com"]}}],
            "targeting_properties": []});
        let automation: Automation = from_value(shown).unwrap();
        assert_eq!((automation.number_of_executions, automation.status.as_str()), (Some(3), "ACTIVE"));
        assert_eq!(automation.actions[0].recipients, ["a@example.com"]);
        assert_eq!(automation.last_execution, "2026-03-01T10:00:00Z".parse().ok());
        let event = automation.event.clone().unwrap();
        assert_eq!((event.custom_event, event.system_event.unwrap().id.as_str()), (None, "e-1"));
        let rest = json!({"name": "blocked", "description": "", "status": "ACTIVE",
            "configured_actions": [{"action": {"id": "a-1"}, "properties": properties}], "targeting_properties": []});
        let write = AutomationWrite::from(&automation);
        assert_eq!(to_value(&write).unwrap(), rest, "every key is required, and the event is none of them");
        let mut whole = rest.clone();
        whole["actionable_event"] = json!({"system_event": {"id": "e-1"}});
        let event = EventWrite::SystemEvent(TextRef { id: "e-1".into() });
        assert_eq!(to_value(AutomationCreate { actionable_event: event, rest: write }).unwrap(), whole);
    }

    #[test]
    fn recipients_that_look_otherwise_lose_no_automation() {
        for recipients in [json!(null), json!({"email": "a"}), json!([]), json!({"email": [{"id": 1}]})] {
            let shown = json!({"id": "a-1", "configured_actions": [{"action": {"id": "b"}, "recipients": recipients}]});
            assert!(from_value::<Automation>(shown).unwrap().actions[0].recipients.is_empty());
        }
    }

    #[test]
    fn an_automation_that_never_ran_and_one_without_an_event_are_read() {
        let shown = json!({"id": "a-1", "last_execution": null, "actionable_event": {}});
        let automation: Automation = from_value(shown).unwrap();
        assert_eq!((automation.last_execution, automation.event), (None, None));
        let both =
            json!({"id": "a-1", "actionable_event": {"custom_event": {"id": "c-1"}, "system_event": {}}});
        let event = from_value::<Automation>(both).unwrap().event.unwrap();
        assert_eq!((event.custom_event.unwrap().id.as_str(), event.system_event), ("c-1", None));
    }
}
