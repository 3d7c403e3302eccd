//! From a decided step to the status that says so: pure.

use jiff::Timestamp;

use super::{
    conditions::{self, Wanted, clear, is_true},
    error_policy::Waiting,
    known::{Explanation, Step},
};
use crate::kind::{
    Managed, Status,
    reason::{
        self,
        condition::{DRIFTED, READY, RECONCILING, STALLED, SYNCED},
    },
    spec::CommonStatus,
};

/// Writes what `step` means into the conditions.
pub fn conditions<K: Managed>(
    step: &Step<K>,
    generation: Option<i64>,
    status: &mut K::Status,
    now: Timestamp,
) {
    let common = status.common_mut();
    if let Some((why, effect)) = working(step) {
        // a refused request that is tried once more says nothing before its answer
        if !retries(common, generation) {
            wait(common, &why, effect, generation, now);
        }
        common.observed_generation = generation;
        return;
    }
    match step {
        Step::Nothing | Step::RemoveFinalizer { .. } | Step::LeaveBehind(_) => return,
        Step::Wait(why, effect) => wait(common, why, *effect, generation, now),
        Step::Busy { busy, .. } => wait(common, &busy.told, busy.waiting, generation, now),
        Step::Stall(why) | Step::Broken { told: why, .. } => stall(common, why, generation, now),
        Step::AddFinalizer | Step::ClearIntent | Step::ReserveSecret | Step::Bind { .. } => {
            wait(common, &Explanation::new(reason::PENDING, "preparing"), Waiting::Keep, generation, now);
        }
        Step::Differs { have, told } => differs(common, told, have.is_some(), generation, now),
        Step::UpToDate { .. } => up_to_date(common, generation, now),
        // said above
        Step::Read(_)
        | Step::ReadParts(..)
        | Step::RecordIntent
        | Step::Create(_)
        | Step::Apply(..)
        | Step::Retire(..) => {}
    }
    common.observed_generation = generation;
}

/// What is told of a step that asks something of emnify, or leads to that; `None` for every other.
pub(crate) fn working<K: Managed>(step: &Step<K>) -> Option<(Explanation, Waiting)> {
    let first = |changes: &[K::Change]| changes.first().map(ToString::to_string).unwrap_or_default();
    let (reason, message, effect) = match step {
        Step::Read(_) | Step::ReadParts(..) => {
            (reason::OBSERVING, "reading the object".into(), Waiting::Keep)
        }
        Step::RecordIntent => (reason::PENDING, "preparing".into(), Waiting::Keep),
        Step::Create(change) => (reason::PROGRESSING, change.to_string(), Waiting::Working),
        Step::Apply(_, changes) => (reason::PROGRESSING, first(changes), Waiting::Keep),
        Step::Retire(_, changes) => (reason::DELETING, first(changes), Waiting::Working),
        _ => return None,
    };
    Some((Explanation { reason, message }, effect))
}

/// The object is stalled because of what emnify refused or did not carry out, and nothing was edited since.
fn retries(common: &CommonStatus, generation: Option<i64>) -> bool {
    let again = |reason: &str| match reason {
        reason::REJECTED => common.rejected.is_some(),
        reason => reason == reason::NOT_TAKEN,
    };
    let stalled = conditions::get(&common.conditions, STALLED);
    stalled.is_some_and(|c| c.observed_generation == generation && again(&c.reason))
}

/// The two differ in nothing but which step of the work is under way: worth a write only if it lasts.
pub fn is_passing<S: Status>(before: &S, after: &S) -> bool {
    const STEPS: &[&str] = &[reason::PENDING, reason::PROGRESSING, reason::OBSERVING];
    let working = |status: &S| {
        let conditions = &status.common().conditions;
        conditions::get(conditions, RECONCILING).is_some_and(|c| STEPS.contains(&c.reason.as_str()))
    };
    let mut same = after.clone();
    same.common_mut().conditions.clone_from(&before.common().conditions);
    working(before) && working(after) && same == *before
}

/// Conditions of one status, told of one generation at one time.
pub(crate) struct Teller<'a> {
    pub(crate) common: &'a mut CommonStatus,
    pub(crate) generation: Option<i64>,
    pub(crate) now: Timestamp,
}

impl Teller<'_> {
    pub(crate) fn put(&mut self, kind: &str, status: bool, why: &Explanation) {
        let wanted = Wanted { kind, status, reason: why.reason, message: &why.message };
        conditions::set(&mut self.common.conditions, &wanted, self.generation, self.now);
    }

    pub(crate) fn clear(&mut self, kinds: &[&str]) {
        for kind in kinds {
            clear(&mut self.common.conditions, kind);
        }
    }

    /// Not ready, and that ends by itself.
    pub(crate) fn works(&mut self, why: &Explanation) {
        self.put(READY, false, why);
        self.put(RECONCILING, true, why);
        self.clear(&[STALLED]);
    }

    /// Not ready, and a person must act.
    pub(crate) fn stalls(&mut self, why: &Explanation) {
        self.put(READY, false, why);
        self.put(STALLED, true, why);
        self.clear(&[RECONCILING]);
    }
}

pub(crate) fn wait(
    common: &mut CommonStatus,
    why: &Explanation,
    effect: Waiting,
    generation: Option<i64>,
    now: Timestamp,
) {
    let was_ready = conditions::get(&common.conditions, READY).is_some_and(|ready| ready.status == "True");
    match effect {
        // whatever edit suspends it: the object was ready and is left as it is
        Waiting::Keep if why.reason == reason::SUSPENDED && was_ready => return,
        Waiting::Keep if is_true(&common.conditions, READY, generation) => {
            // a failed attempt shows without taking Ready away
            if is_trouble(why.reason) {
                Teller { common, generation, now }.put(SYNCED, false, why);
            }
            return;
        }
        Waiting::Keep | Waiting::Working => {}
    }
    let mut tell = Teller { common, generation, now };
    tell.works(why);
    if is_trouble(why.reason) {
        tell.put(SYNCED, false, why);
    }
}

fn is_trouble(reason: &str) -> bool {
    [
        reason::NO_ADDRESS_AVAILABLE,
        reason::CONFLICT,
        reason::OUTCOME_UNKNOWN,
        reason::UNAVAILABLE,
        reason::UNREADABLE,
        reason::REJECTED,
    ]
    .contains(&reason)
}

pub(crate) fn stall(common: &mut CommonStatus, why: &Explanation, generation: Option<i64>, now: Timestamp) {
    let mut tell = Teller { common, generation, now };
    tell.stalls(why);
    tell.put(SYNCED, false, why);
}

/// The API server refuses what has to be written; who is in step stays so.
pub(crate) fn refused(common: &mut CommonStatus, why: &Explanation, generation: Option<i64>, now: Timestamp) {
    if is_true(&common.conditions, READY, generation) {
        Teller { common, generation, now }.put(SYNCED, false, why);
    } else {
        stall(common, why, generation, now);
        common.observed_generation = generation;
    }
}

/// Writes that differences are reported and not corrected, or that nothing `exists` and nothing is made.
pub fn differs(
    common: &mut CommonStatus,
    why: &Explanation,
    exists: bool,
    generation: Option<i64>,
    now: Timestamp,
) {
    let fine = Explanation { reason: reason::UP_TO_DATE, message: String::new() };
    let mut tell = Teller { common, generation, now };
    tell.put(READY, exists, if exists { &fine } else { why });
    tell.put(DRIFTED, true, why);
    tell.put(SYNCED, true, &fine);
    tell.clear(&[RECONCILING, STALLED]);
    common.settled_generation = generation;
}

/// Notes the last date of the spec that passed, once that is carried out.
pub(crate) fn settle_date(common: &mut CommonStatus, passed: Option<Timestamp>) {
    common.settled_date = passed.map(|date| date.to_string());
}

/// Writes that the object is in step.
pub fn up_to_date(common: &mut CommonStatus, generation: Option<i64>, now: Timestamp) {
    let fine = Explanation { reason: reason::UP_TO_DATE, message: String::new() };
    let mut tell = Teller { common, generation, now };
    tell.put(READY, true, &fine);
    tell.put(SYNCED, true, &fine);
    tell.clear(&[RECONCILING, STALLED, DRIFTED]);
    common.rejected = None;
    common.settled_generation = generation;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::conditions::get,
        toy::{Toy, ToyStatus},
    };

    const GENERATION: Option<i64> = Some(2);

    fn up_to(status: &mut ToyStatus, step: &Step<Toy>) {
        conditions(step, GENERATION, status, Timestamp::UNIX_EPOCH);
    }

    fn waits(reason: &'static str, effect: Waiting) -> Step<Toy> {
        Step::Wait(Explanation { reason, message: "why".into() }, effect)
    }

    fn says(status: &ToyStatus, kind: &str) -> Option<(bool, String)> {
        get(&status.common.conditions, kind).map(|c| (c.status == "True", c.reason.clone()))
    }

    fn ready() -> ToyStatus {
        let mut status = ToyStatus::default();
        super::up_to_date(&mut status.common, GENERATION, Timestamp::UNIX_EPOCH);
        status.common.observed_generation = GENERATION;
        status
    }

    #[test]
    fn a_failure_shows_in_synced_and_takes_nothing_else_away() {
        let mut status = ready();
        up_to(&mut status, &waits(reason::UNAVAILABLE, Waiting::Keep));
        assert_eq!(says(&status, READY), Some((true, "UpToDate".into())));
        assert_eq!(says(&status, SYNCED), Some((false, "Unavailable".into())));
        assert_eq!(says(&status, RECONCILING), None);
    }

    #[test]
    fn an_account_wide_wait_leaves_a_ready_object_as_it_is() {
        for why in [reason::WORKSPACE_NOT_READY, reason::UNAUTHORIZED, reason::THROTTLED, reason::OBSERVING] {
            let mut status = ready();
            let before = status.clone();
            up_to(&mut status, &waits(why, Waiting::Keep));
            assert_eq!(status, before, "{why} is written on no object");
        }
    }

    #[test]
    fn success_takes_back_everything_that_was_said() {
        let mut status = ToyStatus::default();
        up_to(&mut status, &Step::Stall(Explanation { reason: reason::REJECTED, message: "no".into() }));
        status.common.rejected = Some(Box::new(crate::kind::spec::Rejected {
            digest: "d".into(),
            message: "no".into(),
            ..crate::kind::spec::Rejected::default()
        }));
        assert_eq!(says(&status, STALLED), Some((true, "Rejected".into())));
        super::up_to_date(&mut status.common, GENERATION, Timestamp::UNIX_EPOCH);
        assert_eq!(says(&status, READY), Some((true, "UpToDate".into())));
        assert_eq!((says(&status, STALLED), says(&status, DRIFTED)), (None, None));
        assert_eq!((status.common.rejected, status.common.settled_generation), (None, GENERATION));
    }

    #[test]
    fn only_the_name_of_the_step_is_passing() {
        let mut preparing = ToyStatus::default();
        up_to(&mut preparing, &Step::RecordIntent);
        let mut making = preparing.clone();
        up_to(&mut making, &waits(reason::PROGRESSING, Waiting::Working));
        assert!(preparing != making && is_passing(&preparing, &making));
        assert!(!is_passing(&ToyStatus::default(), &making), "the first thing said is said at once");
        assert!(!is_passing(&making, &ready()), "success is said at once");
        let mut failed = making.clone();
        up_to(&mut failed, &waits(reason::UNAVAILABLE, Waiting::Working));
        assert!(!is_passing(&making, &failed), "and so is a failure");
        making.common.id = Some("7".into());
        assert!(!is_passing(&preparing, &making), "an id is more than a step");
    }

    #[test]
    fn a_reported_difference_is_ready_and_drifted() {
        let mut status = ready();
        super::differs(
            &mut status.common,
            &Explanation { reason: reason::DRIFTED, message: "name: a -> b".into() },
            true,
            GENERATION,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(says(&status, READY), Some((true, "UpToDate".into())));
        assert_eq!(says(&status, DRIFTED), Some((true, "Drifted".into())));
        let told = get(&status.common.conditions, DRIFTED).unwrap().message.clone();
        assert_eq!(told, "name: a -> b");
    }
}
