//! From a spec to ids, checked against what the event supports.

use emnify::wire::{automation::AutomationAction as Known, custom_event::Property};
use emnify_engine::kind::{Description, Input, Inputs, Invalid, Kind as _};

use super::{
    change::{Action, Event},
    lookups::{ACTIONS, SYSTEM_EVENTS},
    spec::Automation,
};
use crate::{
    api::{References, Target},
    kinds::{
        common::events::{Supports, has, is_same, unknown, wire},
        custom_event::CustomEvent,
    },
};

const CUSTOM: &str = "event.customEvent";
const SYSTEM: &str = "event.systemEvent";

/// What a spec wants of an automation.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    pub(super) name: Option<String>,
    /// What a new automation is called where the spec does not say.
    pub(super) born: String,
    pub(super) description: Description,
    pub(super) state: Option<String>,
    pub(super) event: Event,
    pub(super) actions: Vec<Action>,
    pub(super) targeting: Option<Vec<Property>>,
}

fn action_path(at: usize) -> String {
    format!("actions[{at}].action")
}

pub(super) fn inputs(object: &Automation) -> Vec<Input> {
    let event = &object.spec.event;
    let custom = event.custom_event.as_ref();
    let custom = custom.and_then(|event| event.input(CUSTOM, Target::Kind(CustomEvent::KIND)));
    let system = event.system_event.as_ref().and_then(|event| event.known(SYSTEM, &SYSTEM_EVENTS));
    let actions = object.spec.actions.iter().enumerate();
    let actions = actions.filter_map(|(at, action)| action.action.known(&action_path(at), &ACTIONS));
    custom.into_iter().chain(system).chain(actions).collect()
}

pub(super) fn want(object: &Automation, from: &Inputs) -> Result<Want, Invalid> {
    let spec = &object.spec;
    let (event, path) = match (&spec.event.custom_event, &spec.event.system_event) {
        (Some(event), None) => (Event::Custom(event.text(CUSTOM, from)?), CUSTOM),
        (None, Some(event)) => (Event::System(event.text(SYSTEM, from)?), SYSTEM),
        _ => return Err(Invalid::new("event", "set exactly one of customEvent, systemEvent")),
    };
    let supports = from.shown::<Supports>(path);
    let actions = spec.actions.iter().enumerate().map(|(at, action)| {
        let path = action_path(at);
        let id = action.action.text(&path, from)?;
        let properties = wire(action.properties.as_deref());
        if let Some(known) = from.shown::<Known>(&path) {
            takes(known, &properties, at)?;
            supports.map_or(Ok(()), |event| may_follow(event, known, path))?;
        }
        Ok(Action { id, properties })
    });
    let actions = actions.collect::<Result<_, _>>()?;
    for (at, target) in spec.targeting.iter().flatten().enumerate() {
        let known = supports.map_or(&[][..], |event| &event.targeting);
        if !has(known, &target.name) {
            let what = format!("the event cannot be narrowed down by {}", target.name);
            return Err(unknown(format!("targeting[{at}].name"), &what, known));
        }
    }
    Ok(Want {
        name: spec.name.clone(),
        born: from.name().to_owned(),
        description: Description::new(spec.description.clone(), from),
        state: spec.state.clone(),
        event,
        actions,
        targeting: spec.targeting.as_deref().map(|all| wire(Some(all))),
    })
}

/// The event may be followed by the action, whichever of its words emnify names it by.
fn may_follow(event: &Supports, action: &Known, path: String) -> Result<(), Invalid> {
    let words = [&action.id, &action.kind, &action.name];
    let supported = |one: &String| words.iter().any(|word| is_same(one, word));
    if event.actions.is_empty() || event.actions.iter().any(supported) {
        return Ok(());
    }
    Err(unknown(path, &format!("the event does not support {}", action.name), &event.actions))
}

/// The action knows everything that it is told.
fn takes(action: &Known, properties: &[Property], at: usize) -> Result<(), Invalid> {
    match properties.iter().find(|property| !has(&action.properties, &property.property)) {
        None => Ok(()),
        Some(property) => {
            let path = format!("actions[{at}].properties[{}]", property.property);
            Err(unknown(path, &format!("{} has no such property", action.name), &action.properties))
        }
    }
}
