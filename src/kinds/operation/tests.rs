//! What a manifest may say, and what is made of it.

mod actions;

use emnify_engine::kind::task::{Again, Here, Labels};
use serde_json::{Value, json};

use super::*;
use crate::kinds::{
    endpoint::{
        Row as DeviceRow,
        rows::{RowSim, Tag},
    },
    sim::rows::Row as SimRow,
};

fn operation(spec: Value) -> Operation {
    Operation::new("op", serde_json::from_value(spec).unwrap())
}

/// A namespace with two devices that carry labels, and a set. What is named sets this field of every device and SIM.
struct Namespace(Option<&'static str>);

impl Here for Namespace {
    fn labelled(&self, kind: &str, passes: &dyn Fn(&Labels) -> bool) -> Vec<Id> {
        assert_eq!(kind, "Endpoint");
        let sites = [(1, "north"), (2, "south")];
        let labels = |site: &str| Labels::from([("site".to_owned(), site.to_owned())]);
        sites.iter().filter(|(_, site)| passes(&labels(site))).map(|(id, _)| Id::Int(*id)).collect()
    }
    fn members(&self, kind: &str, name: &str) -> Option<Vec<Id>> {
        assert_eq!(kind, "EndpointSet");
        (name == "meters").then(|| vec![Id::Int(2)])
    }
    fn manager(&self, _: (&'static str, &Id), fields: &[(&str, &str)]) -> Option<String> {
        let set = fields.iter().find(|(_, field)| Some(*field) == self.0);
        set.map(|(kind, field)| format!("spec{} of {kind} ns/one", field.replace('/', ".")))
    }
}

fn devices() -> Vec<DeviceRow> {
    let tags = |name: &str| Some([Tag { id: Some(1), name: name.into() }].into_iter().collect());
    let sim = RowSim { id: 7, iccid: Some("8988303000000010001".into()), status: Some(1) };
    vec![
        DeviceRow {
            id: 1,
            name: "meter-1".into(),
            sim: Some(sim),
            tags: tags("Roof"),
            ..DeviceRow::default()
        },
        DeviceRow { id: 2, name: "meter-2".into(), tags: tags("cellar"), ..DeviceRow::default() },
    ]
}

fn sims(status: i64) -> Vec<SimRow> {
    let iccid = Some("8988303000000010001".into());
    vec![SimRow { id: 7, iccid, imsi: Some("901430000010001".into()), status, ..SimRow::default() }]
}

fn with<R>(status: i64, sees: impl FnOnce(&World<'_, Operation>) -> R) -> R {
    managed(None, status, sees)
}

/// The same where a manifest sets this field.
fn managed<R>(field: Option<&'static str>, status: i64, sees: impl FnOnce(&World<'_, Operation>) -> R) -> R {
    let (members, pool) = (devices(), sims(status));
    let own_users = vec!["ada@example.com".to_owned()];
    sees(&World {
        members: &members,
        pool: &pool,
        here: &Namespace(field),
        text: Some("8988303000000010001, # the first\n"),
        begun: false,
        own_users,
        as_user: true,
    })
}

fn targets(target: &Value) -> Result<Vec<Id>, Invalid> {
    targets_of(&json!({"resetConnectivity": {"data": true}}), target)
}

fn targets_of(action: &Value, target: &Value) -> Result<Vec<Id>, Invalid> {
    let operation = operation(json!({"target": target, "action": action}));
    let mut inputs = Inputs::default();
    for input in operation.inputs() {
        inputs.put(input.path, Id::Int(2));
    }
    with(1, |world| operation.targets(&inputs, world))
}

#[test]
fn targets_are_named_labelled_tagged_or_of_a_set() {
    let ids = |target: Value| targets(&target).unwrap();
    assert_eq!(ids(json!({"endpoints": [{"id": "1"}, {"name": "meter-2"}]})), [Id::Int(1), Id::Int(2)]);
    assert_eq!(ids(json!({"endpoints": [{"iccid": "8988303000000010001"}]})), [Id::Int(1)]);
    assert_eq!(ids(json!({"endpointSelector": {"matchLabels": {"site": "south"}}})), [Id::Int(2)]);
    assert_eq!(ids(json!({"endpointSet": {"name": "meters"}})), [Id::Int(2)]);
    assert_eq!(ids(json!({"tag": "roof"})), [Id::Int(1)], "tags are one whatever their case");
}

#[test]
fn what_does_not_exist_is_named_and_nothing_is_done_to_the_others() {
    for (target, path) in [
        (json!({"endpoints": [{"id": "1"}, {"id": "9"}]}), "target.endpoints[1]"),
        (json!({"endpoints": [{"iccid": "8988303000000010002"}]}), "target.endpoints[0]"),
        (json!({"endpointSet": {"name": "gone"}}), "target.endpointSet"),
        (json!({"endpointSelector": {"matchLabels": {}}}), "target"),
        (json!({}), "target"),
    ] {
        assert_eq!(targets(&target).unwrap_err().path, path, "{target}");
    }
}

fn prepared(action: &Value, status: i64, target: i64) -> Result<Call, Outcome> {
    let operation = operation(json!({"target": {"tag": "roof"}, "action": action}));
    with(status, |world| operation.prepare(&Id::Int(target), &Inputs::default(), world))
}

#[test]
fn a_sim_in_factory_test_is_left_alone_unless_its_end_is_meant() {
    for action in ["sendSms", "resetConnectivity"] {
        let body = |mut more: Value| {
            more["payload"] = json!("hello");
            more["data"] = json!(true);
            let mut spec = json!({});
            spec[action] = more;
            spec
        };
        let test = crate::kinds::sim::state::status::FACTORY_TEST;
        let skipped = prepared(&body(json!({})), test, 1).unwrap_err();
        assert!(
            matches!(skipped, Outcome::Skipped { reason: reason::FACTORY_TEST, .. }),
            "{action}: {skipped:?}"
        );
        let meant = body(json!({"acknowledgeFactoryTestEnd": true}));
        assert!(prepared(&meant, test, 1).is_ok(), "{action}");
        assert!(prepared(&body(json!({})), 1, 1).is_ok(), "{action}");
    }
}

#[test]
fn a_text_that_a_device_cannot_fill_or_that_gets_too_long_is_its_failure() {
    let sms = |payload: &str| json!({"sendSms": {"payload": payload}});
    let Ok(Call::SendSms(_)) = prepared(&sms("{imsi} {name}"), 1, 1) else { panic!("the device has both") };
    for (payload, target) in [("{imsi}", 2), (&*format!("{}{{name}}", "x".repeat(158)), 1)] {
        let failed = prepared(&sms(payload), 1, target).unwrap_err();
        assert!(
            matches!(failed, Outcome::Failed { reason: reason::INVALID_SPEC, .. }),
            "{payload}: {failed:?}"
        );
    }
    let gone = prepared(&sms("hello"), 1, 9).unwrap_err();
    assert!(matches!(gone, Outcome::Failed { reason: reason::NOT_FOUND, .. }), "{gone:?}");
}

#[test]
fn a_date_that_is_none_is_not_passed_over() {
    let spec = json!({
        "target": {"tag": "roof"}, "action": {"sendSms": {"payload": "hello"}}, "validUntil": "2026-02-30T00:00:00Z",
    });
    assert_eq!(operation(spec).terms().unwrap_err().path, "validUntil", "or it would be sent");
}

#[test]
fn terms_are_those_of_spec_and_action() {
    let spec = json!({
        "target": {"tag": "roof"}, "action": {"sendSms": {"payload": "hello"}}, "parallelism": 3, "suspend": true,
        "maxFailedTargets": "10%", "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 0,
    });
    let terms = operation(spec).terms().unwrap();
    assert_eq!((terms.window, terms.suspend, terms.max_failed), (3, true, Some(Failures::Percent(10))));
    assert_eq!((terms.active_seconds, terms.ttl_seconds), (Some(60), Some(0)));
    assert_eq!((terms.again, terms.disturbs, terms.serial), (Again::Proof, 1, None));
}

#[test]
fn the_schema_takes_one_target_and_one_action_and_no_edit_after_the_start() {
    let object = |reset: Value, status: Value, suspend: bool| -> Operation {
        let spec =
            json!({"target": {"tag": "roof"}, "action": {"resetConnectivity": reset}, "suspend": suspend});
        let mut object = Operation::new("op", serde_json::from_value(spec).unwrap());
        object.status = Some(serde_json::from_value(status).unwrap());
        object
    };
    let (data, network) = (json!({"data": true}), json!({"network": true}));
    let begun = json!({"startedAt": "2026-01-01T00:00:00Z"});
    let edited = |status: Value| {
        object(network.clone(), status.clone(), false).validate_cel_update(&object(
            data.clone(),
            status,
            false,
        ))
    };
    assert!(edited(json!({})).is_ok(), "before the start it may be edited");
    assert!(edited(begun.clone()).is_err(), "an operation that has begun does not change");
    let suspended = object(data.clone(), begun.clone(), true);
    assert!(suspended.validate_cel_update(&object(data, begun, false)).is_ok());
    for action in [json!({}), json!({"resetConnectivity": {"data": true}, "sendSms": {"payload": "a"}})] {
        assert!(Action::validate_cel(&action, None).is_err(), "{action}");
    }
    for target in [json!({}), json!({"tag": "a", "endpointSet": {"name": "a"}})] {
        assert!(OperationTarget::validate_cel(&target, None).is_err(), "{target}");
    }
    for reset in [json!({}), json!({"data": false})] {
        assert!(ResetConnectivity::validate_cel(&reset, None).is_err(), "{reset}");
    }
    let ucs = |payload: &str| json!({"payload": payload, "dataCoding": "Ucs2"});
    assert!(SendSms::validate_cel(&ucs(&"a".repeat(70)), None).is_ok());
    assert!(SendSms::validate_cel(&ucs(&"a".repeat(71)), None).is_err());
    let from = json!({"name": "apn", "key": "text"});
    assert!(SendSms::validate_cel(&json!({"payloadSecretRef": from}), None).is_ok());
    assert!(SendSms::validate_cel(&json!({"payload": "a", "payloadSecretRef": from}), None).is_err());
    assert!(SendSms::validate_cel(&json!({}), None).is_err());
    let named = json!({"payload": "a", "sourceAddressType": "Alphanumeric", "sourceAddress": "far too long"});
    assert!(SendSms::validate_cel(&named, None).is_err());
}
