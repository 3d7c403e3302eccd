//! From a step of a task to the status that says so: pure.

use jiff::Timestamp;

use super::{Step, finish};
use crate::{
    decide::{conditions, known::Explanation, ready::Teller},
    kind::{
        reason::{
            self,
            condition::{COMPLETE, FAILED, READY, RECONCILING, STALLED},
        },
        spec::CommonStatus,
        task::Progress,
    },
};

/// Writes what the step means into conditions and phase.
pub(crate) fn status(
    step: &Step,
    (common, progress): (&mut CommonStatus, &mut Progress),
    generation: Option<i64>,
    now: Timestamp,
) {
    let begun = if progress.started_at.is_some() { "Running" } else { "Pending" };
    let mut tell = Teller { common, generation, now };
    match step {
        Step::Nothing(_) | Step::RemoveFinalizer | Step::Delete => return carry_on(common, generation),
        Step::AddFinalizer | Step::Open(_) | Step::Send => {
            let told = finish::done(&progress.targets.unwrap_or_default());
            tell.works(&Explanation::new(reason::PROGRESSING, told));
            progress.phase = Some(begun.to_owned());
        }
        Step::Wait(told, _) if told.reason == reason::SUSPENDED => {
            if conditions::get(&tell.common.conditions, READY).is_none() {
                tell.works(told);
            }
            progress.phase = Some("Suspended".to_owned());
            progress.message = Some(told.message.clone());
        }
        Step::Wait(told, _) => {
            tell.works(told);
            progress.phase = Some(begun.to_owned());
        }
        Step::Stall(told) => {
            tell.stalls(told);
            progress.phase = Some(begun.to_owned());
        }
        Step::Finish(end) => {
            let (complete, told) = (end.is_complete(), end.told());
            if complete {
                tell.put(READY, true, &told);
                tell.clear(&[RECONCILING, STALLED]);
            } else {
                tell.stalls(&told);
            }
            tell.put(if complete { COMPLETE } else { FAILED }, true, &told);
            tell.common.settled_generation = generation;
            progress.phase = Some(if complete { "Complete" } else { "Failed" }.to_owned());
            progress.finished_at = Some(seconds(now).to_string());
            progress.message = Some(told.message);
        }
    }
    common.observed_generation = generation;
}

/// Times in a status are whole seconds, as Kubernetes writes them.
pub(crate) fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// What is said goes on being true of an edited object.
fn carry_on(common: &mut CommonStatus, generation: Option<i64>) {
    let finished = [COMPLETE, FAILED].iter().any(|kind| conditions::get(&common.conditions, kind).is_some());
    if finished && common.observed_generation != generation {
        common.observed_generation = generation;
        common.settled_generation = generation;
        for condition in &mut common.conditions {
            condition.observed_generation = generation;
        }
    }
}
