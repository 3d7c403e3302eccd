use emnify::wire::integration::ApiCallback as Row;
use emnify_engine::kind::{FieldDiff, Find, Inputs, Key, Managed, RecordChange, mark};
use serde_json::json;

use super::ApiCallback;
use crate::kinds::laws::{api, is_found_again, kind_laws, look, object};

const URL: &str = "https://sms.example.com/emnify";

fn there() -> Row {
    Row { id: 7, url: URL.into(), purpose: Some("Device messages [k8s prod/fleet/a]".into()), created: None }
}

fn ours() -> Inputs {
    Inputs::new("prod", "fleet/a", None)
}

kind_laws!(
    ApiCallback,
    there: (there(), ()),
    inputs: ours(),
    bare: json!({"url": URL}),
    // emnify changes nothing about a callback
    others: [] as [serde_json::Value; 0],
    new: json!({"url": "https://sms.example.com/new", "purpose": "Device messages"}),
);

#[test]
fn another_url_or_purpose_is_another_object() {
    let want =
        object::<ApiCallback>(&json!({"url": "https://b.example", "purpose": "Receipts"})).want(&ours());
    let diff = look::<ApiCallback>(&want.unwrap(), &there(), &());
    assert!(diff.changes.is_empty(), "emnify has no update");
    let told = [
        FieldDiff::new("url", URL, "https://b.example"),
        FieldDiff::new("purpose", "Device messages", "Receipts"),
    ];
    assert_eq!(diff.immutable, told, "people are told of the purpose without our mark");
}

#[test]
fn a_callback_is_found_by_our_mark_and_named_by_its_url() {
    let want = object::<ApiCallback>(&json!({"url": URL})).want(&ours()).unwrap();
    let mark = Key::new(mark::KEY, "prod/fleet/a");
    assert_eq!(ApiCallback::find(&want, None), [Find::Trace(mark.clone())], "two callbacks may have one URL");
    let mut keys = Vec::new();
    ApiCallback::keys(&there(), &mut |key| keys.push(key));
    assert_eq!(keys, [Key::new(Key::NAME, URL), mark]);
}

#[tokio::test(start_paused = true)]
async fn a_callback_is_made_with_our_mark_after_its_purpose_and_deleted() {
    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let api = api(&simulator);
    let id = is_found_again::<ApiCallback>(&api, &json!({"url": URL})).await;
    let row = ApiCallback::read(&api, &id).await.unwrap().unwrap();
    assert_eq!(row.purpose.as_deref(), Some("a [k8s prod/fleet/a]"), "called as its object");
    ApiCallback::apply(&api, &id, &RecordChange::Delete { disturbs: 0 }).await.unwrap();
    assert_eq!(ApiCallback::read(&api, &id).await, Ok(None));
}

#[test]
fn a_url_with_a_password_is_refused() {
    let check = |url: &str| object::<ApiCallback>(&json!({"url": url})).validate_cel().is_ok();
    assert!(
        check(URL) && check("http://sms.example.com/@team?to=a@b.example"),
        "an @ behind the host is fine"
    );
    assert!(!check("https://user:password@sms.example.com/emnify"));
    assert!(!check("https://user@sms.example.com"));
}

#[test]
fn calls_in_clear_are_worth_a_warning() {
    let concern = |url: &str| Managed::concern(&object::<ApiCallback>(&json!({"url": url})));
    assert_eq!(concern(URL), None);
    let (reason, note) = concern("http://sms.example.com/emnify").unwrap();
    assert_eq!(reason, "InsecureCallback");
    assert!(note.contains("use https"), "{note}");
}
