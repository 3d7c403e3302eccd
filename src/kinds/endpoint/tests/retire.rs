use std::sync::Arc;

use emnify_engine::kind::{Have, Key, Managed};

use crate::kinds::{
    endpoint::{
        EndpointSimStatus,
        diff::{assume, retire, step_aside},
        rows::{Parts, key},
        tests::*,
    },
    sim::state::status as sim_status,
};

const SUSPEND: &str = "sim.state: Activated -> Suspended";
const DISABLE: &str = "enabled: true -> false";
const RELEASE: &str = "sim: 70 -> none";

fn ours() -> EndpointStatus {
    let sim = EndpointSimStatus { id: "70".into(), managed: Some(true), ..EndpointSimStatus::default() };
    EndpointStatus { sim: Some(sim), ..created() }
}

fn enabled(sim_status: i64) -> Row {
    Row { status: status::ENABLED, ..row(sim_status) }
}

fn steps(row: &Row, status: &EndpointStatus) -> Vec<String> {
    lines(&retire(row, memory(status, false)))
}

#[test]
fn a_sim_whose_state_is_ours_is_suspended_and_goes_with_the_device() {
    assert_eq!(
        steps(&enabled(sim_status::ACTIVATED), &ours()),
        [SUSPEND, DISABLE, "release the SIM and delete"]
    );
}

#[test]
fn a_sim_whose_state_is_not_ours_is_released_as_it_is() {
    assert_eq!(steps(&enabled(sim_status::ACTIVATED), &created()), [DISABLE, RELEASE, "delete"]);
}

#[test]
fn only_an_activated_sim_is_suspended() {
    assert_eq!(steps(&enabled(sim_status::ISSUED), &ours()), [DISABLE, RELEASE, "delete"]);
    assert_eq!(steps(&enabled(sim_status::SUSPENDED), &ours()), [DISABLE, "release the SIM and delete"]);
}

#[test]
fn a_factory_test_is_not_ended_by_retiring_the_device() {
    let steps = steps(&enabled(sim_status::FACTORY_TEST), &ours());
    assert_eq!(steps, [RELEASE, DISABLE, "delete"], "the device's status changes only after the SIM left");
}

#[test]
fn every_step_is_resumed_by_what_is_still_true() {
    for start in [sim_status::ISSUED, sim_status::ACTIVATED, sim_status::SUSPENDED, sim_status::FACTORY_TEST]
    {
        let mut row = enabled(start);
        let all = retire(&row, memory(&ours(), false));
        for (done, change) in all.iter().enumerate() {
            assert_eq!(retire(&row, memory(&ours(), false)), all[done..], "after {done} steps from {start}");
            assume(change, &mut row, &mut Parts::default());
        }
        assert!(row.is_tombstone());
    }
}

#[test]
fn a_device_steps_aside_with_its_address() {
    let at = |address: &str| Row {
        space: Some(31),
        address: Some(address.into()),
        ..enabled(sim_status::ACTIVATED)
    };
    let aside = |row: &Row, taken: &[&str]| {
        let taken: Vec<_> = taken.iter().map(|address| format!("31/{address}")).collect();
        let change = step_aside(row, &|key| !taken.contains(&key.value));
        change.map(|change| lines(&[change]).join("; "))
    };
    let line = |to: &str| Some(format!("ipAddress: 10.192.0.20 -> {to}; ipAddressSpace: 31 -> 31"));
    assert_eq!(aside(&at("10.192.0.20"), &[]), line("10.192.0.21"));
    assert_eq!(aside(&at("10.192.0.20"), &["10.192.0.21", "10.192.0.22"]), line("10.192.0.23"));
    let last = aside(&at("10.192.0.255"), &[]).unwrap();
    assert!(last.contains("10.192.0.254"), "the last of a /24 may be a host of a larger network: {last}");
    assert_eq!(aside(&enabled(sim_status::ACTIVATED), &[]), None, "it has none");
}

#[test]
fn a_device_lets_go_of_its_sim_for_another_and_of_nothing_else() {
    let have = |row: Row| Have { row: Arc::new(row), parts: Arc::default(), output: None };
    let vacate = |row: Row, key: &'static str| Endpoint::vacate(&have(row), &Key::new(key, "70"), &|_| true);
    let change = vacate(enabled(sim_status::ACTIVATED), key::SIM).expect("it has a SIM");
    assert_eq!(lines(&[change]), [RELEASE]);
    assert_eq!(vacate(Row { sim: None, ..enabled(sim_status::ACTIVATED) }, key::SIM), None);
    assert_eq!(
        vacate(enabled(sim_status::ACTIVATED), key::ADDRESS),
        None,
        "emnify cannot take an address away"
    );
}
