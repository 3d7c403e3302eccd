//! Automations: what waits for events of the log, and what it did.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::rows;
use crate::reference_data::automations::{ACTIONS, SEND_EMAIL};

rows!(CustomEvent => custom_event, Automation => automation, ActionLog => action_log, Recipient => recipient);

/// Whether an organisation has a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// It has.
    #[default]
    On,
    /// It has not.
    Off,
}

/// One value or several under a name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct Property {
    pub property: String,
    pub value: String,
    pub value_array: Vec<String>,
}

impl Property {
    /// All it says.
    pub fn values(&self) -> Vec<&str> {
        let many = self.value_array.iter().map(String::as_str);
        many.chain(Some(self.value.as_str()).filter(|value| !value.is_empty())).collect()
    }
}

/// An event of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct CustomEvent {
    #[serde(default)]
    pub id: u64,
    pub name: String,
    /// Number of its template.
    pub template: u64,
    #[serde(default)]
    pub configuration_properties: Vec<Property>,
}

/// What an automation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// An event of one's own.
    CustomEvent(u64),
    /// One of emnify's.
    SystemEvent(u64),
}

/// What an automation does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct ConfiguredAction {
    /// Number of the action.
    pub action: u64,
    #[serde(default)]
    pub properties: Vec<Property>,
}

impl ConfiguredAction {
    /// Who gets mail by it.
    pub fn recipients(&self) -> Vec<&str> {
        let mails = ACTIONS.iter().any(|action| action.id == self.action && action.kind == SEND_EMAIL);
        let named = self.properties.iter().filter(|property| mails && property.property == "email");
        named.flat_map(Property::values).collect()
    }
}

/// An automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct Automation {
    #[serde(default)]
    pub id: u64,
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// It runs while this is `ACTIVE`, in any case. [?]
    pub status: String,
    pub actionable_event: Trigger,
    pub configured_actions: Vec<ConfiguredAction>,
    #[serde(default)]
    pub targeting_properties: Vec<Property>,
    #[serde(default)]
    pub number_of_executions: u64,
    #[serde(default)]
    pub last_execution: Option<Timestamp>,
    #[serde(default)]
    pub created_at: Timestamp,
    #[serde(default)]
    pub modified_at: Timestamp,
}

/// What one action of one execution came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct ActionLog {
    #[serde(default)]
    pub id: u64,
    pub automation: u64,
    pub action: u64,
    pub event: u64,
    pub automation_execution_number: u64,
    pub message: String,
    pub status: String,
    pub created_at: Timestamp,
}

/// Someone who gets mail once they have agreed to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// Its number.
    #[serde(default)]
    pub id: u64,
    /// The address.
    pub email: String,
    /// What the mail to them holds.
    pub token: String,
    /// They agreed.
    #[serde(default)]
    pub verified: bool,
}
