//! What a task does next: pure. (status, targets, answers, now) to the next step; `window` is the part of it that may be under way.

pub(crate) mod finish;
pub(crate) mod tell;
pub(crate) mod window;

#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use self::{
    finish::End,
    window::{OverWhy, Stop},
};
use super::known::{Explanation, Workspace};
use crate::kind::{
    Id, reason,
    task::{Progress, Terms},
};

/// What has no answer so long after the end of a task gets none.
pub(crate) const GIVEN_UP: SignedDuration = SignedDuration::from_mins(5);

/// What is known of a task before anything is looked up.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the object")]
pub(crate) struct Facts<'a> {
    /// `metadata.deletionTimestamp` is set.
    pub(crate) deleting: bool,
    /// Our finalizer is there.
    pub(crate) finalizer: bool,
    /// A call for it is under way.
    pub(crate) carried: bool,
    /// A GitOps tool made it, and would make it anew.
    pub(crate) tracked: bool,
    /// The annotation or the spec suspends it.
    pub(crate) suspended: bool,
    /// Why it cannot be carried out as it stands.
    pub(crate) invalid: Option<&'a Explanation>,
    /// The organisation that it began in.
    pub(crate) pinned: Option<&'a str>,
    pub(crate) progress: &'a Progress,
    pub(crate) terms: Terms,
    pub(crate) workspace: &'a Workspace,
    pub(crate) now: Timestamp,
}

/// What a task does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing, until this time.
    Nothing(Option<Timestamp>),
    /// The object may go, or is finished.
    RemoveFinalizer,
    /// Its time after the end is over.
    Delete,
    /// Before the first window.
    AddFinalizer,
    /// A person must act.
    Stall(Explanation),
    /// Something else comes first, which ends by itself or at this time.
    Wait(Explanation, Option<Timestamp>),
    /// These may be sent next; the status has to say so first.
    Open(Vec<Id>),
    /// Something of the open window is to be sent or read.
    Send,
    /// It is over.
    Finish(End),
}

impl Step {
    /// Its name, and the reason that it tells, for what counts steps.
    pub(crate) fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing(_) => ("Nothing", ""),
            Self::RemoveFinalizer => ("RemoveFinalizer", ""),
            Self::Delete => ("Delete", ""),
            Self::AddFinalizer => ("AddFinalizer", ""),
            Self::Stall(told) => ("Stall", told.reason),
            Self::Wait(told, _) => ("Wait", told.reason),
            Self::Open(_) => ("Open", reason::PROGRESSING),
            Self::Send => ("Send", reason::PROGRESSING),
            Self::Finish(end) => ("Finish", end.told().reason),
        }
    }
}

/// The rows of the table that need neither mirrors nor references.
pub(crate) fn gate(facts: &Facts<'_>) -> Result<(), Step> {
    let Facts { progress, terms, now, .. } = facts;
    if let Some(finished) = &progress.finished_at {
        return Err(after_the_end(facts, finished)); // 1, 2
    }
    if facts.deleting {
        // the end of a call that is under way is told
        let goes = facts.finalizer && !facts.carried;
        return Err(if goes { Step::RemoveFinalizer } else { Step::Nothing(None) }); // 6
    }
    if let Some(invalid) = facts.invalid {
        return Err(Step::Stall(invalid.clone())); // 10
    }
    let started = progress.started_at.is_some();
    if let Some(until) = terms.valid_until.filter(|until| !started && *until <= *now) {
        return Err(Step::Finish(End::NeverBegun(until))); // 8
    }
    if let (Workspace::Ready { organisation }, Some(pinned)) = (facts.workspace, facts.pinned)
        && organisation != pinned
    {
        let message = format!(
            "it began in organisation {pinned}, the workspace is now organisation {organisation}; point workspaceRef back, or delete it"
        );
        return Err(Step::Stall(Explanation::new(reason::WORKSPACE_CHANGED, message))); // 3
    }
    if facts.suspended && !started {
        return Err(suspended()); // 7
    }
    if let Some(begin) = terms.not_before.filter(|begin| !started && *begin > *now) {
        let message = format!("begins at {begin}");
        return Err(Step::Wait(Explanation::new(reason::PENDING, message), Some(begin))); // 9
    }
    if let Workspace::NotReady(message) = facts.workspace {
        let until = terms.valid_until.filter(|_| !started);
        return Err(Step::Wait(Explanation::new(reason::WORKSPACE_NOT_READY, message), until)); // 4
    }
    Ok(())
}

/// Nothing is sent on request.
pub(crate) fn suspended() -> Step {
    Step::Wait(on_request(), None)
}

/// What is told of it.
pub(crate) fn on_request() -> Explanation {
    Explanation::new(reason::SUSPENDED, "suspended on request")
}

/// A finished task stays as it is, until its time is over.
fn after_the_end(facts: &Facts<'_>, finished: &str) -> Step {
    if facts.finalizer {
        return Step::RemoveFinalizer;
    }
    let over = finished.parse::<Timestamp>().ok().zip(facts.terms.ttl_seconds);
    let over = over.and_then(|(at, ttl)| at.checked_add(SignedDuration::from_secs(ttl.into())).ok());
    match over.filter(|_| !facts.deleting && !facts.tracked) {
        Some(over) if over <= facts.now => Step::Delete,
        over => Step::Nothing(over),
    }
}

/// Whether anything more is sent, as far as status and spec tell.
pub(crate) fn stop(progress: &Progress, terms: &Terms, suspended: bool, now: Timestamp) -> Stop {
    let Some(started) = progress.started_at.as_ref().and_then(|at| at.parse::<Timestamp>().ok()) else {
        return if suspended { Stop::Suspended } else { Stop::No };
    };
    let deadline =
        terms.active_seconds.and_then(|s| started.checked_add(SignedDuration::from_secs(s.into())).ok());
    if let Some(deadline) = deadline.filter(|deadline| *deadline <= now) {
        return Stop::Over(deadline, OverWhy::Deadline); // 8
    }
    let counts = progress.targets.unwrap_or_default();
    let failed = u64::try_from(counts.failed + counts.unknown).unwrap_or_default();
    let total = u64::try_from(counts.total).unwrap_or_default();
    if terms.max_failed.is_some_and(|most| failed > most.of(total)) {
        return Stop::Over(now, OverWhy::Failures); // 8
    }
    if suspended { Stop::Suspended } else { Stop::No } // 7
}

/// When the time of a task that has begun is over.
pub(crate) fn deadline(progress: &Progress, terms: &Terms) -> Option<Timestamp> {
    let started = progress.started_at.as_ref()?.parse::<Timestamp>().ok()?;
    started.checked_add(SignedDuration::from_secs(terms.active_seconds?.into())).ok()
}

/// A task whose window is closed: what is left of its targets, and what may be done about them.
pub(crate) struct Left<'a> {
    /// Whoever has no answer, ascending.
    pub(crate) targets: &'a [Id],
    /// Devices that all of them disturb.
    pub(crate) disturbed: u64,
    /// May all of them be disturbed? Otherwise the text of the trip.
    pub(crate) guard: &'a dyn Fn(u64) -> Result<(), String>,
}

/// The rows of the table for a task without an open window, whose targets are known.
pub(crate) fn next_window(facts: &Facts<'_>, left: &Left<'_>) -> Step {
    let Facts { progress, terms, .. } = facts;
    let started = progress.started_at.is_some();
    let all = u64::try_from(left.targets.len()).unwrap_or(u64::MAX);
    if !started && terms.irreversible && all > 0 && terms.confirmed != Some(all) {
        return Step::Stall(Explanation::new(reason::CONFIRMATION_NEEDED, unconfirmed(all, terms.confirmed))); // 12
    }
    if let Err(trip) = (left.guard)(left.disturbed) {
        return Step::Stall(Explanation::new(reason::GUARD_TRIPPED, trip)); // 13
    }
    if left.targets.is_empty() {
        return Step::Finish(End::of(progress, terms, Stop::No)); // 17
    }
    if !facts.finalizer {
        return Step::AddFinalizer; // 14
    }
    Step::Open(left.targets.iter().take(terms.window).cloned().collect()) // 15
}

fn unconfirmed(all: u64, confirmed: Option<u64>) -> String {
    let them = if all == 1 { "1 target" } else { &format!("{all} targets") };
    let before = confirmed.map(|n| format!(" (it says {n})")).unwrap_or_default();
    format!("this cannot be taken back and would be done to {them}: set confirm.targets: {all}{before}")
}
