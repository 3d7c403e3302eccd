use emnify::wire::custom_event::{CustomEvent as Row, Property, Template, TemplateProperty, Validator};
use emnify_engine::kind::{FieldDiff, Find, Id, Inputs, Key, Managed, RecordChange, Shown, mark};
use serde_json::{Value, json};

use super::CustomEvent;
use crate::kinds::{
    common::events::Supports,
    laws::{api, inputs, is_found_again, kind_laws, look, object, settle},
};

fn hours(value: &str) -> Property {
    Property { property: "hours".into(), value: value.into(), value_array: Vec::new() }
}

fn there() -> Row {
    Row {
        id: "ce-7".into(),
        name: "silent [k8s prod/fleet/a]".into(),
        template: Some("te-1".into()),
        configuration_properties: vec![hours("24")],
        targeting_parameters: vec!["tags".into()],
        actions: vec!["SendEmail".into()],
    }
}

fn validator(kind: &str, value: &str) -> Validator {
    Validator { kind: kind.into(), value: value.into() }
}

/// Of the object `a`, with what its template leaves open.
fn ours() -> Inputs {
    let property = |property: &str, kind: &str, required, validators| TemplateProperty {
        property: property.into(),
        kind: kind.into(),
        preset: None,
        required,
        validators,
    };
    let properties = vec![
        property("hours", "number", true, vec![validator("MIN", "1"), validator("max", "720")]),
        property("countries", "array", false, vec![validator("enum", "DE|FR")]),
        property("note", "string", false, vec![validator("max_length", "4"), validator("moon", "full")]),
    ];
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put("template", Id::Text("te-1".into()));
    inputs.show(
        "template",
        Shown::new(Template { id: "te-1".into(), name: "Device offline".into(), properties }),
    );
    inputs
}

fn spec(properties: &Value) -> Value {
    json!({"template": {"externalName": "Device offline"}, "properties": properties})
}

kind_laws!(
    CustomEvent,
    there: (there(), ()),
    inputs: ours(),
    bare: spec(&json!([{"name": "hours", "values": ["24"]}])),
    // emnify changes nothing about an event
    others: [] as [Value; 0],
    new: spec(&json!([{"name": "hours", "value": "24"}])),
);

#[test]
fn another_name_template_or_property_is_another_event() {
    let mut from = ours();
    from.put("template", Id::Text("te-2".into()));
    let wanted = json!({"name": "mute", "template": {"externalName": "x"}, "properties": [{"name": "hours", "value": "8"}]});
    let diff = look::<CustomEvent>(&object::<CustomEvent>(&wanted).want(&from).unwrap(), &there(), &());
    assert!(diff.changes.is_empty(), "emnify has no update");
    let told = [
        FieldDiff::new("name", "silent", "mute"),
        FieldDiff::new("template", "te-1", "te-2"),
        FieldDiff::new("properties", "hours=24", "hours=8"),
    ];
    assert_eq!(diff.immutable, told, "people are told of the name without our mark");
}

#[test]
fn a_property_that_the_template_does_not_take_is_named_before_anything_is_sent() {
    let refused = |properties: Value| {
        let error = object::<CustomEvent>(&spec(&properties)).want(&ours()).unwrap_err();
        (error.path, error.message)
    };
    let hours = "properties[hours]".to_owned();
    assert_eq!(refused(json!([])).0, hours, "it is required");
    assert_eq!(refused(json!([{"name": "hours", "value": ""}])).0, hours, "and not by an empty text");
    assert_eq!(refused(json!([{"name": "hours", "value": "soon"}])).1, "soon is no number");
    assert_eq!(refused(json!([{"name": "hours", "value": "0"}])).1, "0 does not pass MIN 1");
    assert_eq!(refused(json!([{"name": "hours", "values": ["1", "2"]}])).1, "the template takes one value");
    let with = |more: Value| json!([{"name": "hours", "value": "24"}, more]);
    let (path, message) = refused(with(json!({"name": "days", "value": "1"})));
    assert_eq!(path, "properties[days]");
    assert!(message.ends_with("there is hours, countries, note"), "{message}");
    assert_eq!(
        refused(with(json!({"name": "countries", "values": ["DE", "XX"]}))).1,
        "XX does not pass enum DE|FR"
    );
    assert_eq!(refused(with(json!({"name": "note", "value": "long!"}))).0, "properties[note]");
    let good =
        [json!({"name": "countries", "values": ["DE", "FR"]}), json!({"name": "note", "value": "moon"})];
    for more in good {
        assert!(
            object::<CustomEvent>(&spec(&with(more))).want(&ours()).is_ok(),
            "what is not known is emnify's to judge"
        );
    }
    let adopted = json!({"template": {"externalName": "Device offline"}, "id": "ce-7"});
    assert!(object::<CustomEvent>(&adopted).want(&ours()).is_ok(), "one that is there may be left as it is");
}

#[test]
fn an_event_is_found_by_our_mark_named_without_it_and_says_what_it_supports() {
    let want =
        object::<CustomEvent>(&spec(&json!([{"name": "hours", "value": "24"}]))).want(&ours()).unwrap();
    let mark = Key::new(mark::KEY, "prod/fleet/a");
    assert_eq!(CustomEvent::find(&want, None), [Find::Trace(mark.clone())], "two events may have one name");
    let mut keys = Vec::new();
    CustomEvent::keys(&there(), &mut |key| keys.push(key));
    assert_eq!(keys, [Key::new(Key::NAME, "silent"), mark]);
    let shown = CustomEvent::shown(&there()).unwrap();
    let supports = Supports { actions: vec!["SendEmail".into()], targeting: vec!["tags".into()] };
    assert_eq!(shown.get::<Supports>(), Some(&supports));
}

#[tokio::test(start_paused = true)]
async fn an_event_is_made_with_our_mark_after_its_name_and_deleted() {
    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let api = api(&simulator);
    let spec = spec(&json!([{"name": "hours", "value": "24"}]));
    let id = is_found_again::<CustomEvent>(&api, &spec).await;
    let (sent, have) = settle::<CustomEvent>(&api, &spec, &id).await;
    assert!(sent.is_empty(), "{sent:?}");
    assert_eq!(have.row.name, "a [k8s prod/fleet/a]", "called as its object");
    let mut status = super::CustomEventStatus::default();
    object::<CustomEvent>(&spec).report(&have, None, &mut status);
    assert_eq!(status.supported_targeting, ["tags"]);
    let read = inputs(&api, &object::<CustomEvent>(&spec)).await;
    assert_eq!(
        read.id("template").map(ToString::to_string),
        have.row.template,
        "by the name of the template"
    );
    CustomEvent::apply(&api, &id, &RecordChange::Delete { disturbs: 0 }).await.unwrap();
    assert_eq!(CustomEvent::read(&api, &id).await, Ok(None));
}
