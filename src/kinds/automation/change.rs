//! What is sent of an automation.

use std::{collections::BTreeSet, convert::Infallible};

use emnify::wire::{
    TextRef,
    automation::{
        ActionWrite, ActionableEvent, Automation as Row, AutomationWrite, ConfiguredAction, EventWrite,
        NamedEvent,
    },
    custom_event::Property,
};
use emnify_engine::kind::{FieldDiff, RecordChange, SubChange};

use crate::kinds::common::events::{Said, print, said};

/// One call.
pub type Change = RecordChange<Nothing>;

/// What an automation waits for, by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// One of the organisation's own.
    Custom(String),
    /// One of emnify's.
    System(String),
}

impl Event {
    /// What the row waits for, if it says so.
    pub(super) fn of(row: &Row) -> Option<Self> {
        let ActionableEvent { custom_event, system_event } = row.event.as_ref()?;
        match (custom_event, system_event) {
            (Some(event), _) => Some(Self::Custom(event.id.clone())),
            (None, Some(event)) => Some(Self::System(event.id.clone())),
            (None, None) => None,
        }
    }

    fn shown(&self) -> ActionableEvent {
        let named = |id: &String| Some(NamedEvent { id: id.clone(), name: String::new() });
        match self {
            Self::Custom(id) => ActionableEvent { custom_event: named(id), system_event: None },
            Self::System(id) => ActionableEvent { custom_event: None, system_event: named(id) },
        }
    }

    pub(super) fn write(&self) -> EventWrite {
        match self {
            Self::Custom(id) => EventWrite::CustomEvent(TextRef { id: id.clone() }),
            Self::System(id) => EventWrite::SystemEvent(TextRef { id: id.clone() }),
        }
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Custom(id) => write!(f, "custom event {id}"),
            Self::System(id) => write!(f, "system event {id}"),
        }
    }
}

/// An action that is told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its id.
    pub id: String,
    /// What it is told.
    pub properties: Vec<Property>,
}

/// All actions, in whatever order.
pub(super) fn all(actions: &[Action]) -> BTreeSet<(&str, BTreeSet<Said<'_>>)> {
    actions.iter().map(|action| (action.id.as_str(), said(&action.properties))).collect()
}

/// Actions for people.
pub(super) fn list(actions: &[Action]) -> String {
    let one = |action: &Action| format!("{} ({})", action.id, print(&action.properties));
    let all: Vec<String> = actions.iter().map(one).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// The actions of a row.
pub(super) fn actions(row: &Row) -> Vec<Action> {
    let one = |action: &ConfiguredAction| Action {
        id: action.action.clone().unwrap_or_default(),
        properties: action.properties.clone(),
    };
    row.actions.iter().map(one).collect()
}

/// A field and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Display name.
    Name(String),
    /// Description with mark.
    Description(String),
    /// emnify's word for whether it runs.
    State(String),
    /// What it waits for, of a new one.
    Event(Event),
    /// Everything that is done.
    Actions(Vec<Action>),
    /// What it is meant for.
    Targeting(Vec<Property>),
}

impl To {
    /// Puts it into what is sent.
    pub(super) fn put(&self, body: &mut AutomationWrite) {
        match self {
            Self::Name(name) => body.name.clone_from(name),
            Self::Description(text) => body.description.clone_from(text),
            Self::State(state) => body.status.clone_from(state),
            Self::Event(_) => {}
            Self::Actions(actions) => {
                let write = |action: &Action| ActionWrite {
                    action: TextRef { id: action.id.clone() },
                    properties: action.properties.clone(),
                };
                body.configured_actions = actions.iter().map(write).collect();
            }
            Self::Targeting(all) => body.targeting_properties.clone_from(all),
        }
    }
}

/// It has no sub-resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nothing(pub(super) Infallible);

impl SubChange for Nothing {
    type To = To;
    type Row = Row;
    type Parts = ();
    const NOUN: &'static str = "automation";

    fn field(&self) -> FieldDiff {
        match self.0 {}
    }

    fn assume(&self, _: &mut Row, (): &mut ()) {
        match self.0 {}
    }

    fn assume_set(to: &To, row: &mut Row, (): &mut ()) {
        match to {
            To::Name(name) => row.name.clone_from(name),
            To::Description(text) => row.description.clone_from(text),
            To::State(state) => row.status.clone_from(state),
            To::Event(event) => row.event = Some(event.shown()),
            To::Actions(actions) => {
                let one = |action: &Action| ConfiguredAction {
                    action: Some(action.id.clone()),
                    properties: action.properties.clone(),
                    recipients: Vec::new(),
                };
                row.actions = actions.iter().map(one).collect();
            }
            To::Targeting(all) => row.targeting.clone_from(all),
        }
    }
}
