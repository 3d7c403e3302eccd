//! What a set says of itself.

use emnify::Lane;

use super::{
    NOW,
    case::{Case, device},
};
use crate::{
    decide::{
        conditions,
        error_policy::{Effect, Waiting},
        known::Explanation,
        roster::{Departure, MemberKey, MemberState, Roster, Slot, Trouble},
    },
    kind::{
        Dates,
        reason::{self, condition},
        set::{Failure, Tally},
        spec::CommonStatus,
    },
    session::guard::Tripped,
    set::{
        counts::{self, Look, SetPhase},
        rollout::{Next, NextCall},
        state::SetState,
    },
    toy_set::ToySet,
};

fn set(stands: &[MemberState]) -> SetState<ToySet> {
    let mut set = SetState::new();
    let slots = (1i64..).zip(stands);
    set.roster.slots = slots.map(|(pool, stand)| Slot { pool, stand: *stand, ..Slot::default() }).collect();
    set
}

fn next_call(next: Next<ToySet>, tripped: Option<Tripped>) -> NextCall<ToySet> {
    NextCall { next, lane: Lane::Repair, tripped }
}

fn says(
    set: &SetState<ToySet>,
    next_call: &NextCall<ToySet>,
    deleting: bool,
    calm: bool,
) -> (String, Option<Effect>) {
    let tally = &counts::tally(set);
    match counts::phase(set, &Look { tally, next_call, trouble: None, deleting, calm }) {
        SetPhase::Wait(told, waiting) => (format!("{} {}", told.reason, told.message), Some(waiting.into())),
        SetPhase::Stall(told) => (format!("{} {}", told.reason, told.message), Some(Effect::Stalled)),
        SetPhase::Drifted(told) => (format!("{} {}", told.reason, told.message), None),
        SetPhase::Settled => (String::new(), None),
    }
}

fn rest(tripped: Option<Tripped>) -> NextCall<ToySet> {
    next_call(Next::Rest, tripped)
}

fn failing(set: &mut SetState<ToySet>, key: i64, reason: &'static str) {
    let failure = Failure { member: format!("chip{key}"), reason, message: "no".into() };
    let key = if key < 0 { MemberKey::Departing(-key) } else { MemberKey::Wanted(key) };
    set.roster.failures.insert(key, Trouble { failure, refused: Some(String::new()), until: None, tries: 1 });
}

#[test]
fn all_in_step_or_held_back_on_purpose_is_settled() {
    assert_eq!(
        says(&set(&[MemberState::Settled, MemberState::Partitioned]), &rest(None), false, false).0,
        ""
    );
}

#[test]
fn work_is_told_in_numbers_and_drift_takes_nothing_away() {
    let beginning = set(&[MemberState::Settled, MemberState::Missing]);
    let told = "Progressing 1 of 2 members are up to date".to_owned();
    assert_eq!(says(&beginning, &rest(None), false, true), (told.clone(), Some(Effect::Working)));
    let drifted = set(&[MemberState::Settled, MemberState::Quiet]);
    assert_eq!(says(&drifted, &rest(None), false, true), (told.clone(), Some(Effect::Keep)));
    assert_eq!(
        says(&drifted, &rest(None), false, false),
        (told, Some(Effect::Working)),
        "an edit is not drift"
    );
}

#[test]
fn a_failure_stalls_only_when_nothing_else_moves() {
    let mut some = set(&[MemberState::Failed, MemberState::Missing]);
    failing(&mut some, 1, reason::REJECTED);
    let (text, effect) = says(&some, &rest(None), false, false);
    assert_eq!(effect, Some(Effect::Working), "others are still brought up: {text}");
    some.roster.slots[1].stand = MemberState::Settled;
    let (text, effect) = says(&some, &rest(None), false, false);
    assert_eq!(text, "Rejected 1 of 2 members are up to date; 1 failed, first chip1: no");
    assert_eq!(effect, Some(Effect::Stalled));
    let trouble = some.roster.failures.get_mut(&MemberKey::Wanted(1)).unwrap();
    (trouble.until, trouble.refused) = (Some(NOW), None);
    assert_eq!(says(&some, &rest(None), false, false).1, Some(Effect::Working), "a pause ends by itself");
}

#[test]
fn a_tripped_guard_stalls_when_nothing_else_moves() {
    let held = set(&[MemberState::Settled, MemberState::Disturbing]);
    let stalled = (format!("GuardTripped {}", Tripped::of_three()), Some(Effect::Stalled));
    assert_eq!(says(&held, &rest(Some(Tripped::of_three())), false, false), stalled);
    let busy = set(&[MemberState::Missing, MemberState::Disturbing]);
    assert_eq!(says(&busy, &rest(Some(Tripped::of_three())), false, false).1, Some(Effect::Working));
}

#[test]
fn what_is_only_reported_drifts_and_is_ready() {
    let (text, effect) = says(&set(&[MemberState::Settled, MemberState::Drifted]), &rest(None), false, true);
    assert_eq!((text.as_str(), effect), ("Drifted 1 of 2 members differ", None));
}

#[test]
fn a_set_that_leaves_says_how_many_are_left_and_what_is_in_the_way() {
    let mut leaving = set(&[]);
    leaving.roster.departures = vec![Departure { id: 7, pool: 1, made: true }];
    assert_eq!(says(&leaving, &rest(None), true, true).0, "Deleting 1 members are left");
    let (text, effect) = says(&leaving, &rest(Some(Tripped::of_three())), true, true);
    assert_eq!(effect, Some(Effect::Stalled));
    assert!(text.ends_with("emnify.io/force-orphan=true"), "a deletion cannot be taken back: {text}");
    failing(&mut leaving, -7, reason::REJECTED);
    let (text, effect) = says(&leaving, &rest(None), true, true);
    assert_eq!((text.as_str(), effect), ("Rejected 1 members are left; chip-7: no", Some(Effect::Stalled)));
}

#[test]
fn an_account_wide_wait_leaves_a_ready_set_as_it_is() {
    let mut common = CommonStatus::default();
    counts::conditions(&SetPhase::Settled, Some(1), &mut common, Dates::default(), NOW);
    let before = common.clone();
    let wait = SetPhase::Wait(Explanation::new(reason::WORKSPACE_NOT_READY, "down"), Waiting::Keep);
    counts::conditions(&wait, Some(1), &mut common, Dates::default(), NOW);
    assert_eq!(common, before);
    counts::conditions(&wait, Some(2), &mut common, Dates::default(), NOW);
    let ready = conditions::get(&common.conditions, condition::READY).unwrap();
    assert_eq!(
        (ready.status.as_str(), common.observed_generation),
        ("False", Some(2)),
        "an edit says what it waits for"
    );
}

#[test]
fn members_are_counted_by_where_they_stand() {
    let mut some =
        set(&[MemberState::Settled, MemberState::Missing, MemberState::Failed, MemberState::Partitioned]);
    some.roster.slots[0].id = 11;
    some.roster.slots[3].id = 14;
    failing(&mut some, 3, reason::REJECTED);
    let Tally { desired, current, ready, held, missing, failed, failures, .. } = counts::tally(&some);
    assert_eq!((desired, current, ready, held, missing, failed), (4, 2, 1, 1, 1, 1));
    assert_eq!(failures[0].member, "chip3");
}

#[test]
fn a_member_that_does_not_serve_is_not_available_again() {
    let mut case = Case::settled(1..=2);
    case.rollout.max_unavailable = Some(1);
    case.state = Some(1);
    case.edit();
    let sent = case.send();
    assert_eq!(sent.chips(), [1]);
    // the change did not stay
    case.put(device(11, 1, "made [k8s prod/ns/h]"));
    assert_eq!(case.send().chips(), [1], "the one that is out goes on; the next does not begin");
}

#[test]
fn a_doubt_alone_takes_nobody_from_the_count() {
    let mut case = Case::settled(1..=3);
    case.doubt(11..=12);
    assert!(matches!(case.next(), Next::Read(_)));
    assert_eq!(case.stands(), [MemberState::Doubted, MemberState::Doubted, MemberState::Settled]);
    assert_eq!(case.roster.shown(MemberState::Settled), 3, "they were in step when they were seen last");
    case.put(device(11, 1, "made [k8s prod/ns/h]").display_name("portal"));
    case.next();
    assert_eq!(case.roster.shown(MemberState::Settled), 2, "the read says otherwise");
    case.prefix = "new";
    case.edit();
    case.next();
    assert_eq!(
        case.roster.shown(MemberState::Settled),
        0,
        "and after an edit nobody is in step with what was wanted"
    );
}

#[test]
fn of_members_in_doubt_at_the_start_the_last_listing_tells() {
    let mut case = Case::settled(1..=4);
    case.roster = Roster::default();
    case.roster.choose(&[1, 2, 3, 4]);
    case.put(device(14, 4, "").old());
    case.put(device(13, 3, "made [k8s prod/ns/h]").display_name("portal"));
    case.doubt(12..=14);
    case.next();
    assert_eq!(case.stands()[1..], [MemberState::Doubted; 3]);
    assert_eq!(case.roster.shown(MemberState::Settled), 2, "what bears the mark and looks so is in step");
    let ids: Vec<i64> = case.roster.slots.iter().map(|slot| slot.id).collect();
    assert_eq!(ids, [11, 12, 13, 0], "and what bears no mark has to be read before it is a member");
}
