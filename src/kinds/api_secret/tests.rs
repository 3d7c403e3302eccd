//! The rules of keys: never shown, replaced by a new value, deleted when nobody uses them.

use std::sync::Arc;

use emnify::{Error, wire::integration::ApiSecret as Wire};
use emnify_engine::kind::{
    Change as _, Context, Diff, Find, Have, Id, Inputs, Key, Managed, mark,
    secret::SecretValue,
    spec::{CommonStatus, Intent, Provenance},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    ApiSecret, ApiSecretStatus, Retiring,
    change::Change,
    renewed,
    rows::{Parts, Row, VALUE},
};
use crate::kinds::laws::{api, context, is_found_again, kind_laws, object};

const KEY: &str = "correct horse battery staple";

fn spec() -> Value {
    json!({"secretRef": {"name": "signing", "key": "key"}})
}

fn row(purpose: &str) -> Row {
    Row::from(Wire { id: 7, purpose: Some(purpose.into()) })
}

fn holding(value: &str, digest: &str) -> Inputs {
    let mut inputs = Inputs::new("prod", "fleet/a", None);
    inputs.put_secret(VALUE, SecretValue::new(value.to_owned().into(), digest));
    inputs
}

kind_laws!(
    ApiSecret,
    there: (row("a [k8s prod/fleet/a#n]"), Parts { earlier: Some(Vec::new()) }),
    inputs: holding(KEY, "now"),
    bare: spec(),
    // a key is made anew and never changed, which its own tests have
    others: [] as [Value; 0],
    new: spec(),
);

/// The status of a key of this provenance that was sent with this digest.
fn status(provenance: Provenance, sent: Option<&str>) -> ApiSecretStatus {
    let inputs = sent.map(|sent| Box::new([(VALUE.to_owned(), sent.to_owned())].into()));
    let id = Some("7".to_owned());
    let common = CommonStatus { id, provenance: Some(provenance), inputs, ..CommonStatus::default() };
    ApiSecretStatus { common, ..ApiSecretStatus::default() }
}

fn now() -> Timestamp {
    "2026-05-01T12:00:00Z".parse().unwrap()
}

fn diff(spec: &Value, status: &ApiSecretStatus, earlier: &[i64], edited: bool) -> Diff<Change> {
    let want = object::<ApiSecret>(spec).want(&holding(KEY, "now")).unwrap();
    let parts = Parts { earlier: Some(earlier.to_vec()) };
    let have = Have { row: Arc::new(row("a [k8s prod/fleet/a#n]")), parts: Arc::new(parts), output: None };
    let context = Context { now: now(), status: Some(status), edited, ..context::<ApiSecret>() };
    ApiSecret::diff(&want, &have, &context)
}

#[test]
fn another_value_makes_another_key_at_once_and_the_same_none() {
    let sent = |digest| diff(&spec(), &status(Provenance::Created, Some(digest)), &[], false);
    assert!(sent("now").renew.is_none(), "what was sent is what the Secret holds");
    assert!(sent("before").renew.is_some());
    let mut again = status(Provenance::Created, Some("before"));
    again.renewed_at = Some(now().to_string().into());
    assert!(diff(&spec(), &again, &[], false).renew.is_some(), "whoever rotates twice an hour wants it");
}

#[test]
fn another_purpose_makes_another_key_since_emnify_changes_none() {
    let mut named = spec();
    named["purpose"] = json!("Device messages");
    let told = diff(&named, &status(Provenance::Created, Some("now")), &[], true).renew;
    assert_eq!(
        told.as_deref(),
        Some("purpose: a -> Device messages"),
        "people are told of it without our mark"
    );
}

#[test]
fn a_key_whose_value_is_not_known_is_replaced_once_an_hour_at_most() {
    let mut unknown = status(Provenance::Created, None);
    assert!(diff(&spec(), &unknown, &[], false).renew.is_some(), "a crash came before the digest was noted");
    unknown.renewed_at = Some(now().to_string().into());
    let later = diff(&spec(), &unknown, &[], true);
    let hour = now() + SignedDuration::from_hours(1);
    assert_eq!(
        (later.renew, later.wake_at),
        (None, Some(hour)),
        "a status that keeps nothing makes no flood"
    );
}

#[test]
fn a_key_that_was_taken_over_is_unverified_and_only_force_replaces_it() {
    let taken = status(Provenance::Adopted, None);
    let told = diff(&json!({"id": "7", "secretRef": {"name": "signing", "key": "key"}}), &taken, &[], true);
    assert!(told.renew.is_none() && told.changes.is_empty());
    let told: Vec<String> = told.reported.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["secretRef: unverified, since emnify shows no key; adoptionPolicy: Force replaces it -> ***"]
    );
    let mut force = spec();
    force["adoptionPolicy"] = json!("Force");
    assert!(diff(&force, &taken, &[], false).renew.is_some());
    let mut after = taken;
    renewed(&mut after, &Id::Int(7), now());
    assert!(after.retiring.is_empty(), "what was taken over is left behind");
}

#[test]
fn a_replaced_key_is_deleted_and_no_other_one() {
    let mut status = status(Provenance::Created, Some("now"));
    renewed(&mut status, &Id::Int(6), now());
    renewed(&mut status, &Id::Int(6), now());
    assert_eq!(status.retiring.len(), 1, "noted once");
    let changes = diff(&spec(), &status, &[5, 6], false).changes;
    assert_eq!(
        changes,
        [Change::DeleteEarlier { id: 6 }],
        "5 was left behind by an earlier object on purpose"
    );
    assert_eq!(changes[0].ends_other(), Some(Id::Int(6)), "the engine waits until nobody uses it");

    let object = object::<ApiSecret>(&spec());
    let gone =
        Have { row: Arc::new(row("a")), parts: Arc::new(Parts { earlier: Some(vec![]) }), output: None };
    object.report(&gone, None, &mut status);
    assert_eq!(status.retiring, [], "what is gone is not mentioned any more");
}

#[test]
fn the_key_goes_with_those_that_it_replaced() {
    let retiring = vec![Retiring { id: "6".into(), since: now().to_string().into() }];
    let status = ApiSecretStatus { retiring, ..status(Provenance::Created, None) };
    let parts = Parts { earlier: Some(vec![5, 6]) };
    let have = Have { row: Arc::new(row("a")), parts: Arc::new(parts), output: None };
    let context = Context { status: Some(&status), ..context::<ApiSecret>() };
    assert_eq!(ApiSecret::retire(&have, &context), [Change::DeleteEarlier { id: 6 }, Change::Delete]);
}

#[test]
fn a_short_key_is_refused_and_no_value_is_printed() {
    let secret = object::<ApiSecret>(&spec());
    let error = secret.want(&holding("hunter2", "d")).unwrap_err().to_string();
    assert!(error.contains("key key of Secret signing holds less than 16 bytes"), "{error}");
    assert!(!error.contains("hunter2"));
    let want = secret.want(&holding(KEY, "d")).unwrap();
    let create = ApiSecret::create(&want, None).unwrap();
    let printed = format!("{want:?} {create:?} {create} {} {:?}", create.request(), create.fields());
    assert!(!printed.contains("horse"), "{printed}");
}

#[test]
fn an_attempt_is_found_by_its_nonce_and_a_lost_status_by_our_mark() {
    let want = object::<ApiSecret>(&spec()).want(&holding(KEY, "d")).unwrap();
    let intent = Intent { nonce: "n1".into(), since: String::new() };
    let Some(Change::Create { purpose, .. }) = ApiSecret::create(&want, Some(&intent)) else {
        panic!("a create")
    };
    assert_eq!(purpose, "a [k8s prod/fleet/a#n1]");
    let mut keys = Vec::new();
    ApiSecret::keys(&row(&purpose), &mut |key| keys.push(key));
    for find in ApiSecret::find(&want, Some(&intent)).into_iter().chain(ApiSecret::find(&want, None)) {
        assert!(keys.contains(find.key()), "{find:?} is not among {keys:?}");
    }
    let bare = ApiSecret::find(&want, None);
    assert_eq!(bare, [Find::Trace(Key::new(mark::KEY, "prod/fleet/a"))]);
}

#[test]
fn a_key_of_which_the_value_was_sent_stays() {
    let alone = diff(&spec(), &status(Provenance::Created, Some("now")), &[], false);
    assert!(alone.renew.is_none() && alone.changes.is_empty() && alone.reported.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_is_made_with_its_value_and_deleted_with_the_one_before() {
    let simulator = emnify_simulator::Simulator::start(emnify_simulator::Options::default());
    let api = api(&simulator);
    let id = is_found_again::<ApiSecret>(&api, &spec()).await;
    let number = u64::try_from(id.int().unwrap()).unwrap();
    let held = || {
        simulator.inspect(|state| {
            let all = &state.organisations[&1001].api_secrets;
            all.get(&number).map(|secret| secret.secret.clone())
        })
    };
    assert_eq!(held().as_deref(), Some(KEY));
    let earlier = Change::DeleteEarlier { id: id.int().unwrap() };
    ApiSecret::apply(&api, &Id::Int(1), &earlier).await.unwrap();
    assert_eq!(held(), None);
    let again = ApiSecret::apply(&api, &Id::Int(1), &earlier).await;
    assert!(matches!(again, Err(Error::NotFound { .. })), "that is for the mirror to judge: {again:?}");
}
