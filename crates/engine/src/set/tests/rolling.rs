//! How fast changes reach the members.

use std::time::Duration;

use emnify::Lane;

use super::case::{self, Case, device};
use crate::{
    decide::roster::MemberState, kind::set::Activations, session::guard::Tripped, set::rollout::Next,
    toy::ToyChange,
};

/// An edit that disturbs everybody.
fn disable(case: &mut Case) {
    case.state = Some(1);
    case.edit();
}

#[test]
fn so_many_are_disturbed_at_once_and_the_next_follow_when_those_are_well() {
    let mut case = Case::settled(1..=5);
    case.rollout.max_unavailable = Some(2);
    case.rollout.min_ready = Duration::from_secs(30);
    disable(&mut case);
    // states of toys go one by one
    for chip in 1..=2 {
        let sent = case.send();
        assert_eq!(sent.chips(), [chip]);
        case.done(&sent);
    }
    assert!(matches!(case.next(), Next::Rest), "two are out, so the third waits");
    assert_eq!(case.wake(), Some(case::later(30)));
    case.now = case::later(31);
    assert_eq!(case.send().chips(), [3], "they were well for long enough");
}

#[test]
fn a_member_whose_update_is_refused_counts_as_unavailable() {
    let mut case = Case::settled(1..=3);
    case.rollout.max_unavailable = Some(1);
    disable(&mut case);
    let sent = case.send();
    assert_eq!(sent.chips(), [1]);
    case.refuse(1, &ToyChange::State(1));
    case.roster.doubt_all();
    case.now = case::later(3_600);
    assert!(matches!(case.next(), Next::Rest), "a bad template stops at the first member");
}

#[test]
fn what_disturbs_nobody_goes_at_once() {
    let mut case = Case::settled(1..=3);
    case.rollout.max_unavailable = Some(1);
    case.prefix = "new";
    case.edit();
    let mut renamed = 0;
    for _ in 0..3 {
        let sent = case.send();
        assert!(sent.all(|change| matches!(change, ToyChange::Rename(..))));
        renamed += sent.chips().len();
        case.done(&sent);
    }
    assert_eq!(renamed, 3);
}

#[test]
fn the_first_in_order_are_left_as_they_are() {
    let mut case = Case::settled(1..=3);
    case.rollout.partition = 2;
    case.prefix = "new";
    case.edit();
    assert_eq!(case.send().chips(), [3]);
    assert_eq!(case.stands(), [MemberState::Partitioned, MemberState::Partitioned, MemberState::Quiet]);
}

#[test]
fn members_behind_the_partition_are_still_brought_up() {
    let mut case = Case::new(1..=2);
    case.rollout.partition = 2;
    assert_eq!(case.send().chips(), [1, 2]);
    case.put(device(11, 1, ""));
    assert!(case.send().all(|change| matches!(change, ToyChange::Mark(_))), "and marked");
}

#[test]
fn activations_are_limited_per_window() {
    let mut case = Case::new(1..=5);
    let window = Duration::from_secs(60);
    case.rollout.max_activations = Some(Activations { members: 2, window });
    assert_eq!(case.send().chips(), [1, 2]);
    assert!(matches!(case.next(), Next::Rest), "the window is used up");
    assert_eq!(case.wake(), Some(case::later(60)));
    case.now = case::later(60);
    assert_eq!(case.send().chips(), [1, 2], "none of them was made, so they are first again");
}

#[test]
fn the_guard_is_asked_for_all_of_them_before_the_first() {
    let mut case = Case::settled(1..=4);
    disable(&mut case);
    case.allows = 3;
    let next_call = case.next_call();
    assert!(matches!(next_call.next, Next::Rest), "one is too many, so none goes");
    assert_eq!((case.asked.get(), next_call.tripped), (4, Some(Tripped::of_three())));
    case.allows = 4;
    let sent = case.send();
    assert_eq!(sent.chips(), [1]);
    case.done(&sent);
    case.next_call();
    assert_eq!(case.asked.get(), 3, "who was sent is not asked for again");
}

#[test]
fn a_tripped_guard_holds_up_nothing_that_disturbs_nobody() {
    let mut case = Case::settled(1..=2);
    case.put(device(11, 1, "made [k8s prod/ns/h]").display_name("portal"));
    case.allows = 0;
    disable(&mut case);
    assert!(case.send().all(|change| matches!(change, ToyChange::Rename(..))));
}

#[test]
fn lanes_say_how_urgent_it_is() {
    assert_eq!(Case::new(1..=1).next_call().lane, Lane::Create);
    let mut case = Case::settled(1..=1);
    case.put(device(11, 1, "made [k8s prod/ns/h]").display_name("portal"));
    assert_eq!(case.next_call().lane, Lane::Repair, "drift is not waited for");
    disable(&mut case);
    case.put(device(11, 1, "made [k8s prod/ns/h]"));
    assert_eq!(case.next_call().lane, Lane::Interactive, "somebody waits for an edit");
    let mut case = Case::settled(1..=2);
    case.put(crate::toy::ToyRow { status: 1, ..device(12, 2, "made [k8s prod/ns/h]") });
    case.leaving(12..=12, true);
    assert_eq!(case.next_call().lane, Lane::Safety, "deletion stops costs");
}
