use emnify::wire::{
    automation::{ActionableEvent, Automation as Row, AutomationAction, ConfiguredAction, NamedEvent},
    custom_event::Property,
};
use emnify_engine::kind::{
    Change as _, FieldDiff, Id, Inputs, Invalid, Key, Managed, RecordChange, Shown, Source,
};
use serde_json::{Value, json};

use super::{Automation, AutomationStatus};
use crate::kinds::{
    common::events::Supports,
    laws::{api, context, is_found_again, kind_laws, look, object, settle},
};

fn said(name: &str, values: &[&str]) -> Property {
    let values = values.iter().map(ToString::to_string).collect();
    Property { property: name.into(), value: String::new(), value_array: values }
}

fn there() -> Row {
    let event = NamedEvent { id: "e-1".into(), name: "Device blocked".into() };
    let mail = ConfiguredAction {
        action: Some("a-1".into()),
        properties: vec![said("email", &["b@example.com", "a@example.com"])],
        recipients: vec!["b@example.com".into(), "a@example.com".into()],
    };
    Row {
        id: "au-7".into(),
        name: "blocked".into(),
        description: "Calls us [k8s prod/fleet/a]".into(),
        status: "Active".into(),
        event: Some(ActionableEvent { custom_event: None, system_event: Some(event) }),
        actions: vec![mail],
        targeting: vec![said("tags", &["roof"])],
        number_of_executions: Some(3),
        last_execution: None,
    }
}

fn action(id: &str, kind: &str, name: &str, properties: &[&str]) -> Shown {
    let properties = properties.iter().map(ToString::to_string).collect();
    Shown::new(AutomationAction { id: id.into(), kind: kind.into(), name: name.into(), properties })
}

/// Of the object `a`: everything that its spec may name.
fn ours() -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put("event.systemEvent", Id::Text("e-1".into()));
    let supports =
        Supports { actions: vec!["SEND_EMAIL".into()], targeting: vec!["tags".into(), "endpoint".into()] };
    inputs.show("event.systemEvent", Shown::new(supports));
    inputs.put("actions[0].action", Id::Text("a-1".into()));
    inputs.show("actions[0].action", action("a-1", "SendEmail", "Send email", &["email", "subject"]));
    inputs.put("actions[1].action", Id::Text("a-2".into()));
    inputs.show("actions[1].action", action("a-2", "Webhook", "Webhook", &["url"]));
    inputs
}

fn mail(emails: &[&str]) -> Value {
    json!({"action": {"externalName": "Send email"}, "properties": [{"name": "email", "values": emails}]})
}

fn spec(more: &Value) -> Value {
    let mut spec = json!({
        "event": {"systemEvent": {"externalName": "Device blocked"}},
        "actions": [mail(&["a@example.com", "b@example.com"])],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

kind_laws!(
    Automation,
    there: (there(), ()),
    inputs: ours(),
    bare: spec(&json!({"state": "ACTIVE", "targeting": [{"name": "tags", "value": "roof"}]})),
    others: [
        spec(&json!({"name": "blocked devices"})),
        spec(&json!({"description": "Mails us"})),
        spec(&json!({"state": "PAUSED"})),
        spec(&json!({"targeting": []})),
        spec(&json!({"actions": [mail(&["c@example.com"])], "targeting": [{"name": "endpoint", "value": "1"}]})),
    ],
    new: spec(&json!({"targeting": [{"name": "tags", "values": ["lab"]}]})),
);

fn refused(spec: &Value) -> Invalid {
    object::<Automation>(spec).want(&ours()).unwrap_err()
}

#[test]
fn another_event_is_another_automation() {
    let mut from = ours();
    from.put("event.systemEvent", Id::Text("e-2".into()));
    let want = object::<Automation>(&spec(&json!({}))).want(&from).unwrap();
    let diff = look::<Automation>(&want, &there(), &());
    assert_eq!(diff.immutable, [FieldDiff::new("event", "system event e-1", "system event e-2")]);
    let custom = json!({"event": {"customEvent": {"id": "e-1"}}});
    let want = object::<Automation>(&spec(&custom)).want(&from).unwrap();
    let told = look::<Automation>(&want, &there(), &()).immutable;
    assert_eq!(told.len(), 1, "an event of one's own is another one, whatever its id: {told:?}");
}

#[test]
fn what_differs_is_one_call_and_tells_what_it_changes() {
    let more = json!({"description": "Mails us", "targeting": []});
    let want = object::<Automation>(&spec(&more)).want(&ours()).unwrap();
    let changes = look::<Automation>(&want, &there(), &()).changes;
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "description: Calls us [k8s prod/fleet/a] -> Mails us [k8s prod/fleet/a], targeting: tags=roof -> none"
        ]
    );
    let left = changes[0].clone().strip(&|path| path == "targeting").unwrap();
    assert_eq!(left.fields().len(), 1, "an ignored field stays as it is");
}

#[test]
fn an_action_or_a_target_that_the_event_does_not_support_is_named_before_anything_is_sent() {
    let hook = json!({"action": {"externalName": "Webhook"}, "properties": [{"name": "url", "value": "https://a.example"}]});
    let told = refused(&spec(&json!({"actions": [mail(&["a@example.com"]), hook]})));
    assert_eq!(
        told.to_string(),
        "actions[1].action: the event does not support Webhook; there is SEND_EMAIL"
    );
    let told = refused(&spec(&json!({"targeting": [{"name": "iccid", "value": "89"}]})));
    assert_eq!(
        told.to_string(),
        "targeting[0].name: the event cannot be narrowed down by iccid; there is tags, endpoint"
    );
    let fax =
        json!({"action": {"externalName": "Send email"}, "properties": [{"name": "fax", "value": "1"}]});
    let told = refused(&spec(&json!({"actions": [fax]})));
    assert_eq!(
        told.to_string(),
        "actions[0].properties[fax]: Send email has no such property; there is email, subject"
    );
    let mut blind = Inputs::new("prod", "fleet/a", None);
    blind.put("actions[0].action", Id::Text("a-1".into()));
    let by_id = spec(
        &json!({"event": {"customEvent": {"id": "ce-1"}}, "targeting": [{"name": "iccid", "value": "89"}]}),
    );
    assert!(object::<Automation>(&by_id).want(&blind).is_ok(), "what is not known is emnify's to judge");
}

#[test]
fn a_custom_event_is_referred_to_as_an_object_and_used_while_the_automation_is_there() {
    let custom = object::<Automation>(&spec(&json!({"event": {"customEvent": {"name": "silent"}}})));
    let inputs = custom.inputs();
    let source = &inputs.iter().find(|input| input.path == "event.customEvent").unwrap().source;
    assert!(matches!(source, Source::Object { kind: "CustomEvent", name } if name == "silent"));
    let uses = Automation::USES[0].of;
    assert_eq!(uses(&there(), None), None, "one of emnify's is not ours to delete");
    let event = NamedEvent { id: "ce-1".into(), name: String::new() };
    let waits = ActionableEvent { custom_event: Some(event), system_event: None };
    assert_eq!(uses(&Row { event: Some(waits), ..there() }, None), Some(Id::Text("ce-1".into())));
    let mut keys = Vec::new();
    Automation::keys(&there(), &mut |key| keys.push(key));
    assert!(keys.contains(&Key::new(Key::NAME, "blocked")), "{keys:?}");
}

#[test]
fn a_status_tells_who_gets_mail_and_keeps_what_the_event_is_called() {
    let want = object::<Automation>(&spec(&json!({}))).want(&ours()).unwrap();
    let mut have = emnify_engine::kind::Have::<Automation> {
        row: std::sync::Arc::new(there()),
        parts: std::sync::Arc::new(()),
        output: None,
    };
    let mut status = AutomationStatus::default();
    object::<Automation>(&spec(&json!({}))).report(&have, None, &mut status);
    let emails: Vec<_> = status.recipients.iter().map(|recipient| recipient.email.as_str()).collect();
    assert_eq!(emails, ["a@example.com", "b@example.com"]);
    assert_eq!((status.event.as_deref(), status.executions), (Some("Device blocked"), Some(3)));
    let mut row = there();
    Automation::assume(&Automation::create(&want, None).unwrap(), &mut row, &mut ());
    have.row = std::sync::Arc::new(row);
    object::<Automation>(&spec(&json!({}))).report(&have, None, &mut status);
    assert_eq!(status.event.as_deref(), Some("Device blocked"), "an assumed row does not name it");
    assert!(Automation::retire(&have, &context()).len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_leaves_alone_what_somebody_else_changed_a_moment_ago() {
    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let api = api(&simulator);
    let bare = spec(&json!({"targeting": [{"name": "tags", "values": ["lab"]}]}));
    let id = is_found_again::<Automation>(&api, &bare).await;
    let stale = Automation::read(&api, &id).await.unwrap().unwrap();
    simulator
        .edit(|state| {
            let automations = state.organisations.values_mut().flat_map(|org| org.automations.values_mut());
            automations.for_each(|automation| automation.name = "portal".into());
        })
        .unwrap();
    let object = object::<Automation>(&spec(&json!({"state": "PAUSED"})));
    let want = object.want(&crate::kinds::laws::inputs(&api, &object).await).unwrap();
    let changes = look::<Automation>(&want, &stale, &()).changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    let reply = Automation::apply(&api, &id, &changes[0]).await.unwrap();
    let row = reply.row.expect("emnify answers with the automation");
    assert_eq!(
        (row.name.as_str(), row.status.as_str()),
        ("portal", "PAUSED"),
        "its name is not what the spec sets"
    );
    assert_eq!(row.targeting.len(), 1, "nor is what it is meant for");
    assert_eq!(row.actions[0].recipients.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_automation_is_made_changed_and_deleted() {
    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let api = api(&simulator);
    let id = is_found_again::<Automation>(&api, &spec(&json!({}))).await;
    let row = Automation::read(&api, &id).await.unwrap().unwrap();
    assert_eq!((row.name.as_str(), row.status.as_str()), ("a", "ACTIVE"), "called as its object");
    assert_eq!(row.description, "[k8s prod/fleet/a]", "emnify requires a description");
    let more = json!({"name": "blocked", "actions": [mail(&["c@example.com"])]});
    let (sent, have) = settle::<Automation>(&api, &spec(&more), &id).await;
    assert_eq!(sent.len(), 1, "one call: {sent:?}");
    assert_eq!((have.row.name.as_str(), have.row.actions[0].recipients.len()), ("blocked", 1));
    Automation::apply(&api, &id, &RecordChange::Delete { disturbs: 0 }).await.unwrap();
    assert_eq!(Automation::read(&api, &id).await, Ok(None));
}
