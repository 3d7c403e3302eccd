//! Automations, and the events they wait for, over the API.

use serde_json::{Value, json};

use crate::Signal;
use crate::operations;
use crate::state::Switch;
use crate::testing::Driver;

const AUTOMATIONS: &str = "/api/v1/automation";
const EVENTS: &str = "/api/v1/event/custom/configuration";
const DEVICE: u64 = 11_000_001;

/// The id of the row of a lookup that is called so.
async fn id_of(driver: &Driver, lookup: &str, name: &str) -> Value {
    let rows = driver.get(lookup).await.body;
    let row = rows.as_array().expect("a list").iter().find(|row| row["name"] == name).expect("a row");
    row["id"].clone()
}

fn said(name: &str, value: &str, many: &[&str]) -> Value {
    json!({"property": name, "value": value, "value_array": many})
}

async fn offline(driver: &Driver, properties: Value) -> Value {
    let template = id_of(driver, "/api/v1/event/custom/template", "Device offline").await;
    json!({"organisation": {"id": organisation(driver)}, "template": {"id": template},
        "configuration_properties": properties, "name": "silent"})
}

fn organisation(driver: &Driver) -> u64 {
    driver.simulator.inspect(|state| *state.organisations.keys().next().expect("an organisation"))
}

/// Mails when a device is blocked.
async fn blocked(driver: &Driver, targeting: Value) -> Value {
    let event = id_of(driver, "/api/v1/event/system/configuration", "Device blocked").await;
    let action = id_of(driver, "/api/v1/automation/action", "Send email").await;
    json!({"name": "blocked", "description": "", "status": "ACTIVE",
        "actionable_event": {"system_event": {"id": event}},
        "configured_actions": [{"action": {"id": action}, "properties": [said("email", "", &["a@example.com"])]}],
        "targeting_properties": targeting})
}

#[tokio::test]
async fn the_catalogue_is_shown_whole_and_one_by_one() {
    let driver = Driver::example().await;
    for (path, rows) in [
        ("/api/v1/event/system/configuration", 6),
        ("/api/v1/automation/action", 2),
        ("/api/v1/event/custom/template", 2),
    ] {
        let all = driver.get(path).await.body;
        assert_eq!(all.as_array().map(Vec::len), Some(rows), "{path}");
        let first = all[0]["id"].as_str().expect("a UUID");
        assert_eq!(driver.get(&format!("{path}/{first}")).await.body, all[0]);
        assert_eq!(driver.get(&format!("{path}/00000000-0000-4000-8000-000000000001")).await.status, 404);
    }
}

#[tokio::test]
async fn a_custom_event_keeps_to_its_template_and_stays_while_it_is_used() {
    let driver = Driver::example().await;
    let good = offline(&driver, json!([said("hours", "24", &[])])).await;
    for wrong in [
        json!([]),
        json!([said("hours", "0", &[])]),
        json!([said("hours", "soon", &[])]),
        json!([said("hours", "", &["24"])]),
        json!([said("hours", "24", &[]), said("days", "1", &[])]),
        json!([{"property": "hours", "value": "24"}]),
    ] {
        let answered = driver.post(EVENTS, offline(&driver, wrong.clone()).await).await;
        assert_eq!(answered.status, 422, "{wrong}");
    }
    for field in ["organisation", "template", "name"] {
        let mut body = good.clone();
        body[field] = json!({"id": 77});
        assert_eq!(driver.post(EVENTS, body).await.status, 422, "{field}");
    }
    let made = driver.post(EVENTS, good).await;
    assert_eq!((made.status, &made.body["name"]), (201, &json!("silent")));
    let path = format!("{EVENTS}/{}", made.body["id"].as_str().expect("a UUID"));
    assert_eq!(driver.get(&path).await.body, made.body);
    let mut automation = blocked(&driver, json!([said("tags", "lab", &[])])).await;
    automation["actionable_event"] = json!({"custom_event": {"id": made.body["id"]}});
    let user = driver.post(AUTOMATIONS, automation).await;
    assert_eq!(driver.delete(&path).await.status, 409, "an automation waits for it");
    driver.delete(&format!("{AUTOMATIONS}/{}", user.body["id"].as_str().expect("a UUID"))).await;
    assert_eq!(driver.delete(&path).await.status, 200);
    assert_eq!(driver.get(&path).await.status, 404);
}

#[tokio::test]
async fn an_automation_is_changed_whole_but_for_its_event() {
    let driver = Driver::example().await;
    let body = blocked(&driver, json!([])).await;
    let made = driver.post(AUTOMATIONS, body.clone()).await;
    assert_eq!((made.status, &made.body["number_of_executions"]), (201, &json!(0)));
    assert_eq!(made.body["configured_actions"][0]["recipients"]["email"], json!(["a@example.com"]));
    let path = format!("{AUTOMATIONS}/{}", made.body["id"].as_str().expect("a UUID"));
    let mut change = body.clone();
    change["name"] = json!("blocked devices");
    change["actionable_event"] = json!({"system_event": {"id": "another"}});
    let changed = driver.patch(&path, change).await;
    assert_eq!((changed.status, &changed.body["name"]), (200, &json!("blocked devices")));
    assert_eq!(changed.body["actionable_event"], made.body["actionable_event"], "no change of the event");
    for field in ["name", "description", "status", "configured_actions", "targeting_properties"] {
        let mut partial = body.clone();
        partial.as_object_mut().expect("an object").remove(field);
        assert_eq!(driver.patch(&path, partial).await.status, 422, "{field} is required");
    }
    assert_eq!(driver.delete(&path).await.status, 204);
    assert_eq!(driver.delete(&path).await.status, 404);
}

#[tokio::test]
async fn an_event_takes_only_actions_and_targets_that_it_supports() {
    let driver = Driver::example().await;
    let moved = id_of(&driver, "/api/v1/event/system/configuration", "Update location").await;
    let mut mails = blocked(&driver, json!([])).await;
    mails["actionable_event"] = json!({"system_event": {"id": moved}});
    assert_eq!(driver.post(AUTOMATIONS, mails).await.status, 422, "a move sends no mail");
    let countries = blocked(&driver, json!([said("country", "DE", &[])])).await;
    assert_eq!(driver.post(AUTOMATIONS, countries).await.status, 422);
    let mut both = blocked(&driver, json!([])).await;
    both["actionable_event"]["custom_event"] = json!({"id": "c"});
    both["actionable_event"]["system_event"] = json!({"id": "d"});
    assert_eq!(driver.post(AUTOMATIONS, both).await.status, 422);
    let mut fax = blocked(&driver, json!([])).await;
    fax["configured_actions"][0]["properties"] = json!([said("fax", "1", &[])]);
    assert_eq!(driver.post(AUTOMATIONS, fax).await.status, 422);
}

#[tokio::test]
async fn a_matching_event_runs_an_automation_and_is_in_its_log() {
    let driver = Driver::example().await;
    driver.post("/api/v2/endpoint/11000001/tags", json!({"id": 41})).await;
    let for_lab = driver.post(AUTOMATIONS, blocked(&driver, json!([said("tags", "", &["lab"])])).await).await;
    let for_roof = driver.post(AUTOMATIONS, blocked(&driver, json!([said("tags", "roof", &[])])).await).await;
    driver.simulator.device(DEVICE, Signal::Block).expect("the device can be blocked");
    let path = |made: &Value| format!("{AUTOMATIONS}/{}", made["id"].as_str().expect("a UUID"));
    let ran = driver.get(&path(&for_lab.body)).await.body;
    assert_eq!(ran["number_of_executions"], 1);
    assert!(ran["last_execution"].is_string());
    assert_eq!(driver.get(&path(&for_roof.body)).await.body["number_of_executions"], 0, "other devices");
    let log = format!(
        "/api/v1/automation/log?automationId={}&automationExecutionNumber=1",
        ran["id"].as_str().expect("a UUID")
    );
    let rows = driver.get(&log).await.body;
    assert_eq!((rows.as_array().map(Vec::len), &rows[0]["status"]), (Some(1), &json!("FAILED")));
    assert_eq!(rows[0]["message"], "recipient a@example.com is not verified");
    assert_eq!(driver.get("/api/v1/automation/log").await.status, 422);

    let token = driver.simulator.inspect(|state| {
        let org = state.organisations.values().next().expect("an organisation");
        org.recipients.values().map(|asked| asked.token.clone()).collect::<Vec<_>>()
    });
    assert_eq!(token.len(), 1, "a person is asked once");
    let verify = "/api/v1/automation/recipient/email/verification";
    assert_eq!(driver.post(verify, json!({"token": "guess"})).await.status, 404);
    assert_eq!(driver.post(verify, json!({"token": token[0]})).await.status, 200);
}

#[tokio::test]
async fn a_deleted_tag_is_taken_off_automations() {
    let driver = Driver::example().await;
    let made =
        driver.post(AUTOMATIONS, blocked(&driver, json!([said("tags", "", &["lab", "x"])])).await).await;
    driver.delete("/api/v2/tags/41").await;
    let path = format!("{AUTOMATIONS}/{}", made.body["id"].as_str().expect("a UUID"));
    let left = driver.get(&path).await.body["targeting_properties"].clone();
    assert_eq!(left, json!([said("tags", "", &["x"])]));
}

#[tokio::test]
async fn without_the_beta_the_whole_family_is_refused() {
    let driver = Driver::example().await;
    let close = |state: &mut crate::State| {
        for org in state.organisations.values_mut() {
            org.automation_beta = Switch::Off;
        }
    };
    driver.simulator.edit(close).expect("a sound state");
    let family = ["/api/v1/automation", "/api/v1/event/custom", "/api/v1/event/system"];
    let ours = operations::all().iter().filter(|one| family.iter().any(|path| one.path.starts_with(path)));
    let mut refused = 0;
    for operation in ours {
        let answered = driver.call(&operation.method, &operation.path, Value::Null).await;
        assert_eq!(answered.status, 403, "{}", operation.operation);
        refused += 1;
    }
    assert_eq!(refused, 17);
}
