//! What automations are made of: system events, actions and templates. emnify alone changes them.

use serde_json::{Value, json};

use super::super::route::Route;
use super::beta::{addressed, beta};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::reference_data::automations::{
    ACTIONS, Action, SYSTEM_EVENTS, SystemEvent, TEMPLATES, Template, TemplateProperty,
};
use crate::reference_data::{Family, uuid};
use crate::state::Organisation;

pub(super) fn routes() -> Vec<Route> {
    vec![
        beta!("get-system-events", system_events),
        beta!("get-system-event", one_system_event),
        beta!("list-action", actions),
        beta!("get-action-by-id", one_action),
        beta!("get-custom-event-templates", templates),
        beta!("get-custom-event-template", one_template),
    ]
}

/// The words that translations are looked up by.
fn key(name: &str) -> String {
    name.to_uppercase().replace(' ', "_")
}

pub(super) fn system_event(event: &SystemEvent, org: &Organisation) -> Value {
    json!({
        "id": uuid(Family::SystemEvent, event.id),
        "parentOrg": {"id": org.id},
        "eventType": {"id": event.event_type},
        "name": event.name,
        "translationKeyName": key(event.name),
        "description": event.name,
        "translationKeyDescription": key(event.name),
        "supportedTargetingParameters": event.targeting,
        "eventOutputParameters": [{"parameter": "endpoint_id", "type": "number", "description": "The device"}],
        "supportedActions": event.actions,
    })
}

fn action(action: &Action) -> Value {
    json!({
        "id": uuid(Family::Action, action.id),
        "status": "ACTIVE",
        "type": action.kind,
        "configurationProperties": action.properties,
        "name": action.name,
        "translationKeyName": key(action.name),
        "description": action.name,
        "translationKeyDescription": key(action.name),
        "requiredEventOutputParameters": [],
    })
}

fn property(property: &TemplateProperty) -> Value {
    let validators = property
        .validators
        .iter()
        .map(|(kind, value)| json!({"validator_type": kind, "validator_value": value}))
        .collect::<Vec<_>>();
    json!({"property": property.name, "type": property.kind, "default": property.default,
        "required": property.required, "description": property.name, "validators": validators})
}

fn template(template: &Template, org: &Organisation) -> Value {
    let targeting = template
        .targeting
        .iter()
        .map(|name| json!({"parameter": name, "type": "array", "description": name, "validators": []}))
        .collect::<Vec<_>>();
    json!({
        "id": uuid(Family::Template, template.id),
        "parent_organisation": {"id": org.id},
        "name": template.name,
        "translationKeyName": key(template.name),
        "status": "ACTIVE",
        "description": template.name,
        "translationKeyDescription": key(template.name),
        "configuration_properties": template.properties.iter().map(property).collect::<Vec<_>>(),
        "supported_targeting_parameters": targeting,
    })
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn system_events(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    Ok(Reply::json(SYSTEM_EVENTS.iter().map(|row| system_event(row, org)).collect::<Vec<_>>()))
}

fn one_system_event(call: &mut Call<'_>) -> Answer {
    let id = addressed(call, "system_event_id", Family::SystemEvent, "System event")?;
    let row = SYSTEM_EVENTS.iter().find(|row| row.id == id);
    Ok(Reply::json(system_event(row.ok_or_else(|| Refusal::not_found("System event"))?, call.org())))
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn actions(_: &mut Call<'_>) -> Answer {
    Ok(Reply::json(ACTIONS.iter().map(action).collect::<Vec<_>>()))
}

fn one_action(call: &mut Call<'_>) -> Answer {
    let id = addressed(call, "id", Family::Action, "Action")?;
    let row = ACTIONS.iter().find(|row| row.id == id);
    Ok(Reply::json(action(row.ok_or_else(|| Refusal::not_found("Action"))?)))
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn templates(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    Ok(Reply::json(TEMPLATES.iter().map(|row| template(row, org)).collect::<Vec<_>>()))
}

fn one_template(call: &mut Call<'_>) -> Answer {
    let id = addressed(call, "template_id", Family::Template, "Template")?;
    let row = TEMPLATES.iter().find(|row| row.id == id);
    Ok(Reply::json(template(row.ok_or_else(|| Refusal::not_found("Template"))?, call.org())))
}
