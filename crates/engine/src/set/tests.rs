//! The planner, rule by rule.

mod alike;
mod case;
mod letting_go;
mod rolling;
mod saying;
mod whose;

use self::case::{Case, NOW, device};
use super::rollout::Next;
use crate::{
    decide::roster::{MemberKey, MemberState, Trouble, Unsure},
    kind::reason,
    toy::ToyChange,
};

#[test]
fn missing_members_are_created_in_one_call_as_large_as_fits() {
    let mut case = Case::new(1..=25);
    case.fits = 10;
    let sent = case.send();
    assert_eq!(sent.chips(), (1..=10).collect::<Vec<_>>(), "in rollout order, as many as fit");
    assert!(sent.all(|change| matches!(change, ToyChange::Create(_))));
}

#[test]
fn nothing_is_created_before_an_intent_is_recorded() {
    let mut case = Case::new(1..=2);
    case.intent = None;
    assert!(matches!(case.next(), Next::RecordIntent), "a crash after the create must leave a trace");
    case.intent = Some(NOW);
    assert_eq!(case.send().chips(), [1, 2]);
}

#[test]
fn what_was_begun_is_finished_before_more_is_created() {
    let mut case = Case::new(1..=3);
    case.put(device(11, 1, ""));
    case.put(device(12, 2, ""));
    let sent = case.send();
    assert_eq!(sent.chips(), [1, 2], "until the marks are on, only the intent tells whose they are");
    assert!(sent.all(|change| matches!(change, ToyChange::Mark(mark) if mark == "made [k8s prod/ns/h]")));
}

#[test]
fn nothing_is_known_before_a_complete_listing() {
    let mut case = Case::unlisted(1..=2);
    assert!(matches!(case.next(), Next::Rest));
    assert_eq!(case.stands(), [MemberState::Waiting, MemberState::Waiting]);
}

#[test]
fn a_create_of_unknown_outcome_is_not_repeated_before_a_listing_proves_it_made_nothing() {
    let mut case = Case::new(1..=2);
    case.roster.unsure.insert(1, Unsure { proof: case::later(90), refused: false });
    assert_eq!(case.send().chips(), [2], "only that one waits");
    case.list_at(case::later(100));
    assert_eq!(case.send().chips(), [1, 2]);
}

#[test]
fn creates_that_an_earlier_process_may_have_sent_are_waited_for() {
    let mut case = Case::new(1..=2);
    case.inherited = true;
    assert!(matches!(case.next(), Next::Rest), "the last one may still take effect");
}

#[test]
fn members_in_step_need_nothing() {
    let mut case = Case::settled(1..=4);
    assert!(matches!(case.next(), Next::Rest));
    assert_eq!(case.stands(), [MemberState::Settled; 4]);
}

#[test]
fn a_refused_change_is_not_sent_again_and_another_one_is() {
    let mut case = Case::settled(1..=2);
    case.put(device(11, 1, "made [k8s prod/ns/h]").display_name("portal"));
    let change = ToyChange::Rename("portal".into(), "toy-1".into());
    case.refuse(1, &change);
    assert!(matches!(case.next(), Next::Rest));
    assert_eq!(case.stands(), [MemberState::Failed, MemberState::Settled], "it stands still alone");
    case.prefix = "new";
    case.roster.doubt_all();
    assert_eq!(case.send().chips(), [1], "what differs now is another change");
}

#[test]
fn a_pause_after_a_failure_ends() {
    let mut case = Case::new(1..=1);
    case.refuse(1, &ToyChange::Tag(9));
    let trouble = case.roster.failures.get_mut(&MemberKey::Wanted(1)).unwrap();
    *trouble = Trouble { refused: None, until: Some(case::later(10)), ..trouble.clone() };
    assert!(matches!(case.next(), Next::Rest));
    assert_eq!(case.wake(), Some(case::later(10)));
    case.now = case::later(11);
    assert_eq!(case.send().chips(), [1]);
}

#[test]
fn halves_of_a_failed_call_do_not_mix() {
    let mut case = Case::new(1..=5);
    let retry_groups = crate::session::batch::RetryGroups::default();
    for (chip, retry_group) in (1..=4).zip(retry_groups.halve(4)) {
        case.roster.retry_groups.insert(MemberKey::Wanted(chip), retry_group);
    }
    assert_eq!(case.send().chips(), [1, 2], "the first half alone");
}

#[test]
fn a_doubtful_member_is_read_and_many_are_listed() {
    let mut case = Case::settled(1..=30);
    case.doubt(11..=11);
    assert!(matches!(case.next(), Next::Read(id) if id == 11.into()));
    case.doubt(11..=40);
    assert!(matches!(case.next(), Next::Sweep), "thirty reads cost more than a listing");
    case.listed = true;
    assert!(matches!(case.next(), Next::Read(_)), "what a listing leaves in doubt has to be read");
}

#[test]
fn a_difference_that_is_only_reported_drifts() {
    let mut case = Case::settled(1..=1);
    case.state = Some(1);
    case.roster.doubt_all();
    assert!(matches!(case.next(), Next::Rest), "a state that somebody changed is not set back");
    assert_eq!(case.stands(), [MemberState::Drifted]);
    case.edit();
    assert!(case.send().all(|change| matches!(change, ToyChange::State(1))), "an edit applies it");
}

#[test]
fn policies_of_drift_hold_for_members() {
    use crate::kind::spec::{DriftPolicy, ManagementPolicy};
    let portal = || device(11, 1, "made [k8s prod/ns/h]").display_name("portal");
    let mut case = Case::settled(1..=2);
    case.common.drift_policy = Some(DriftPolicy::Warn);
    case.put(portal());
    assert!(matches!(case.next(), Next::Rest));
    assert_eq!(case.stands(), [MemberState::Drifted, MemberState::Settled]);
    let mut case = Case::settled(1..=3);
    case.common.management_policy = Some(ManagementPolicy::Observe);
    case.put(portal());
    case.forget(12);
    assert!(matches!(case.next(), Next::Rest), "observing writes nothing");
    assert_eq!(case.stands(), [MemberState::Drifted, MemberState::Drifted, MemberState::Settled]);
    let mut case = Case::settled(1..=1);
    case.common.ignore_fields = vec!["name".into()];
    case.put(portal());
    assert!(matches!(case.next(), Next::Rest), "ignored fields are left alone");
}

#[test]
fn a_pool_entry_that_went_away_fails_its_member_only() {
    let mut case = Case::settled(1..=2);
    case.pool.retain(|chip| chip.id != 2);
    case.roster.doubt_all();
    case.next();
    assert_eq!(case.stands(), [MemberState::Settled, MemberState::Failed]);
    assert_eq!(case.roster.failures[&MemberKey::Wanted(2)].failure.reason, reason::NOT_FOUND);
}
