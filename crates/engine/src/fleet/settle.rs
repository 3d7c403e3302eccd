//! A set counted, and the conditions that say how it stands: pure.

use jiff::Timestamp;

use super::{
    Failure, Fleet, SHOWN_FAILURES, Tally,
    assess::Measure,
    plan::{Next, Outlook},
    roster::{Roster, Seat, Stand},
    state::Set,
};
use crate::{
    kind::Id,
    mirror::Known,
    plan::{Told, Trouble},
    reason, settle,
    spec::CommonStatus,
    verdict::{Effect, Waiting},
};

/// How a set stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Something is still to happen.
    Wait(Told, Waiting),
    /// A person must act.
    Stall(Told),
    /// Differences are reported and not corrected.
    Drifted(Told),
    /// In step.
    Settled,
}

impl Stage {
    /// A wait, or a stall where a person must act.
    fn told(told: Told, effect: Effect) -> Self {
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

    /// It changes by itself before long.
    pub(super) fn moves(&self) -> bool {
        matches!(self, Self::Wait(told, _) if [reason::PROGRESSING, reason::DELETING].contains(&told.reason))
    }
}

/// Counts where the members stand.
pub(super) fn tally<F: Fleet>(set: &Set<F>) -> Tally {
    let roster = &set.roster;
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    Tally {
        desired: count(roster.seats.len()),
        current: count(roster.seats.iter().filter(|s| s.id != 0).count()),
        ready: roster.shown(Stand::Settled),
        held: roster.shown(Stand::Held),
        missing: roster.shown(Stand::Missing),
        leaving: count(roster.leavers.len()),
        failed: roster.shown(Stand::Failed) + count(set.unmet.len() + roster.stuck()),
        drifted: roster.shown(Stand::Drifted),
        failures: failures(set),
        ..Tally::default()
    }
}

/// Counts what emnify says of each member.
pub(super) fn count<F: Fleet>(tally: &mut Tally, set: &Set<F>, measure: &Measure<'_, F>) {
    for seat in set.roster.seats.iter().filter(|seat| seat.id != 0) {
        let id = Id::Int(seat.id);
        let row = match measure.members.get(&id) {
            Known::Present(row) => Some(row),
            Known::Doubt => measure.members.row(&id),
            Known::Absent | Known::Unknown => None,
        };
        let Some(row) = row else { continue };
        let news = measure.members.news(&id).map(|(news, _)| news);
        F::count(&row, news.as_ref(), &mut |group, name| {
            let names = tally.groups.entry(group).or_default();
            match names.get_mut(name) {
                Some(n) => *n += 1,
                None => drop(names.insert(name.to_owned(), 1)),
            }
        });
    }
}

fn failures<F: Fleet>(set: &Set<F>) -> Vec<Failure> {
    let roster = &set.roster;
    let failing = roster.seats.iter().filter(|seat| seat.shown() == Stand::Failed);
    let of_seats = failing.filter_map(|seat| roster.failures.get(&seat.pool));
    let of_leavers = roster.leavers.iter().filter_map(|leaver| roster.failures.get(&-leaver.id));
    let all = set.unmet.iter().cloned().chain(of_seats.chain(of_leavers).map(|t| t.failure.clone()));
    all.take(SHOWN_FAILURES).collect()
}

/// How the set stands after a look.
pub(super) fn stage<F: Fleet>(
    set: &Set<F>,
    tally: &Tally,
    outlook: &Outlook<F>,
    trouble: Option<&Trouble>,
    deleting: bool,
    calm: bool,
) -> Stage {
    let roster = &set.roster;
    if let Some(trouble) = trouble {
        return Stage::told(Told::new(trouble.reason, trouble.message.clone()), trouble.effect);
    }
    let rests = matches!(outlook.next, Next::Rest);
    if deleting {
        let left = format!("{} members are left", tally.leaving);
        let failed = roster.failures.range(..0).map(|(_, trouble)| &trouble.failure).next();
        return match (outlook.tripped.clone().filter(|_| rests), failed.filter(|_| rests)) {
            (Some(trip), _) => {
                let message = format!("{trip}; {}", reason::WAY_OUT);
                Stage::Stall(Told::new(reason::GUARD_TRIPPED, message))
            }
            (None, Some(failure)) => {
                let message = format!("{left}; {}: {}", failure.member, failure.message);
                Stage::Stall(Told::new(failure.reason, message))
            }
            (None, None) => Stage::Wait(Told::new(reason::DELETING, left), Waiting::Working),
        };
    }
    if !rests || waits(roster, outlook.tripped.is_some()) || (outlook.tripped.is_none() && leaves(roster)) {
        // drift, and members that come and go by themselves, take nothing away
        let ease = if calm && tally.missing == 0 { Waiting::Keep } else { Waiting::Working };
        return Stage::Wait(Told::new(reason::PROGRESSING, progress(tally)), ease);
    }
    if let Some(trip) = &outlook.tripped {
        return Stage::Stall(Told::new(reason::GUARD_TRIPPED, trip.clone()));
    }
    if let Some(first) = tally.failures.first() {
        let pauses =
            roster.failures.values().any(|trouble| trouble.until.is_some() && trouble.refused.is_none());
        // who goes makes way by itself
        let passes = tally.failures.iter().all(|failure| failure.reason == reason::IN_USE);
        let effect = if pauses || passes { Effect::Working } else { Effect::Stalled };
        return Stage::told(Told::new(first.reason, progress(tally)), effect);
    }
    if tally.drifted > 0 {
        let message = format!("{} of {} members differ", tally.drifted, tally.desired);
        return Stage::Drifted(Told::new(reason::DRIFTED, message));
    }
    Stage::Settled
}

/// Members that something else has to happen to first: a listing, a window, others.
fn waits(roster: &Roster, tripped: bool) -> bool {
    let held = |seat: &&Seat| tripped && seat.stand == Stand::Missing && seat.starts;
    roster.seats.iter().filter(|seat| !held(seat)).any(|seat| seat.stand.is_beginning())
        || (roster.unavailable() > 0 && roster.seats.iter().any(|s| s.stand == Stand::Disturbing))
}

fn leaves(roster: &Roster) -> bool {
    roster.leavers.iter().any(|leaver| !roster.failures.contains_key(&-leaver.id))
        || roster.seats.iter().any(|s| s.stand == Stand::Disturbing)
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
pub(super) fn conditions(stage: &Stage, generation: Option<i64>, common: &mut CommonStatus, now: Timestamp) {
    match stage {
        Stage::Stall(told) => settle::stall(common, told, generation, now),
        Stage::Wait(told, effect) => settle::wait(common, told, *effect, generation, now),
        Stage::Drifted(told) => settle::differs(common, told, true, generation, now),
        Stage::Settled => settle::up_to_date(common, generation, now),
    }
    common.observed_generation = generation;
}
