//! Whose a member is: marks, adoption, rivals.

use super::case::{Case, device};
use crate::{
    decide::roster::{MemberKey, MemberState},
    kind::{reason, spec::AdoptionPolicy},
    set::rollout::Next,
    toy::ToyChange,
};

fn fails(case: &mut Case, why: &str) {
    case.next();
    assert_eq!(case.stands(), [MemberState::Failed]);
    assert_eq!(case.roster.failures[&MemberKey::Wanted(1)].failure.reason, why);
}

#[test]
fn what_exists_is_taken_over_only_if_the_policy_says_so() {
    let mut case = Case::new(1..=1);
    case.put(device(11, 1, "").old());
    fails(&mut case, reason::ALREADY_EXISTS);
    case.common.adoption_policy = Some(AdoptionPolicy::IfUnowned);
    let sent = case.send();
    assert!(
        sent.all(|change| matches!(change, ToyChange::Mark(mark) if mark == "[k8s prod/ns/h]")),
        "it is marked as a member and not as made by us"
    );
}

#[test]
fn what_others_marked_is_taken_over_only_by_force() {
    for mark in ["[k8s prod/ns/other]", "made [k8s prod/ns/other]", "[k8s elsewhere/ns/h]"] {
        let mut case = Case::new(1..=1);
        case.put(device(11, 1, mark));
        case.common.adoption_policy = Some(AdoptionPolicy::IfUnowned);
        fails(&mut case, reason::OWNERSHIP_CONFLICT);
        case.common.adoption_policy = Some(AdoptionPolicy::Force);
        assert_eq!(case.send().chips(), [1], "{mark}");
    }
}

#[test]
fn an_unmarked_device_that_appeared_since_our_intent_is_ours_only_if_it_looks_so() {
    let mut case = Case::new(1..=1);
    case.put(device(11, 1, "").display_name("a stranger's"));
    fails(&mut case, reason::ALREADY_EXISTS);
    let mut case = Case::new(1..=1);
    case.put(device(11, 1, ""));
    case.intent = None;
    fails(&mut case, reason::ALREADY_EXISTS);
    let mut case = Case::new(1..=1);
    case.put(device(11, 1, ""));
    assert_eq!(case.send().chips(), [1]);
    assert!(case.roster.slots[0].made);
}

#[test]
fn a_member_that_lost_its_marks_stays_a_member() {
    let mut case = Case::settled(1..=1);
    case.put(device(11, 1, ""));
    let sent = case.send();
    assert!(
        sent.all(|change| matches!(change, ToyChange::Mark(mark) if mark == "made [k8s prod/ns/h]")),
        "losing marks is doubt, not loss of ownership"
    );
}

#[test]
fn a_rival_with_the_better_right_keeps_its_device_and_the_others_go_on() {
    let mut case = Case::new(1..=2);
    case.rivals = vec![1];
    assert_eq!(case.send().chips(), [2]);
    assert_eq!(case.stands(), [MemberState::Failed, MemberState::Missing]);
    assert_eq!(case.roster.failures[&MemberKey::Wanted(1)].failure.reason, reason::OWNERSHIP_CONFLICT);
    assert_eq!(case.roster.failures[&MemberKey::Wanted(1)].failure.member, "chip-1");
    case.rivals.clear();
    assert_eq!(case.send().chips(), [1, 2], "when the rival lets go it is the set's");
}

#[test]
fn a_member_waits_for_a_rival_that_goes_and_a_young_set_for_one_that_may() {
    for (goes, young, why) in [
        (true, false, reason::IN_USE),
        (false, true, reason::IN_USE),
        (false, false, reason::OWNERSHIP_CONFLICT),
    ] {
        let mut case = Case::new(1..=1);
        (case.rivals, case.goes, case.young) = (vec![1], goes, young);
        fails(&mut case, why);
        // what the set of another name made, which is deleted or just about to be
        let mut case = Case::new(1..=1);
        case.put(device(11, 1, "made [k8s prod/ns/other]"));
        (case.goes, case.young) = (goes, young);
        fails(&mut case, why);
    }
}

#[test]
fn a_member_that_vanished_is_made_anew() {
    let mut case = Case::settled(1..=2);
    case.intent = Some(super::NOW);
    case.forget(11);
    let sent = case.send();
    assert_eq!(sent.chips(), [1]);
    assert!(sent.all(|change| matches!(change, ToyChange::Create(_))));
    case.common.drift_policy = Some(crate::kind::spec::DriftPolicy::Warn);
    let mut case = Case::settled(1..=1);
    case.common.drift_policy = Some(crate::kind::spec::DriftPolicy::Warn);
    case.forget(11);
    assert!(matches!(case.next(), Next::Rest), "who asked to be warned is");
    assert_eq!(case.stands(), [MemberState::Drifted]);
}
