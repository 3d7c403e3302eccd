//! Automations (beta), and the events they wait for: emnify's own and custom ones. An organisation that does not take part is
//! refused everywhere [?].

mod beta;
mod catalogue;
mod custom_event;
mod read;

use serde_json::{Map, Value, json};

use self::beta::{addressed, beta, properties};
use super::route::Route;
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::reference_data::automations::{ACTIONS, SYSTEM_EVENTS, TEMPLATES, Template};
use crate::reference_data::{Family, number, uuid};
use crate::rules::dates;
use crate::state::{ActionLog, Automation, ConfiguredAction, Organisation, Property, Trigger};

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        beta!("list-automations", list),
        beta!("create-automation", create),
        beta!("get-automation", show_one),
        beta!("update-automation", update),
        beta!("delete-automation", delete),
        beta!("list-action-logs", logs),
        beta!("verify-automation-recipient-email", verify),
    ];
    routes.extend(catalogue::routes());
    routes.extend(custom_event::routes());
    routes
}

fn show(automation: &Automation, org: &Organisation) -> Value {
    let event = match automation.actionable_event {
        Trigger::CustomEvent(id) => org
            .custom_events
            .get(&id)
            .map_or_else(|| json!({}), |event| json!({"custom_event": custom_event::show(event, org)})),
        Trigger::SystemEvent(id) => SYSTEM_EVENTS
            .iter()
            .find(|event| event.id == id)
            .map_or_else(|| json!({}), |event| json!({"system_event": catalogue::system_event(event, org)})),
    };
    let actions = automation.configured_actions.iter().map(|configured| {
        json!({
            "action": {"id": uuid(Family::Action, configured.action)},
            "properties": properties(&configured.properties),
            "recipients": {"email": configured.recipients()},
        })
    });
    json!({
        "id": uuid(Family::Automation, automation.id),
        "name": automation.name,
        "description": automation.description,
        "status": automation.status,
        "organisation": {"id": org.id},
        "number_of_executions": automation.number_of_executions,
        "last_execution": automation.last_execution.map(dates::express),
        "created_at": dates::express(automation.created_at),
        "modified_at": dates::express(automation.modified_at),
        "actionable_event": event,
        "configured_actions": actions.collect::<Vec<_>>(),
        "targeting_properties": properties(&automation.targeting_properties),
    })
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    Ok(Reply::json(org.automations.values().map(|row| show(row, org)).collect::<Vec<_>>()))
}

fn missing() -> Refusal {
    Refusal::not_found("Automation")
}

fn show_one(call: &mut Call<'_>) -> Answer {
    let id = addressed(call, "id", Family::Automation, "Automation")?;
    let org = call.org();
    Ok(Reply::json(show(org.automations.get(&id).ok_or_else(missing)?, org)))
}

/// What the event of an automation allows.
struct Allowed {
    actions: &'static [&'static str],
    targeting: &'static [&'static str],
}

fn allowed(event: Trigger, org: &Organisation) -> Option<Allowed> {
    match event {
        Trigger::SystemEvent(id) => {
            let event = SYSTEM_EVENTS.iter().find(|event| event.id == id)?;
            Some(Allowed { actions: event.actions, targeting: event.targeting })
        }
        Trigger::CustomEvent(id) => {
            let template = org.custom_events.get(&id)?.template;
            let template = TEMPLATES.iter().find(|known| known.id == template)?;
            Some(Allowed { actions: Template::ACTIONS, targeting: template.targeting })
        }
    }
}

/// The event that a body names: one of one's own or one of emnify's.
fn event(call: &Call<'_>) -> Option<Trigger> {
    let named = call.field("actionable_event");
    let of = |key: &str, family| number(family, named.get(key)?.get("id")?.as_str()?);
    match (of("custom_event", Family::CustomEvent), of("system_event", Family::SystemEvent)) {
        (Some(id), None) => Some(Trigger::CustomEvent(id)),
        (None, Some(id)) => Some(Trigger::SystemEvent(id)),
        _ => None,
    }
}

/// What a body says besides the event. All of it is required. [S]
struct Wanted {
    name: String,
    description: String,
    status: String,
    actions: Vec<ConfiguredAction>,
    targeting: Vec<Property>,
}

fn wanted(call: &Call<'_>, event: Trigger) -> Result<Wanted, Refusal> {
    let mut issues = Vec::new();
    let mut text = |field: &str| {
        let said = call.field(field).as_str();
        if said.is_none() {
            issues.push(Issue::required(field));
        }
        said.unwrap_or_default().to_owned()
    };
    let (name, description, status) = (text("name"), text("description"), text("status"));
    let allowed = allowed(event, call.org()).ok_or_else(|| {
        Refusal::coded(422, Code::INVALID_REFERENCE, "actionable_event: the event does not exist")
    })?;
    let actions = match call.field("configured_actions").as_array() {
        Some(actions) if !actions.is_empty() => {
            actions.iter().filter_map(|value| action(value, &allowed, &mut issues)).collect()
        }
        _ => {
            issues.push(Issue::required("configured_actions"));
            Vec::new()
        }
    };
    let targeting = read::properties(call.field("targeting_properties"), "targeting_properties", &mut issues);
    for target in &targeting {
        if !allowed.targeting.contains(&target.property.as_str()) {
            let message = format!("targeting_properties: {} is not supported by the event", target.property);
            issues.push(Issue::new(Code::NOT_ALLOWED, message));
        }
    }
    if issues.is_empty() {
        Ok(Wanted { name, description, status, actions, targeting })
    } else {
        Err(Refusal::invalid(issues))
    }
}

fn action(value: &Value, allowed: &Allowed, issues: &mut Vec<Issue>) -> Option<ConfiguredAction> {
    let named = value.get("action").and_then(|action| action.get("id")?.as_str());
    let id = named.and_then(|id| number(Family::Action, id));
    let Some(known) = id.and_then(|id| ACTIONS.iter().find(|known| known.id == id)) else {
        issues.push(Issue::reference("configured_actions.action"));
        return None;
    };
    if !allowed.actions.contains(&known.kind) {
        let message = format!("configured_actions: {} is not supported by the event", known.kind);
        issues.push(Issue::new(Code::NOT_ALLOWED, message));
    }
    let said = read::properties(
        value.get("properties").unwrap_or(&Value::Null),
        "configured_actions.properties",
        issues,
    );
    for property in &said {
        if !known.properties.contains(&property.property.as_str()) {
            let message = format!("configured_actions: {} has no property {}", known.kind, property.property);
            issues.push(Issue::new(Code::NOT_ALLOWED, message));
        }
    }
    Some(ConfiguredAction { action: known.id, properties: said })
}

fn create(call: &mut Call<'_>) -> Answer {
    let event = event(call).ok_or_else(|| Refusal::invalid(vec![Issue::required("actionable_event")]))?;
    let wanted = wanted(call, event)?;
    let now = call.now;
    let (org, next) = call.split();
    org.ask_recipients(next, &wanted.actions);
    let id = org.automations.add(
        next,
        Automation {
            id: 0,
            name: wanted.name,
            description: wanted.description,
            status: wanted.status,
            actionable_event: event,
            configured_actions: wanted.actions,
            targeting_properties: wanted.targeting,
            number_of_executions: 0,
            last_execution: None,
            created_at: now,
            modified_at: now,
        },
    );
    let path = format!("/api/v1/automation/{}", uuid(Family::Automation, id));
    Ok(Reply::json(show(&org.automations[&id], org)).located(path))
}

/// All but the event, which stays. [S]
fn update(call: &mut Call<'_>) -> Answer {
    let id = addressed(call, "id", Family::Automation, "Automation")?;
    let event = call.org().automations.get(&id).ok_or_else(missing)?.actionable_event;
    let wanted = wanted(call, event)?;
    let now = call.now;
    let (org, next) = call.split();
    org.ask_recipients(next, &wanted.actions);
    let row = org.automations.get_mut(&id).expect("looked up above");
    row.name = wanted.name;
    row.description = wanted.description;
    row.status = wanted.status;
    row.configured_actions = wanted.actions;
    row.targeting_properties = wanted.targeting;
    row.modified_at = now;
    Ok(Reply::json(show(&org.automations[&id], org)))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let id = addressed(call, "id", Family::Automation, "Automation")?;
    let (org, _) = call.split();
    org.automations.remove(&id).ok_or_else(missing)?;
    org.action_logs.retain(|_, entry| entry.automation != id);
    Ok(Reply::done())
}

fn entry(entry: &ActionLog, org: &Organisation) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    put("automation", json!({"id": uuid(Family::Automation, entry.automation)}));
    put("action", json!({"id": uuid(Family::Action, entry.action)}));
    put("message", entry.message.clone().into());
    put("status", entry.status.clone().into());
    put("event", json!({"id": entry.event.to_string()}));
    put("created_at", dates::express(entry.created_at).into());
    put("automation_execution_number", entry.automation_execution_number.into());
    put("organisation", json!({"id": org.id}));
    put("id", uuid(Family::LogEntry, entry.id).into());
    Value::Object(row)
}

/// What one execution did. Both parameters are required. [S]
fn logs(call: &mut Call<'_>) -> Answer {
    let id = call.query("automationId").and_then(|id| number(Family::Automation, id));
    let execution = call.query("automationExecutionNumber").and_then(|text| body::unsigned(&json!(text)));
    let (Some(id), Some(execution)) = (id, execution) else {
        let issues = ["automationId", "automationExecutionNumber"].map(Issue::required);
        return Err(Refusal::invalid(issues.into()));
    };
    let org = call.org();
    let rows = org
        .action_logs
        .values()
        .filter(|row| row.automation == id && row.automation_execution_number == execution);
    Ok(Reply::json(rows.map(|row| entry(row, org)).collect::<Vec<_>>()))
}

/// A person agrees to mail, with the token that was mailed to them.
fn verify(call: &mut Call<'_>) -> Answer {
    let token = call.field("token").as_str().unwrap_or_default().to_owned();
    let (org, _) = call.split();
    let asked = org.recipients.values_mut().find(|asked| asked.token == token);
    asked.ok_or_else(|| Refusal::not_found("Verification token"))?.verified = true;
    Ok(Reply::json(json!({})))
}
