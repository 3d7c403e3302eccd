use emnify_engine::kind::{Change, Have, Inputs, Managed};
use jiff::Timestamp;
use kube::{CustomResourceExt, core::object::HasSpec};
use serde_json::json;

use super::{
    Sim, SimSpec, SimState, SimStatus,
    diff::diff,
    euicc::{News, OnEuicc},
    rows::{Row, SetState},
    state::status,
    state_claim,
};
use crate::kinds::laws::kind_laws;

const ICCID: &str = "8988303000000010140";

fn sim(change: impl FnOnce(&mut SimSpec)) -> Sim {
    let mut object = Sim::new("a", SimSpec { iccid: Some(ICCID.into()), ..SimSpec::default() });
    change(object.spec_mut());
    object
}

fn row(status: i64) -> Row {
    Row { id: 7, iccid: Some(ICCID.into()), status, ..Row::default() }
}

fn keys(row: &Row) -> Vec<String> {
    let mut keys = Vec::new();
    Sim::keys(row, &mut |key| keys.push(format!("{}={}", key.name, key.value)));
    keys
}

kind_laws!(
    Sim,
    there: (row(status::FACTORY_TEST), ()),
    inputs: Inputs::default(),
    bare: json!({"iccid": ICCID}),
    others: [
        json!({"iccid": ICCID, "state": "Activated"}),
        json!({"iccid": ICCID, "state": "Suspended", "acknowledgeFactoryTestEnd": true}),
    ],
);

#[test]
fn exactly_one_number_names_a_sim() {
    assert!(sim(|_| ()).validate_cel().is_ok());
    assert!(sim(|spec| spec.iccid = None).validate_cel().is_err(), "none");
    assert!(sim(|spec| spec.imsi = Some("901430000000001".into())).validate_cel().is_err(), "two");
}

#[test]
fn twenty_digits_find_the_sim_that_emnify_keys_by_nineteen() {
    let check = (0..10)
        .find(|digit| {
            sim(|spec| spec.iccid = Some(format!("{ICCID}{digit}").into())).want(&Inputs::default()).is_ok()
        })
        .expect("one digit is the check digit");
    let want =
        sim(|spec| spec.iccid = Some(format!("{ICCID}{check}").into())).want(&Inputs::default()).unwrap();
    let find = Sim::find(&want, None);
    assert_eq!(find[0].key().value, ICCID);
    assert!(
        keys(&row(0)).contains(&format!("{}={}", find[0].key().name, ICCID)),
        "the index has the same key"
    );
}

#[test]
fn a_mistyped_iccid_is_refused_by_name() {
    let invalid = sim(|spec| spec.iccid = Some("123".into())).want(&Inputs::default()).unwrap_err();
    assert_eq!(invalid.path, "iccid");
}

#[test]
fn a_sim_is_never_made_and_never_retired() {
    let want = sim(|_| ()).want(&Inputs::default()).unwrap();
    assert_eq!(Sim::create(&want, None), None);
    assert!(keys(&row(status::DELETED)).is_empty(), "a deleted SIM cannot be adopted");
}

#[test]
fn an_unset_state_is_left_alone() {
    let want = sim(|_| ()).want(&Inputs::default()).unwrap();
    for state in 0..5 {
        let diff = diff(&want, &row(state), true, Timestamp::UNIX_EPOCH);
        assert!(diff.changes.is_empty() && diff.illegal.is_none() && diff.reported.is_empty());
    }
    assert!(Sim::claims(&want, Some(&row(0))).is_empty(), "and the right to set it is free");
}

#[test]
fn a_wanted_state_is_set_reported_or_refused() {
    let want = sim(|spec| spec.state = Some(SimState::Activated)).want(&Inputs::default()).unwrap();
    let edit = diff(&want, &row(status::SUSPENDED), true, Timestamp::UNIX_EPOCH);
    assert_eq!(edit.changes, [SetState { from: status::SUSPENDED, to: SimState::Activated }]);
    assert_eq!(edit.changes[0].to_string(), "state: Suspended -> Activated");
    let drift = diff(&want, &row(status::SUSPENDED), false, Timestamp::UNIX_EPOCH);
    assert!(drift.changes.is_empty(), "a SIM is not activated as drift");
    assert_eq!(drift.reported[0].to_string(), "state: Suspended -> Activated", "but it is told");
    let want = sim(|spec| spec.state = Some(SimState::Suspended)).want(&Inputs::default()).unwrap();
    let refused = diff(&want, &row(status::ISSUED), true, Timestamp::UNIX_EPOCH)
        .illegal
        .expect("there is no such transition");
    assert_eq!(refused.path, "state");
    assert!(
        diff(&want, &row(status::ACTIVATED), false, Timestamp::UNIX_EPOCH).changes[0].class().urgent,
        "suspension stops costs"
    );
    assert_eq!(Sim::claims(&want, Some(&row(0))), [state_claim(7)]);
}

#[test]
fn a_bound_sim_does_not_become_another_one() {
    let want = sim(|spec| {
        spec.iccid = Some("8988303000000010157".into());
        spec.state = Some(SimState::Suspended);
    })
    .want(&Inputs::default())
    .unwrap();
    let diff = diff(&want, &row(status::ACTIVATED), true, Timestamp::UNIX_EPOCH);
    assert!(diff.changes.is_empty(), "the wrong SIM is not suspended");
    assert_eq!(diff.immutable[0].path, "iccid");
}

#[test]
fn the_crd_has_the_rules() {
    let crd = serde_json::to_string(&Sim::crd()).unwrap();
    assert!(crd.contains("set exactly one of iccid, eid, imsi") && crd.contains("emsim"));
}

fn on_an_euicc(state: &str) -> OnEuicc {
    OnEuicc { eid: "8904".into(), state: Some(state.into()), fallback: Some(false), polled: None }
}

/// The status after a look at a SIM of an eUICC of which so much is told.
fn reported(object: &Sim, row: Row, told: Option<&News>, before: &SimStatus) -> SimStatus {
    let have = Have { row: row.into(), parts: ().into(), output: None };
    let mut status = before.clone();
    object.report(&have, told, &mut status);
    status
}

#[test]
fn what_was_told_of_the_euicc_stays_until_something_else_is_told() {
    let (object, row) = (sim(|_| ()), Row { eid: Some("8904".into()), ..row(1) });
    let known = reported(&object, row.clone(), Some(&Some(on_an_euicc("Enabled"))), &SimStatus::default());
    assert_eq!(known.euicc.as_ref().and_then(|euicc| euicc.profile.as_deref()), Some("Enabled"));
    let unread = reported(&object, row.clone(), None, &known);
    assert_eq!(unread.euicc, known.euicc, "an earlier process read it");
    let gone = reported(&object, row.clone(), Some(&None), &known);
    assert_eq!(gone.euicc, None, "emnify shows none any more");
    let another = Row { iccid: Some("8988303000000010157".into()), ..row };
    assert_eq!(reported(&object, another, None, &known).euicc, None, "it was another SIM's");
    let plain = Row { eid: None, ..self::row(1) };
    assert_eq!(reported(&object, plain, None, &known).euicc, None, "a SIM without an EID is on none");
}
