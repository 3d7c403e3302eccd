//! What automations are made of: system events, actions, and templates of custom events. The names of the system events are
//! emnify's [D]; all else is ours [?].

/// An event of emnify's own that an automation can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemEvent {
    /// Its number; the API shows [`uuid`](super::uuid).
    pub id: u64,
    /// Its name.
    pub name: &'static str,
    /// The type of log entry that it stands for.
    pub event_type: u64,
    /// By what an automation may narrow it down.
    pub targeting: &'static [&'static str],
    /// Types of actions that may follow it.
    pub actions: &'static [&'static str],
}

/// Something that an automation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// Its number.
    pub id: u64,
    /// What events call it.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it can be told.
    pub properties: &'static [&'static str],
}

/// What custom events are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: &'static str,
    /// The type of log entry that makes such an event.
    pub event_type: u64,
    /// What it leaves open.
    pub properties: &'static [TemplateProperty],
    /// By what an automation may narrow it down.
    pub targeting: &'static [&'static str],
}

/// What a template leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateProperty {
    /// Its name.
    pub name: &'static str,
    /// `number`, `string` or `array`.
    pub kind: &'static str,
    /// What holds where nothing is said; empty: nothing.
    pub default: &'static str,
    /// Without a default, it must be said.
    pub required: bool,
    /// Types and values of its validators.
    pub validators: &'static [(&'static str, &'static str)],
}

/// The action that sends mail.
pub const SEND_EMAIL: &str = "SendEmail";
const BOTH: &[&str] = &[SEND_EMAIL, "Webhook"];
const OF_DEVICES: &[&str] = &["tags", "endpoint"];

/// All system events.
pub const SYSTEM_EVENTS: &[SystemEvent] = &[
    SystemEvent { id: 1, name: "Device blocked", event_type: 11, targeting: OF_DEVICES, actions: BOTH },
    SystemEvent { id: 2, name: "Monthly threshold", event_type: 9001, targeting: OF_DEVICES, actions: BOTH },
    SystemEvent { id: 3, name: "Daily SMS limit", event_type: 9002, targeting: OF_DEVICES, actions: BOTH },
    SystemEvent {
        id: 4,
        name: "Update location",
        event_type: 1,
        targeting: OF_DEVICES,
        actions: &["Webhook"],
    },
    SystemEvent {
        id: 5,
        name: "Create PDP context",
        event_type: 3,
        targeting: OF_DEVICES,
        actions: &["Webhook"],
    },
    SystemEvent { id: 6, name: "SIM activation", event_type: 8, targeting: &[], actions: BOTH },
];

/// All actions.
pub const ACTIONS: &[Action] = &[
    Action { id: 1, kind: SEND_EMAIL, name: "Send email", properties: &["email", "subject"] },
    Action { id: 2, kind: "Webhook", name: "Webhook", properties: &["url"] },
];

/// All templates.
pub const TEMPLATES: &[Template] = &[
    Template {
        id: 1,
        name: "Device offline",
        event_type: 15,
        properties: &[
            TemplateProperty {
                name: "hours",
                kind: "number",
                default: "",
                required: true,
                validators: &[("min", "1"), ("max", "720")],
            },
            TemplateProperty {
                name: "note",
                kind: "string",
                default: "",
                required: false,
                validators: &[("max_length", "40")],
            },
        ],
        targeting: &["tags"],
    },
    Template {
        id: 2,
        name: "Device roams",
        event_type: 1,
        properties: &[TemplateProperty {
            name: "countries",
            kind: "array",
            default: "",
            required: true,
            validators: &[("enum", "AT|CH|DE|FR|US")],
        }],
        targeting: &["tags"],
    },
];

impl Template {
    /// Types of actions that may follow its events: all.
    pub const ACTIONS: &'static [&'static str] = BOTH;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference_data::EventType;

    #[test]
    fn every_event_stands_for_a_type_of_the_log() {
        let types = SYSTEM_EVENTS.iter().map(|event| event.event_type);
        for kind in types.chain(TEMPLATES.iter().map(|template| template.event_type)) {
            assert!(EventType::get(kind).is_some(), "{kind}");
        }
    }
}
