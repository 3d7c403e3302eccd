use std::sync::Arc;

use emnify::wire::tag::Tag as Row;
use emnify_engine::kind::{Change as _, Have, Id, Inputs, Managed, RecordChange, Verb};
use serde_json::{Value, json};

use super::Tag;
use crate::kinds::laws::{api, is_found_again, kind_laws, look, object, settle};

fn there() -> Row {
    Row { id: 5, name: "roof".into(), resource_count: Some(12), color: Some(3) }
}

/// Of the object `a`, with blue as the colour that it names.
fn ours() -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put("color", Id::Int(4));
    inputs
}

kind_laws!(
    Tag,
    there: (there(), ()),
    inputs: ours(),
    bare: json!({}),
    others: [json!({"name": "attic"}), json!({"color": "Blue"}), json!({"name": "ROOF", "color": "#4285F4"})],
    new: json!({"name": "roof", "color": "#4285F4"}),
);

fn known(want: &<Tag as Managed>::Want, row: &Row) -> bool {
    let mut keys = Vec::new();
    Tag::keys(row, &mut |key| keys.push(key));
    Tag::find(want, None).iter().any(|find| keys.contains(find.key()))
}

#[test]
fn a_tag_is_found_by_its_name_in_any_case_and_the_one_spelled_so_first() {
    let want = |spec: Value| object::<Tag>(&spec).want(&ours()).unwrap();
    let (unset, shouted) = (want(json!({})), want(json!({"name": "ROOF"})));
    assert!(known(&unset, &Row { name: "a".into(), ..there() }), "unset: by the name of the object");
    assert!(known(&shouted, &there()), "emnify refuses ROOF beside roof");
    assert!(!known(&shouted, &Row { name: "roofs".into(), ..there() }));
    let first = Tag::find(&shouted, None).remove(0);
    assert_eq!(first.key().value, "ROOF");
    let lower = want(json!({"name": "roof"}));
    let rivals = |want: &<Tag as Managed>::Want| Tag::exclusive(want);
    assert!(
        rivals(&lower).iter().any(|key| rivals(&shouted).contains(key)),
        "two objects for one tag are rivals"
    );
}

#[test]
fn a_deletion_disturbs_all_devices_that_carry_the_tag_and_a_new_colour_none() {
    let want = object::<Tag>(&json!({"color": "Blue", "name": "attic"})).want(&ours()).unwrap();
    let changes = look::<Tag>(&want, &there(), &()).changes;
    assert_eq!(changes[0].to_string(), "name: roof -> attic, color: 3 -> 4");
    assert_eq!(changes[0].class().disturbs, 0, "devices keep it");
    let have: Have<Tag> = Have { row: Arc::new(there()), parts: Arc::new(()), output: None };
    let gone = Tag::retire(&have, &crate::kinds::laws::context());
    assert_eq!(gone.iter().map(|change| change.class().disturbs).collect::<Vec<_>>(), [12]);
    assert_eq!(gone[0].class().verb, Verb::Delete);
}

#[tokio::test(start_paused = true)]
async fn a_tag_is_made_renamed_coloured_by_name_and_deleted() {
    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let api = api(&simulator);
    let id = is_found_again::<Tag>(&api, &json!({})).await;
    let (sent, have) = settle::<Tag>(&api, &json!({"name": "attic", "color": "blue"}), &id).await;
    assert_eq!(sent.len(), 1, "one call: {sent:?}");
    assert_eq!((have.row.name.as_str(), have.row.color), ("attic", Some(4)));
    let (sent, have) = settle::<Tag>(&api, &json!({"name": "ATTIC"}), &id).await;
    assert_eq!((sent, have.row.name.as_str()), (vec!["name: attic -> ATTIC".to_owned()], "ATTIC"));
    Tag::apply(&api, &id, &RecordChange::Delete { disturbs: 0 }).await.unwrap();
    assert_eq!(Tag::read(&api, &id).await, Ok(None));
}

#[test]
fn what_marks_devices_is_no_tag_of_a_user() {
    let check = |name: &str| object::<Tag>(&json!({"name": name})).validate_cel().is_ok();
    assert!(check("roof") && check("k8s") && check("the k8s:cluster"));
    assert!(!check("k8s:prod") && !check("K8S:prod/fleet/a"));
    let reserved = |name: &str| Tag::is_deleted(&Row { name: name.into(), ..there() });
    assert!(reserved("k8s:prod/fleet/a") && reserved(" K8S:prod"), "whoever names its id finds nothing");
    assert!(!reserved("roof"));
}
