//! The actions of Argo CD's menu, seen through the patch that it makes of them.

use emnify_engine::kind::reason::annotation;
use serde_json::{Value, json};

use super::argo::Customization;

fn device(annotations: &Value) -> Value {
    let mut device = json!({
        "apiVersion": "emnify.io/v1alpha1",
        "kind": "Endpoint",
        "metadata": {"name": "meter-1", "namespace": "fleet", "generation": 1},
        "spec": {"enabled": true, "tags": ["roof"], "sim": {"iccid": "8988303000000010001"}},
    });
    if !annotations.is_null() {
        device["metadata"]["annotations"] = annotations.clone();
    }
    device
}

/// The object without its annotations, and those.
fn split(mut object: Value) -> (Value, Value) {
    let annotations = object["metadata"].as_object_mut().expect("metadata").remove("annotations");
    (object, annotations.unwrap_or_default())
}

#[test]
fn actions_change_their_annotation_and_nothing_else() {
    let argo = Customization::of("Endpoint");
    let tracked = json!({"argocd.argoproj.io/tracking-id": "fleet:emnify.io/Endpoint:fleet/meter-1"});
    for before in [Value::Null, tracked.clone()] {
        for action in ["refresh", "suspend"] {
            let (rest, annotations) = split(argo.act(action, &device(&before)));
            assert_eq!(rest, device(&Value::Null), "{action} touches annotations only");
            let mut annotations = annotations.as_object().cloned().unwrap_or_default();
            let set = annotations.remove(match action {
                "refresh" => annotation::REFRESH,
                _ => annotation::SUSPEND,
            });
            let set = set.as_ref().and_then(Value::as_str).unwrap_or_default();
            match action {
                "refresh" => {
                    assert!(set.parse::<jiff::Timestamp>().is_ok(), "a time is always a new value: {set}");
                }
                _ => assert_eq!(set, "true", "the value that suspends"),
            }
            assert_eq!(json!(annotations), if before.is_null() { json!({}) } else { before.clone() });
        }
    }
    let mut suspended = tracked.clone();
    suspended[annotation::SUSPEND] = json!("true");
    let resumed = argo.act("resume", &device(&suspended));
    assert_eq!(resumed, device(&tracked), "resume takes back what suspend did");
}

#[test]
fn resume_takes_away_the_only_annotation_too() {
    let argo = Customization::of("Endpoint");
    let resumed = argo.act("resume", &argo.act("suspend", &device(&Value::Null)));
    assert_eq!(
        resumed["metadata"].get("annotations"),
        None,
        "Argo CD patches the annotations away: {resumed:#}"
    );
}

#[test]
fn only_actions_that_would_do_something_are_offered() {
    let argo = Customization::of("Endpoint");
    assert_eq!(argo.offered(&device(&Value::Null)), ["refresh", "suspend"]);
    assert_eq!(argo.offered(&device(&json!({annotation::SUSPEND: "false"}))), ["refresh", "suspend"]);
    assert_eq!(argo.offered(&device(&json!({annotation::SUSPEND: "true"}))), ["resume"]);
    let mut by_spec = device(&Value::Null);
    by_spec["spec"]["managementPolicy"] = json!("Suspend");
    assert!(argo.offered(&by_spec).is_empty(), "what Git suspends, Git resumes");
    let workspace = json!({"kind": "Workspace", "metadata": {"name": "default"}, "spec": {"suspend": true}});
    assert!(Customization::of("Workspace").offered(&workspace).is_empty());
}
