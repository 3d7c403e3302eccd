//! A set counted, and the conditions that say how it stands: pure.

use jiff::Timestamp;

use super::{
    rollout::{Next, NextCall},
    state::SetState,
};
use crate::{
    cluster::reconcile::Finding,
    decide::{
        error_policy::{Effect, Waiting},
        known::{Explanation, Trouble},
        member::AssessContext,
        ready,
        roster::{MemberState, Roster, Slot},
    },
    kind::{
        Dates, Id, reason,
        set::{Failure, ObjectSet, SHOWN_FAILURES, Tally},
        spec::CommonStatus,
    },
    session::mirror::Known,
};

/// How a set stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SetPhase {
    /// Something is still to happen.
    Wait(Explanation, Waiting),
    /// A person must act.
    Stall(Explanation),
    /// Differences are reported and not corrected.
    Drifted(Explanation),
    /// In step.
    Settled,
}

impl SetPhase {
    /// A wait, or a stall where a person must act.
    fn told(told: Explanation, effect: Effect) -> Self {
        match effect {
            Effect::Stalled => Self::Stall(told),
            Effect::Keep => Self::Wait(told, Waiting::Keep),
            Effect::Working => Self::Wait(told, Waiting::Working),
        }
    }

    /// Its name, and the reason that it tells, for what counts steps: those of the steps of objects.
    pub(super) fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Wait(told, _) => ("Wait", told.reason),
            Self::Stall(told) => ("Stall", told.reason),
            Self::Drifted(told) => ("Differs", told.reason),
            Self::Settled => ("UpToDate", ""),
        }
    }

    /// What people may have to hear of. How many members differ changes too often to be told each time.
    pub(super) fn finding(&self) -> Finding<'_> {
        match self {
            Self::Wait(told, waiting) => Finding::Waits(told, *waiting),
            Self::Stall(told) => Finding::Says(told),
            Self::Drifted(_) | Self::Settled => Finding::Fine,
        }
    }

    /// It changes by itself before long.
    pub(super) fn moves(&self) -> bool {
        matches!(self, Self::Wait(told, _) if [reason::PROGRESSING, reason::DELETING].contains(&told.reason))
    }
}

/// Counts where the members stand.
pub(super) fn tally<F: ObjectSet>(set: &SetState<F>) -> Tally {
    let roster = &set.roster;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Tally {
        desired: count(roster.slots.len()),
        current: count(roster.slots.iter().filter(|s| s.id != 0).count()),
        ready: roster.shown(MemberState::Settled),
        held: roster.shown(MemberState::Partitioned),
        missing: roster.shown(MemberState::Missing),
        leaving: count(roster.departures.len()),
        failed: roster.shown(MemberState::Failed) + count(set.unmet.len() + roster.stuck()),
        drifted: roster.shown(MemberState::Drifted),
        failures: failures(set),
        ..Tally::default()
    }
}

/// Counts what emnify says of each member.
pub(super) fn count<F: ObjectSet>(tally: &mut Tally, set: &SetState<F>, context: &AssessContext<'_, F>) {
    for slot in set.roster.slots.iter().filter(|slot| slot.id != 0) {
        let id = Id::Int(slot.id);
        let row = match context.members.get(&id) {
            Known::Present(row) => Some(row),
            Known::Doubt => context.members.row(&id),
            Known::Absent | Known::Unknown => None,
        };
        let Some(row) = row else { continue };
        let news = context.members.news(&id).map(|(news, _)| news);
        F::count(&row, news.as_ref(), &mut |group, name| {
            let names = tally.groups.entry(group).or_default();
            match names.get_mut(name) {
                Some(n) => *n += 1,
                None => drop(names.insert(name.to_owned(), 1)),
            }
        });
    }
}

fn failures<F: ObjectSet>(set: &SetState<F>) -> Vec<Failure> {
    let roster = &set.roster;
    let failing = roster.slots.iter().filter(|slot| slot.shown() == MemberState::Failed);
    let of_seats = failing.filter_map(|slot| roster.failures.get(&slot.key()));
    let of_leavers = roster.departures.iter().filter_map(|departure| roster.failures.get(&departure.key()));
    let all = set.unmet.iter().cloned().chain(of_seats.chain(of_leavers).map(|t| t.failure.clone()));
    all.take(SHOWN_FAILURES).collect()
}

/// What a look at a set found, beside its members.
pub(super) struct Look<'a, F: ObjectSet> {
    pub(super) tally: &'a Tally,
    pub(super) next_call: &'a NextCall<F>,
    pub(super) trouble: Option<&'a Trouble>,
    /// The object is being deleted.
    pub(super) deleting: bool,
    /// Nobody edited it lately.
    pub(super) calm: bool,
}

/// How the set stands after a look.
pub(super) fn phase<F: ObjectSet>(set: &SetState<F>, look: &Look<'_, F>) -> SetPhase {
    let Look { tally, next_call, trouble, deleting, calm } = *look;
    let roster = &set.roster;
    if let Some(trouble) = trouble {
        return SetPhase::told(Explanation::new(trouble.reason, trouble.message.clone()), trouble.effect);
    }
    let rests = matches!(next_call.next, Next::Rest);
    if deleting {
        let left = format!("{} members are left", tally.leaving);
        // who may be gone already is asked about once more
        let fails = |failure: &&Failure| failure.reason != reason::OBSERVING;
        let failed = roster
            .failures
            .iter()
            .filter(|(key, _)| key.departs())
            .map(|(_, trouble)| &trouble.failure)
            .find(fails);
        return match (next_call.tripped.clone().filter(|_| rests), failed.filter(|_| rests)) {
            (Some(trip), _) => {
                let message = format!("{trip}; {}", reason::WAY_OUT);
                SetPhase::Stall(Explanation::new(reason::GUARD_TRIPPED, message))
            }
            (None, Some(failure)) => {
                let message = format!("{left}; {}: {}", failure.member, failure.message);
                SetPhase::Stall(Explanation::new(failure.reason, message))
            }
            (None, None) => SetPhase::Wait(Explanation::new(reason::DELETING, left), Waiting::Working),
        };
    }
    if !rests || waits(roster, next_call.tripped.is_some()) || (next_call.tripped.is_none() && leaves(roster))
    {
        // drift, and members that come and go by themselves, take nothing away
        let ease = if calm && tally.missing == 0 { Waiting::Keep } else { Waiting::Working };
        return SetPhase::Wait(Explanation::new(reason::PROGRESSING, progress(tally)), ease);
    }
    if let Some(trip) = &next_call.tripped {
        return SetPhase::Stall(Explanation::new(reason::GUARD_TRIPPED, trip.to_string()));
    }
    if let Some(first) = tally.failures.first() {
        let pauses =
            roster.failures.values().any(|trouble| trouble.until.is_some() && trouble.refused.is_none());
        // who goes makes way by itself
        let passes = tally.failures.iter().all(|failure| failure.reason == reason::IN_USE);
        let effect = if pauses || passes { Effect::Working } else { Effect::Stalled };
        return SetPhase::told(Explanation::new(first.reason, progress(tally)), effect);
    }
    if tally.drifted > 0 {
        let message = format!("{} of {} members differ", tally.drifted, tally.desired);
        return SetPhase::Drifted(Explanation::new(reason::DRIFTED, message));
    }
    SetPhase::Settled
}

/// Members that something else has to happen to first: a listing, a window, others.
fn waits(roster: &Roster, tripped: bool) -> bool {
    let held = |slot: &&Slot| tripped && slot.stand == MemberState::Missing && slot.starts;
    roster.slots.iter().filter(|slot| !held(slot)).any(|slot| slot.stand.is_beginning())
        || (roster.unavailable() > 0 && roster.slots.iter().any(|s| s.stand == MemberState::Disturbing))
}

fn leaves(roster: &Roster) -> bool {
    roster.departures.iter().any(|departure| !roster.failures.contains_key(&departure.key()))
        || roster.slots.iter().any(|s| s.stand == MemberState::Disturbing)
}

fn progress(tally: &Tally) -> String {
    let leave = match tally.leaving {
        0 => String::new(),
        leaving => format!(", {leaving} leave"),
    };
    let failed = tally.failures.first().map_or_else(String::new, |first| {
        format!("; {} failed, first {}: {}", tally.failed, first.member, first.message)
    });
    format!("{} of {} members are up to date{leave}{failed}", tally.ready + tally.held, tally.desired)
}

/// Writes the stage into the conditions.
pub(super) fn conditions(
    phase: &SetPhase,
    generation: Option<i64>,
    common: &mut CommonStatus,
    dates: Dates,
    now: Timestamp,
) {
    if matches!(phase, SetPhase::Drifted(_) | SetPhase::Settled) {
        ready::settle_date(common, dates.passed);
    }
    match phase {
        SetPhase::Stall(told) => ready::stall(common, told, generation, now),
        SetPhase::Wait(told, effect) => ready::wait(common, told, *effect, generation, now),
        SetPhase::Drifted(told) => ready::differs(common, told, true, generation, now),
        SetPhase::Settled => ready::up_to_date(common, generation, now),
    }
    common.observed_generation = generation;
}
