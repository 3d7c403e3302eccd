//! What a task has come to: answers into the progress, and the end.

use jiff::Timestamp;

use super::window::{OpenWindow, OverWhy, Stop};
use crate::{
    decide::known::Explanation,
    kind::{
        Id, reason,
        task::{Note, Outcome, Progress, SHOWN_RESULTS, TargetCounts, TargetResult, Terms},
    },
};

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It did not begin in time.
    NeverBegun(Timestamp),
    /// Every target was carried out, or left alone on purpose.
    Complete(Explanation),
    /// Some were not.
    Failed(Explanation),
    /// Its time was over before its targets were.
    Deadline(String),
}

impl End {
    /// The end of a task with this progress, whose window is closed.
    pub(crate) fn of(progress: &Progress, terms: &Terms, stop: Stop) -> Self {
        let counts = progress.targets.unwrap_or_default();
        let told = done(&counts);
        let failed = |told: String| Explanation::new(reason::TARGETS_FAILED, told);
        let complete = |told: &str| Explanation::new(reason::COMPLETE, told);
        let only = progress.results.first().filter(|_| terms.lone);
        match stop {
            Stop::Over(_, OverWhy::Deadline) => {
                Self::Deadline(format!("activeDeadlineSeconds is over: {told}"))
            }
            Stop::Over(_, OverWhy::Failures) => {
                Self::Failed(failed(format!("more failed than maxFailedTargets allows: {told}")))
            }
            Stop::No | Stop::Suspended if counts.failed + counts.unknown > 0 => {
                Self::Failed(only.map_or_else(|| failed(told), |only| own(only, reason::TARGETS_FAILED)))
            }
            Stop::No | Stop::Suspended if counts.total == 0 => Self::Complete(complete("no target")),
            Stop::No | Stop::Suspended => {
                Self::Complete(only.map_or_else(|| complete(&told), |only| own(only, reason::COMPLETE)))
            }
        }
    }

    /// Everything was carried out.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, Self::Complete(_))
    }

    /// What conditions say of it.
    pub(crate) fn told(&self) -> Explanation {
        match self {
            Self::NeverBegun(until) => Explanation::new(
                reason::DEADLINE_EXCEEDED,
                format!("it did not begin before validUntil, {until}"),
            ),
            Self::Complete(told) | Self::Failed(told) => told.clone(),
            Self::Deadline(told) => Explanation::new(reason::DEADLINE_EXCEEDED, told.as_str()),
        }
    }
}

/// What became of the one target of a task is what became of the task.
fn own(result: &TargetResult, usual: &'static str) -> Explanation {
    let reason = result.reason.as_deref();
    let known = reason::ALL.iter().map(|(known, _)| *known).find(|known| Some(*known) == reason);
    let told = result.message.as_ref().or(result.detail.as_ref());
    Explanation::new(known.unwrap_or(usual), told.cloned().unwrap_or_default())
}

/// How far a task is, for people.
pub(crate) fn done(counts: &TargetCounts) -> String {
    let all = format!("{} of {} targets done", counts.answered(), counts.total);
    let besides = [(counts.failed, "failed"), (counts.unknown, "unknown"), (counts.skipped, "skipped")];
    let besides =
        besides.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}"));
    [all].into_iter().chain(besides).collect::<Vec<_>>().join(", ")
}

/// Messages of single targets are cut to this length: a hundred of them fit into a status.
const MESSAGE: usize = 240;

/// Writes the answers of a window into the progress; what is still open stays in it.
pub(crate) fn close(progress: &mut Progress, window: &OpenWindow, name: &dyn Fn(&Id) -> Option<String>) {
    let mut counts = progress.targets.unwrap_or_default();
    let total = usize::try_from(counts.total).unwrap_or(usize::MAX);
    let mut last = None;
    for (id, outcome) in window.answers() {
        let (count, result) = told(outcome);
        *match count {
            State::Succeeded => &mut counts.succeeded,
            State::Failed => &mut counts.failed,
            State::Unknown => &mut counts.unknown,
            State::Skipped => &mut counts.skipped,
        } += 1;
        let shown = count != State::Succeeded || total <= SHOWN_RESULTS;
        if shown && progress.results.len() < SHOWN_RESULTS {
            progress.results.push(TargetResult { target: id.to_string(), name: name(id), ..result });
        }
        last = Some(id.to_string());
    }
    progress.cursor = last.or(progress.cursor.take());
    progress.message = Some(done(&counts));
    progress.targets = Some(counts);
    progress.window = None;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Succeeded,
    Failed,
    Unknown,
    Skipped,
}

fn told(outcome: &Outcome) -> (State, TargetResult) {
    let said = |state: &str, reason: &str, message: &str| TargetResult {
        state: state.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(cut(message)),
        ..TargetResult::default()
    };
    match outcome {
        Outcome::Succeeded { id, detail } => {
            let result = TargetResult {
                state: "Succeeded".to_owned(),
                id: id.clone(),
                detail: detail.as_deref().map(cut),
                ..TargetResult::default()
            };
            (State::Succeeded, result)
        }
        Outcome::Noted(Note { reason, message, .. }) => {
            let unusual = (*reason != reason::COMPLETE).then(|| (*reason).to_owned());
            let (state, detail) = ("Succeeded".to_owned(), Some(cut(message)));
            (State::Succeeded, TargetResult { state, reason: unusual, detail, ..TargetResult::default() })
        }
        Outcome::Failed { reason, message } => (State::Failed, said("Failed", reason, message)),
        Outcome::Skipped { reason, message } => (State::Skipped, said("Skipped", reason, message)),
        // followed until it is something else
        Outcome::UnderWay(work) => (State::Unknown, said("Unknown", reason::OUTCOME_UNKNOWN, &work.id)),
        Outcome::Unknown(message) => (State::Unknown, said("Unknown", reason::OUTCOME_UNKNOWN, message)),
    }
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}
