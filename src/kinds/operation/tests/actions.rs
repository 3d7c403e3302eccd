//! Each action: its targets, what it is told of them, and when they are left alone.

use emnify_engine::kind::{Source, secret::SecretValue};

use super::*;
use crate::kinds::sim::state::status;

const EID: &str = "89049032000001000000000000000001";

/// Every action with its least parameters, how often the guard counts a target, whether a number is to be confirmed, and what
/// becomes of a target whose answer is missing.
fn all() -> Vec<(Value, u64, bool, Again)> {
    let euicc = |action: &str| json!({"euicc": {"action": action, "profile": "8988303000000010001"}});
    let migrate = |dry: bool| json!({"migrateSims": {"targetWorkspace": {"id": "1002"}, "dryRun": dry}});
    vec![
        (json!({"sendSms": {"payload": "hello"}}), 1, false, Again::Proof),
        (json!({"cancelSms": {}}), 0, false, Again::Yes),
        (json!({"resetConnectivity": {"data": true}}), 1, false, Again::Yes),
        (json!({"blockCurrentOperator": {}}), 1, false, Again::Proof),
        (json!({"unblockOperators": {"all": true}}), 0, false, Again::Yes),
        (json!({"setState": {"enabled": false}}), 1, false, Again::Yes),
        (json!({"extendTrafficLimit": {"volume": "100M"}}), 1, false, Again::Proof),
        (json!({"endTrafficLimitExtensions": {}}), 1, false, Again::Yes),
        (json!({"deleteSims": {}}), 1, true, Again::Proof),
        (migrate(false), 1, true, Again::Proof),
        (migrate(true), 0, false, Again::Yes),
        (json!({"simOperation": {"action": "Link"}}), 1, true, Again::Proof),
        (euicc("Audit"), 1, false, Again::Proof),
        (euicc("DeleteProfile"), 1, true, Again::Proof),
        (euicc("DownloadProfile"), 1, true, Again::Proof),
        (json!({"restartDataStream": {}}), 0, false, Again::Yes),
        (json!({"retryCloudConnect": {}}), 0, false, Again::Proof),
        (json!({"removeQuotas": {"kind": "Data"}}), 1, true, Again::Yes),
        (json!({"resetMfa": {}}), 0, true, Again::Yes),
        (json!({"assignInclusiveVolume": {"id": "82"}}), 0, true, Again::Proof),
        (
            json!({"verifyRecipient": {"tokenSecretRef": {"name": "mail", "key": "token"}}}),
            0,
            false,
            Again::Never,
        ),
    ]
}

#[test]
fn what_bills_for_good_or_destroys_needs_a_number_and_the_guard_hears_of_whom_it_disturbs() {
    for (action, disturbs, irreversible, again) in all() {
        let mut operation = operation(json!({"action": action, "confirm": {"targets": 7}}));
        let terms = operation.terms().unwrap();
        assert_eq!(
            (terms.disturbs, terms.irreversible, terms.again),
            (disturbs, irreversible, again),
            "{action}"
        );
        assert_eq!(terms.confirmed, Some(7));
        operation.spec.confirm = None;
        assert_eq!(operation.terms().unwrap().confirmed, None);
    }
}

#[test]
fn an_action_is_on_devices_or_on_the_sims_in_them_whatever_names_them() {
    let (reset, scrap) = (json!({"resetConnectivity": {"data": true}}), json!({"deleteSims": {}}));
    let list = json!({"sims": {"list": ["8988303000000010001"]}});
    let range = json!({"from": "8988303000000010000", "to": "8988303000000010001"});
    let selected = json!({"sims": {"selector": {"iccidRanges": [range]}}});
    for sims in [&list, &selected, &json!({"tag": "roof"}), &json!({"endpoints": [{"id": "1"}]})] {
        assert_eq!(targets_of(&reset, sims).unwrap(), [Id::Int(1)], "the device: {sims}");
        assert_eq!(targets_of(&scrap, sims).unwrap(), [Id::Int(7)], "the SIM in it: {sims}");
    }
    assert_eq!(targets_of(&scrap, &json!({"tag": "cellar"})).unwrap(), [], "there is no SIM in the device");
    let other = json!({"from": "8988303000000010002", "to": "8988303000000010003"});
    let none = json!({"sims": {"selector": {"iccidRanges": [other]}}});
    assert_eq!(targets_of(&scrap, &none).unwrap(), []);
    let missing = json!({"sims": {"list": ["8988303000000010001", "8988303000000010002"]}});
    assert_eq!(targets_of(&scrap, &missing).unwrap_err().path, "target.sims.list[1]");
    let activate = json!({"setState": {"sim": "Activated"}});
    assert_eq!(targets_of(&activate, &list).unwrap(), [Id::Int(7)], "also where no device holds it");
}

#[test]
fn euiccs_go_by_their_eids_and_other_objects_by_a_reference() {
    let audit = json!({"euicc": {"action": "Audit"}});
    assert_eq!(targets_of(&audit, &json!({"euiccs": [EID]})).unwrap(), [Id::parse(EID)]);
    assert_eq!(targets_of(&audit, &json!({"endpoints": [{"id": "1"}]})).unwrap(), [Id::Int(7)]);
    for (action, member) in [
        ("restartDataStream", "dataStream"),
        ("retryCloudConnect", "cloudConnect"),
        ("removeQuotas", "serviceProfile"),
        ("resetMfa", "user"),
    ] {
        let parameters = if action == "removeQuotas" { json!({"kind": "Sms"}) } else { json!({}) };
        let action = json!({action: parameters});
        let ids = |reference: Value| targets_of(&action, &json!({member: reference}));
        assert_eq!(ids(json!({"id": "9"})).unwrap(), [Id::Int(9)], "{member}");
        assert_eq!(ids(json!({"name": "one"})).unwrap(), [Id::Int(2)], "{member}");
        assert!(targets_of(&action, &json!({"tag": "roof"})).is_err(), "{member}");
        let spec = json!({"target": {member: {"name": "one"}}, "action": action});
        let named = with(1, |world| operation(spec).display_name(&Id::Int(2), world));
        assert_eq!(named.as_deref(), Some("one"));
    }
    let stream = json!({"dataStream": {"id": "ds00000ax"}});
    let ids = targets_of(&json!({"restartDataStream": {}}), &stream).unwrap();
    assert_eq!(ids, [Id::Text("ds00000ax".into())], "their ids are texts");
    let bought = operation(json!({"action": {"assignInclusiveVolume": {"id": "82"}}}));
    let ids = with(1, |world| bought.targets(&Inputs::default(), world)).unwrap();
    assert_eq!(ids, [Id::Int(82)], "the volume is what it is about");
}

fn prepared_where(field: &'static str, action: &Value, target: i64) -> Result<Call, Outcome> {
    let operation = operation(json!({"target": {"tag": "roof"}, "action": action}));
    managed(Some(field), 1, |world| operation.prepare(&Id::Int(target), &Inputs::default(), world))
}

#[test]
fn what_a_manifest_sets_is_left_to_it_and_named() {
    let migrate = json!({"migrateSims": {"targetWorkspace": {"id": "1002"}}});
    for (action, target, field) in [
        (json!({"blockCurrentOperator": {}}), 1, "/operatorBlocklist"),
        (json!({"unblockOperators": {"all": true}}), 1, "/operatorBlocklist"),
        (json!({"setState": {"enabled": false}}), 1, "/enabled"),
        (json!({"setState": {"sim": "Suspended"}}), 1, "/sim/state"),
        (json!({"deleteSims": {}}), 7, "/sim"),
        (migrate, 7, "/sim"),
    ] {
        let left = prepared_where(field, &action, target).unwrap_err();
        let named = format!("spec{} of Endpoint ns/one", field.replace('/', "."));
        assert!(
            matches!(&left, Outcome::Skipped { reason: reason::MANAGED_ELSEWHERE, message } if message.contains(&named)),
            "{action}: {left:?}"
        );
        assert!(prepared_where("/name", &action, target).is_ok(), "{action}: it changes no name");
    }
    let enable = json!({"setState": {"enabled": false}});
    assert!(prepared_where("/sim/state", &enable, 1).is_ok(), "another field is another matter");
    let deleted = prepared_where("/state", &json!({"deleteSims": {}}), 7);
    assert!(deleted.is_err(), "a Sim that sets its state wants it to be there");
}

#[test]
fn a_sim_goes_only_where_emnify_lets_it() {
    let to = |state: &str, more: Value| {
        let mut set = json!({"sim": state});
        set.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        json!({"setState": set})
    };
    let suspend = to("Suspended", json!({}));
    assert!(prepared(&suspend, status::ACTIVATED, 1).is_ok());
    let skipped = |action: &Value, have: i64, target: i64| match prepared(action, have, target) {
        Err(Outcome::Skipped { reason, .. }) => Some(reason),
        _ => None,
    };
    assert_eq!(skipped(&suspend, status::ISSUED, 1), Some(reason::INVALID_SPEC), "only activated ones");
    assert_eq!(skipped(&suspend, status::FACTORY_TEST, 1), Some(reason::FACTORY_TEST));
    let consent = to("Suspended", json!({"acknowledgeFactoryTestEnd": true}));
    assert!(prepared(&consent, status::FACTORY_TEST, 1).is_ok());
    assert_eq!(skipped(&to("Activated", json!({})), 1, 2), Some(reason::NOT_FOUND), "it has no SIM");
    let off = json!({"setState": {"enabled": true}});
    assert_eq!(
        skipped(&off, status::FACTORY_TEST, 2),
        None,
        "its SIM, and not another one's, is in Factory Test"
    );
    let both = json!({"target": {"sims": {"list": ["8988303000000010001"]}}, "action": {"setState": {"enabled": true}}});
    let alone = with(1, |world| operation(both).prepare(&Id::Int(8), &Inputs::default(), world));
    assert!(
        matches!(alone, Err(Outcome::Skipped { reason: reason::NOT_FOUND, .. })),
        "a SIM in no device is not enabled: {alone:?}"
    );
}

#[test]
fn what_cannot_be_read_fails_its_targets_and_sends_nothing() {
    let invalid = |action: Value| {
        let failed = prepared(&action, 1, 1).unwrap_err();
        assert!(
            matches!(failed, Outcome::Failed { reason: reason::INVALID_SPEC, .. }),
            "{action}: {failed:?}"
        );
    };
    invalid(json!({"extendTrafficLimit": {"volume": "1.0000001k"}}));
    invalid(json!({"unblockOperators": {"operators": [{"name": "nobody"}]}}));
    invalid(json!({"simOperation": {"action": "Link"}}));
    invalid(json!({"verifyRecipient": {"tokenSecretRef": {"name": "mail", "key": "token"}}}));
    let (from, until) = ("2027-02-01T00:00:00Z", "2027-01-01T00:00:00Z");
    invalid(json!({"assignInclusiveVolume": {"id": "82", "startDate": from, "endDate": until}}));
    invalid(json!({"assignInclusiveVolume": {"id": "82", "startDate": "2027-02-30T00:00:00Z"}}));
    let by_id = json!({"unblockOperators": {"operators": [{"id": "4"}]}});
    assert!(prepared(&by_id, 1, 1).is_ok());
}

#[test]
fn an_euicc_is_told_of_a_profile_as_it_is_printed_and_of_no_secret() {
    let tell = json!({"euicc": {"action": "EnableProfile", "profile": "8988303000000010002"}});
    let spec = json!({"target": {"euiccs": [EID]}, "action": tell});
    let mut from = Inputs::default();
    from.put("action.euicc.action", Id::Int(2));
    let call = with(1, |world| operation(spec).prepare(&Id::parse(EID), &from, world)).unwrap();
    assert!(format!("{call:?}").contains("89883030000000100021"), "with its check digit: {call:?}");
    let by_sim = json!({"target": {"tag": "roof"}, "action": tell});
    let bare = with(1, |world| operation(by_sim).prepare(&Id::Int(7), &from, world));
    assert!(
        matches!(bare, Err(Outcome::Skipped { reason: reason::NOT_FOUND, .. })),
        "the SIM is on no eUICC: {bare:?}"
    );
}

#[test]
fn a_text_from_a_secret_is_filled_and_never_printed() {
    let spec = json!({"target": {"tag": "roof"}, "action": {"sendSms": {"payloadSecretRef": {"name": "apn", "key": "text"}}}});
    let prepared = |from: &Inputs| with(1, |world| operation(spec.clone()).prepare(&Id::Int(1), from, world));
    let missing = prepared(&Inputs::default());
    assert!(matches!(missing, Err(Outcome::Failed { reason: reason::INVALID_SPEC, .. })), "{missing:?}");
    let holds = |text: &str| {
        let mut from = Inputs::default();
        from.put_secret(
            "action.sendSms.payloadSecretRef",
            SecretValue::new(text.to_owned().into(), "digest"),
        );
        prepared(&from)
    };
    let message = holds("PW=hush {name}");
    assert!(message.is_ok() && !format!("{message:?}").contains("hush"), "{message:?}");
    let braced = holds("PW={hush}");
    assert!(braced.is_err() && !format!("{braced:?}").contains("hush"), "{braced:?}");
    let long = holds(&format!("hush{}", "x".repeat(160)));
    assert!(long.is_err() && !format!("{long:?}").contains("hush"), "{long:?}");
}

#[test]
fn what_only_a_person_may_do_is_not_sent_for_an_application() {
    for action in [json!({"migrateSims": {"targetWorkspace": {"id": "1002"}}}), json!({"resetMfa": {}})] {
        let operation = operation(json!({"action": action}));
        let (members, pool) = (devices(), sims(1));
        let mut world = World {
            members: &members,
            pool: &pool,
            here: &Namespace(None),
            text: None,
            begun: false,
            own_users: Vec::new(),
            as_user: false,
        };
        let refused = operation.prepare(&Id::Int(7), &Inputs::default(), &world);
        assert!(
            matches!(refused, Err(Outcome::Failed { reason: reason::USER_CREDENTIALS_NEEDED, .. })),
            "{action}: {refused:?}"
        );
        world.as_user = true;
        assert!(operation.prepare(&Id::Int(7), &Inputs::default(), &world).is_ok(), "{action}");
    }
}

#[test]
fn quotas_of_a_profile_concern_its_devices() {
    let remove =
        json!({"target": {"serviceProfile": {"id": "0"}}, "action": {"removeQuotas": {"kind": "Data"}}});
    let (profile, others) = (Id::Int(0), Id::Int(5));
    with(1, |world| {
        let operation = operation(remove.clone());
        assert_eq!(operation.disturbs(&profile, world), Some(2), "the guard hears of every device");
        assert_eq!(operation.disturbs(&others, world), Some(0));
        let concerns = operation.concerns(&profile, world);
        let expected = [("ServiceProfile", Id::Int(0)), ("Endpoint", Id::Int(1)), ("Endpoint", Id::Int(2))];
        assert_eq!(concerns, expected, "another namespace's device among them, and it is left alone");
        assert!(operation.prepare(&profile, &Inputs::default(), world).is_ok());
    });
    for (field, left) in [("/quota/data", true), ("/template/quota/data", true), ("/quota/sms", false)] {
        let prepared = managed(Some(field), 1, |world| {
            operation(remove.clone()).prepare(&profile, &Inputs::default(), world)
        });
        assert_eq!(prepared.is_err(), left, "{field}: {prepared:?}");
    }
}

#[test]
fn the_schema_says_which_target_an_action_takes() {
    let fits = |spec: Value| {
        let object = Operation::new("op", serde_json::from_value(spec.clone()).unwrap());
        object.validate_cel().is_ok()
    };
    let reset = json!({"resetConnectivity": {"data": true}});
    assert!(fits(json!({"target": {"tag": "a"}, "action": reset})));
    assert!(!fits(json!({"action": reset})), "for nobody");
    assert!(!fits(json!({"target": {"euiccs": [EID]}, "action": reset})));
    assert!(fits(json!({"target": {"euiccs": [EID]}, "action": {"euicc": {"action": "Audit"}}})));
    assert!(!fits(json!({"target": {"user": {"id": "1"}}, "action": reset})));
    assert!(!fits(json!({"target": {"tag": "a"}, "action": {"resetMfa": {}}})));
    assert!(fits(json!({"target": {"user": {"id": "1"}}, "action": {"resetMfa": {}}})));
    let volume = json!({"assignInclusiveVolume": {"id": "82"}});
    assert!(fits(json!({"action": volume})));
    assert!(!fits(json!({"target": {"tag": "a"}, "action": volume})));
    let euicc = |value: Value| EuiccOperation::validate_cel(&value, None).is_ok();
    let code = json!({"name": "code", "key": "code"});
    assert!(!euicc(json!({"action": "EnableProfile"})), "which one?");
    assert!(euicc(json!({"action": "DownloadProfile", "activationCodeSecretRef": code})));
    assert!(!euicc(json!({"action": "Audit", "activationCodeSecretRef": code})));
    assert!(UnblockOperators::validate_cel(&json!({}), None).is_err());
    assert!(SetState::validate_cel(&json!({}), None).is_err());
    let sims = |value: Value| SimTargets::validate_cel(&value, None).is_ok();
    assert!(!sims(json!({})) && sims(json!({"list": ["8988303000000010001"]})));
}

/// What targets of these SIMs are, where the text of the `ConfigMap` is this one.
fn of_text(text: Option<&str>, sims: &Value, begun: bool) -> Result<Vec<Id>, Invalid> {
    let operation = operation(json!({"target": {"sims": sims}, "action": {"deleteSims": {}}}));
    with(1, |world| {
        let own_users = Vec::new();
        let world = World { text, begun, own_users, as_user: true, ..*world };
        operation.targets(&Inputs::default(), &world)
    })
}

#[test]
fn sims_may_be_written_in_a_config_map() {
    let from = json!({"configMapRef": {"name": "scrap", "key": "iccids"}});
    let operation = operation(json!({"target": {"sims": from}, "action": {"deleteSims": {}}}));
    let named = operation.text().map(|text| (text.config_map, text.key));
    assert_eq!(named, Some(("scrap".to_owned(), "iccids".to_owned())));
    let text = "# returned\n8988303000000010001, 8988303000000010001\n";
    assert_eq!(of_text(Some(text), &from, false).unwrap(), [Id::Int(7), Id::Int(7)]);
    let message = |text: Option<&str>| of_text(text, &from, false).unwrap_err().to_string();
    assert!(message(None).contains("no such key"));
    assert!(message(Some("# none\n")).contains("names no SIM"));
    let unknown = message(Some("8988303000000010001\n8988303000000010002\n"));
    assert!(
        unknown.contains("line 2: the organisation has no SIM with ICCID 8988303000000010002"),
        "{unknown}"
    );
}

#[test]
fn who_is_gone_once_it_has_begun_stops_nothing() {
    let list = json!({"list": ["8988303000000010001", "8988303000000010002"]});
    assert!(of_text(None, &list, false).is_err(), "it may be mistyped");
    assert_eq!(of_text(None, &list, true).unwrap(), [Id::Int(7)], "the other one was done, or left");
}

#[test]
fn a_workspace_to_move_to_may_be_named_by_its_object() {
    let there = json!({"workspaceRef": {"name": "there"}});
    let migrate =
        operation(json!({"target": {"tag": "roof"}, "action": {"migrateSims": {"targetWorkspace": there}}}));
    let inputs = migrate.inputs();
    let asked = inputs.iter().find(|input| input.path.ends_with("targetWorkspace.workspaceRef")).unwrap();
    assert!(matches!(&asked.source, Source::Workspace { workspace } if workspace.name == "there"));
    let mut from = Inputs::default();
    assert!(with(1, |world| migrate.prepare(&Id::Int(7), &from, world)).is_err(), "not before it is known");
    from.put(asked.path.clone(), Id::Int(1002));
    let call = with(1, |world| migrate.prepare(&Id::Int(7), &from, world)).unwrap();
    assert!(format!("{call:?}").contains("1002"), "{call:?}");
}
