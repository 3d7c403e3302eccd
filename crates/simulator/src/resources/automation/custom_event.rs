//! Custom events: made from a template, never changed. [S]

use serde_json::{Value, json};

use super::super::route::Route;
use super::beta::{addressed, beta, properties};
use super::read;
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::reference_data::automations::{TEMPLATES, Template};
use crate::reference_data::{Family, number, uuid};
use crate::state::{CustomEvent, Organisation, Trigger};

pub(super) fn routes() -> Vec<Route> {
    vec![
        beta!("get-custom-events", list),
        beta!("create-custom-event-instance", create),
        beta!("get-custom-event", show_one),
        beta!("delete-custom-event", delete),
    ]
}

pub(super) fn show(event: &CustomEvent, org: &Organisation) -> Value {
    let template = TEMPLATES.iter().find(|known| known.id == event.template);
    json!({
        "organisation": {"id": org.id},
        "template": {"id": uuid(Family::Template, event.template)},
        "configuration_properties": properties(&event.configuration_properties),
        "name": event.name,
        "id": uuid(Family::CustomEvent, event.id),
        "supportedTargetingParameters": template.map_or(&[][..], |known| known.targeting),
        "supportedActions": Template::ACTIONS,
    })
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    Ok(Reply::json(org.custom_events.values().map(|row| show(row, org)).collect::<Vec<_>>()))
}

fn missing() -> Refusal {
    Refusal::not_found("Custom event")
}

fn show_one(call: &mut Call<'_>) -> Answer {
    let id = addressed(call, "custom_event_id", Family::CustomEvent, "Custom event")?;
    let org = call.org();
    Ok(Reply::json(show(org.custom_events.get(&id).ok_or_else(missing)?, org)))
}

/// Every key is required, and the organisation is that of the login. [S]
fn create(call: &mut Call<'_>) -> Answer {
    let mut issues = Vec::new();
    if call.field("organisation").get("id").and_then(body::unsigned) != Some(call.org().id) {
        issues.push(Issue::reference("organisation"));
    }
    let name = call.field("name").as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        issues.push(Issue::required("name"));
    }
    let template = call.field("template").get("id").and_then(Value::as_str);
    let template = template.and_then(|id| number(Family::Template, id));
    let template = template.and_then(|id| TEMPLATES.iter().find(|known| known.id == id));
    let said =
        read::properties(call.field("configuration_properties"), "configuration_properties", &mut issues);
    let Some(template) = template else {
        return Err(Refusal::coded(422, Code::INVALID_REFERENCE, "template: the template does not exist"));
    };
    read::check(template.properties, &said, &mut issues);
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    let (org, next) = call.split();
    let event = CustomEvent { id: 0, name, template: template.id, configuration_properties: said };
    let id = org.custom_events.add(next, event);
    let path = format!("/api/v1/event/custom/configuration/{}", uuid(Family::CustomEvent, id));
    Ok(Reply::json(show(&org.custom_events[&id], org)).located(path))
}

/// Refused while an automation waits for it. [?]
fn delete(call: &mut Call<'_>) -> Answer {
    let id = addressed(call, "custom_event_id", Family::CustomEvent, "Custom event")?;
    let (org, _) = call.split();
    let awaited = Trigger::CustomEvent(id);
    if org.automations.values().any(|automation| automation.actionable_event == awaited) {
        return Err(Refusal::conflict("The custom event is used by an automation"));
    }
    org.custom_events.remove(&id).ok_or_else(missing)?;
    Ok(Reply::done())
}
