//! Members that are no longer wanted.

use super::case::{Case, device};
use crate::{kind::spec::DeletionPolicy, set::rollout::Next, toy::ToyChange};

#[test]
fn the_newest_go_first_and_step_by_step() {
    let mut case = Case::settled(1..=3);
    case.leaving(12..=13, true);
    let mut calls = Vec::new();
    for _ in 0..4 {
        let sent = case.send();
        calls.push((sent.chips()[0], sent.all(|change| matches!(change, ToyChange::Delete))));
        case.done(&sent);
    }
    assert_eq!(calls, [(-13, false), (-13, true), (-12, false), (-12, true)], "disabled, then deleted");
    assert!(matches!(case.next(), Next::Rest));
    assert!(case.roster.departures.is_empty());
    assert_eq!(case.roster.slots.len(), 1);
}

#[test]
fn what_was_adopted_is_let_go_and_not_deleted() {
    let mut case = Case::settled(1..=2);
    case.put(device(12, 2, "[k8s prod/ns/h]"));
    case.leaving(12..=12, false);
    case.allows = 0;
    let sent = case.send();
    assert!(sent.all(|change| matches!(change, ToyChange::Mark(mark) if mark.is_empty())));
    case.done(&sent);
    assert!(matches!(case.next(), Next::Rest));
    assert!(case.roster.departures.is_empty(), "without the mark it is nobody's");
}

#[test]
fn the_deletion_policy_decides_over_where_a_member_came_from() {
    let mut case = Case::settled(1..=2);
    case.leaving(12..=12, true);
    case.common.deletion_policy = Some(DeletionPolicy::Orphan);
    assert!(case.send().all(|change| matches!(change, ToyChange::Mark(_))), "orphans are let go");
    let mut case = Case::settled(1..=2);
    case.put(device(12, 2, "[k8s prod/ns/h]"));
    case.leaving(12..=12, false);
    case.common.deletion_policy = Some(DeletionPolicy::Delete);
    assert!(case.send().all(|change| matches!(change, ToyChange::State(1))), "retired though it was adopted");
}

#[test]
fn members_are_brought_up_before_others_go() {
    let mut case = Case::settled(1..=2);
    case.leaving(12..=12, true);
    case.intent = Some(super::NOW);
    case.forget(11);
    assert!(case.send().all(|change| matches!(change, ToyChange::Create(_))));
}

#[test]
fn a_tripped_guard_keeps_them() {
    let mut case = Case::settled(1..=3);
    case.leaving(12..=13, true);
    case.allows = 1;
    let next_call = case.next_call();
    assert!(matches!(next_call.next, Next::Rest));
    assert_eq!(case.asked.get(), 2, "members are counted once, however many calls each takes");
}

#[test]
fn what_an_interrupted_create_made_is_read_before_the_set_goes() {
    let mut case = Case::new(1..=1);
    case.put(device(11, 1, ""));
    case.doubt(11..=11);
    assert!(matches!(case.plan_deletion(), Next::Read(id) if id == 11.into()), "it may be ours");
    case.intent = None;
    assert!(matches!(case.plan_deletion(), Next::Rest), "without an intent nothing of ours is unknown");
}
