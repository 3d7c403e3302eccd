use std::collections::BTreeMap;

use emnify_engine::kind::{reason, set::Failure, spec::Provenance};

use crate::kinds::{
    endpoint::rows::{RowSim, status as device},
    endpoint_set::tests::*,
};

fn row(status: i64, sim: i64) -> Row {
    Row { status, sim: Some(RowSim { id: 1, status: Some(sim), ..RowSim::default() }), ..Row::default() }
}

fn news(word: &str) -> Connectivity {
    Connectivity { word: word.into(), ..Connectivity::default() }
}

/// The tally of members that are all in step.
fn tally(members: &[(Row, Option<Connectivity>)]) -> Tally {
    let mut groups: BTreeMap<&'static str, BTreeMap<String, u64>> = BTreeMap::new();
    for (row, news) in members {
        EndpointSet::count(row, news.as_ref(), &mut |group, name| {
            *groups.entry(group).or_default().entry(name.to_owned()).or_default() += 1;
        });
    }
    let count = members.len() as u64;
    Tally { desired: count, current: count, ready: count, groups, ..Tally::default() }
}

fn reported(spec: &Value, tally: &Tally, mut status: EndpointSetStatus) -> EndpointSetStatus {
    set(spec).report(tally, &mut status);
    status
}

#[test]
fn devices_are_counted_by_where_they_are_and_what_their_sim_is() {
    let members = [
        (row(device::ENABLED, sim_status::ACTIVATED), Some(news("ONLINE"))),
        (row(device::ENABLED, sim_status::FACTORY_TEST), Some(news("ONLINE"))),
        (row(device::ENABLED, sim_status::SUSPENDED), Some(news("OFFLINE"))),
        (row(device::DISABLED, sim_status::ACTIVATED), None),
    ];
    let status = reported(&json!({}), &tally(&members), EndpointSetStatus::default());
    assert_eq!(
        (status.desired_replicas, status.replicas, status.ready_replicas),
        (Some(4), Some(4), Some(4))
    );
    assert_eq!(status.available_replicas, Some(2), "disabled or suspended, a device cannot use the network");
    assert_eq!(
        status.connectivity,
        BTreeMap::from([("Offline".into(), 1), ("Online".into(), 2), ("Unknown".into(), 1)])
    );
    assert_eq!(status.sim_states["Activated"], 2);
    assert_eq!((status.held_replicas, status.failed_replicas), (None, None), "nothing to say");
}

#[test]
fn failures_name_the_sim() {
    let failure = Failure { member: iccid(7), reason: reason::REJECTED, message: "no".into() };
    let tally = Tally { failed: 3, failures: vec![failure], ..tally(&[]) };
    let status = reported(&json!({}), &tally, EndpointSetStatus::default());
    assert_eq!(status.failed_replicas, Some(3));
    assert_eq!(
        (status.failures[0].iccid.as_str(), status.failures[0].reason.as_str()),
        (&*iccid(7), "Rejected")
    );
}

#[test]
fn the_selector_is_one_that_can_be_read_and_stays() {
    let status = reported(&json!({}), &tally(&[]), EndpointSetStatus::default());
    assert_eq!(status.label_selector.as_deref(), Some("emnify.io/endpointset-uid=6a1b"));
}

#[test]
fn tags_of_the_template_are_remembered_until_all_members_lost_them() {
    let before = EndpointSetStatus { tags: vec!["roof".into()], ..EndpointSetStatus::default() };
    let spec = json!({"template": {"tags": ["cellar"]}});
    let one = [(row(device::ENABLED, 1), None)];
    let under_way = Tally { ready: 0, ..tally(&one) };
    let status = reported(&spec, &under_way, before);
    assert_eq!(status.tags, ["cellar", "roof"]);
    let memory = set(&spec).memory(Some(&status), true);
    assert_eq!(memory.tags, ["cellar", "roof"], "so the members lose it");
    assert!(set(&json!({})).memory(Some(&status), true).tags.is_empty(), "unset is unmanaged");
    assert_eq!(reported(&spec, &tally(&one), status).tags, ["cellar"]);
}

#[test]
fn an_allowance_is_remembered_once_all_members_have_it() {
    let spec = json!({"template": {"quota": {"data": {"allowance": "1G", "period": "720h"}}}});
    let one = [(row(device::ENABLED, 1), None)];
    let under_way = Tally { ready: 0, ..tally(&one) };
    assert_eq!(reported(&spec, &under_way, EndpointSetStatus::default()).quota, None);
    let settled = reported(&spec, &tally(&one), EndpointSetStatus::default());
    let memory = set(&spec).memory(Some(&settled), true);
    assert_eq!(
        memory.quota.unwrap().data.unwrap().allowance,
        "1000",
        "what is used of it or added in the portal is no reason to give it anew"
    );
    let gone = json!({"template": {}});
    assert!(reported(&gone, &under_way, settled.clone()).quota.is_some(), "until all members lost it");
    assert_eq!(reported(&gone, &tally(&one), settled).quota, None);
}

#[test]
fn members_remember_who_made_them_and_whose_the_sim_state_is() {
    let spec = json!({"template": {"sim": {"state": "Activated"}}});
    let made = set(&spec).memory(None, true);
    assert_eq!(made.common.provenance, Some(Provenance::Created));
    assert_eq!(made.sim.unwrap().managed, Some(true), "so it is suspended on the way out");
    let adopted = set(&json!({})).memory(None, false);
    assert_eq!(adopted.common.provenance, Some(Provenance::Adopted));
    assert_eq!(adopted.sim, None);
}

#[test]
fn a_blocked_device_holds_the_rollout() {
    let row = row(device::ENABLED, sim_status::ACTIVATED);
    assert!(EndpointSet::available(&row, None) && EndpointSet::available(&row, Some(&news("OFFLINE"))));
    assert!(!EndpointSet::available(&row, Some(&news("BLOCKED"))));
}
