//! From an error to everything that follows from it: one table.

use std::time::Duration;

use emnify::Error;
use jiff::{SignedDuration, Timestamp};

use crate::{kind::reason, session::pause};

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Not before the spec, the resolved ids or a refresh request changes.
    OnChange,
    /// With a growing pause, up to this long.
    Backoff(Duration),
    /// Something else stands in the way and has to go first; the same, from three seconds on.
    Cleared,
    /// The door is closed for everybody; the budget knows until when.
    Reopen,
    /// Look at emnify before doing anything else.
    Observe,
    /// The object is not there: prove it.
    Absent,
    /// A read said that it is not there: hear that once more before it is believed.
    Confirm,
    /// The workspace's own business.
    Workspace,
}

impl Next {
    /// How long nothing of the object is tried, after so many failures in a row and before jitter. Never nothing: what
    /// else would end the wait may be asked for as often as somebody looks.
    pub(crate) fn pause(self, failures: u32) -> Duration {
        match self {
            Self::Backoff(most) => pause::growing(failures, most),
            Self::OnChange | Self::Observe => pause::growing(failures, TEN_MINUTES),
            Self::Cleared | Self::Absent => pause::doubling(READ_BACK, failures, TEN_MINUTES),
            Self::Confirm => pause::doubling(CONFIRM, failures, TEN_MINUTES),
            Self::Reopen => pause::growing(failures, DOOR),
            Self::Workspace => pause::doubling(PROBE, failures, MOST_PROBE),
        }
    }
}

/// How `Ready` moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Stays as it is while true for the current generation, else false and reconciling.
    Keep,
    /// False and reconciling.
    Working,
    /// False and stalled: a person must act.
    Stalled,
}

/// How a wait moves `Ready`. A person who must act is no wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Stays as it is while true for the current generation, else false and reconciling.
    Keep,
    /// False and reconciling.
    Working,
}

impl From<Waiting> for Effect {
    fn from(waiting: Waiting) -> Self {
        match waiting {
            Waiting::Keep => Self::Keep,
            Waiting::Working => Self::Working,
        }
    }
}

/// What an error means for the object it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Reason of `Synced=False`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// When to go on.
    pub next: Next,
    /// What becomes of `Ready`.
    pub effect: Effect,
}

const TEN_MINUTES: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);
/// The door itself opens after a pause of its own; an object that was turned away stays away for at most this long.
const DOOR: Duration = Duration::from_secs(120);
/// A call that looks before it acts asks as often as it is sent, and such a refusal has the object read as well: together no
/// more than seven times in the first minute.
const READ_BACK: Duration = Duration::from_secs(3);
/// However it is spread, the mirror believes the second of two answers so far apart.
const CONFIRM: Duration = Duration::from_secs(40);
/// First and longest pause of an object whose caller was refused.
const PROBE: Duration = Duration::from_secs(30);
const MOST_PROBE: Duration = Duration::from_secs(330);

/// Waits that people hear of by an event, whoever waits: an object, a set or a member of one. Stalls are all told.
const TOLD: &[&str] = &[
    reason::REFERENCE_NOT_READY,
    reason::IN_USE,
    reason::GUARD_TRIPPED,
    reason::NO_ADDRESS_AVAILABLE,
    reason::CONFLICT,
    reason::OUTCOME_UNKNOWN,
    reason::UNREADABLE,
];

/// Of those, the ones that do not end by themselves.
const AT_ONCE: &[&str] = &[reason::GUARD_TRIPPED, reason::NO_ADDRESS_AVAILABLE, reason::UNREADABLE];

/// A wait that is shorter is nobody's concern: what is applied or deleted together sorts itself out.
const A_WHILE: SignedDuration = SignedDuration::from_secs(30);

/// Worth an event: a person must act, or may want to know.
pub(crate) fn is_told(reason: &str, effect: Effect) -> bool {
    effect == Effect::Stalled || TOLD.contains(&reason)
}

/// Worth an event however short it lasts.
pub(crate) fn is_told_at_once(reason: &str, effect: Effect) -> bool {
    effect == Effect::Stalled || AT_ONCE.contains(&reason)
}

/// When a wait that began at `since` is worth an event, if it ever is. Whoever waits has to look again then.
pub(crate) fn told_at(reason: &str, waiting: Waiting, since: Timestamp) -> Option<Timestamp> {
    let patience = if AT_ONCE.contains(&reason) { SignedDuration::ZERO } else { A_WHILE };
    is_told(reason, waiting.into()).then(|| since.checked_add(patience).ok())?
}

impl From<&Error> for Verdict {
    fn from(error: &Error) -> Self {
        let (reason, next, effect) = match error {
            Error::Rejected { .. } => (reason::REJECTED, Next::OnChange, Effect::Stalled),
            Error::NotFound { .. } => (reason::NOT_FOUND, Next::Absent, Effect::Keep),
            Error::Capacity { .. } => {
                (reason::NO_ADDRESS_AVAILABLE, Next::Backoff(TEN_MINUTES), Effect::Working)
            }
            Error::Conflict { .. } => (reason::CONFLICT, Next::Cleared, Effect::Keep),
            Error::Unauthorized { .. } | Error::OtherOrganisation { .. } => {
                (reason::UNAUTHORIZED, Next::Workspace, Effect::Keep)
            }
            Error::Throttled { .. } => (reason::THROTTLED, Next::Reopen, Effect::Keep),
            Error::Ambiguous { .. } => (reason::OUTCOME_UNKNOWN, Next::Observe, Effect::Keep),
            Error::Unavailable { .. } => (reason::UNAVAILABLE, Next::Backoff(TEN_MINUTES), Effect::Keep),
            Error::Unreadable { .. } => (reason::UNREADABLE, Next::Backoff(HOUR), Effect::Keep),
        };
        Self { reason, message: error.to_string(), next, effect }
    }
}

/// emnify said that the object does not exist, and nothing else agrees yet.
pub(crate) fn unconfirmed() -> Verdict {
    Verdict {
        reason: reason::OBSERVING,
        message: "emnify says that the object does not exist; that is asked once more before it is believed"
            .into(),
        next: Next::Confirm,
        effect: Effect::Keep,
    }
}

/// A call that disturbs was not sent, because the count could not be written into the workspace's status.
pub(crate) fn uncounted() -> Verdict {
    Verdict {
        reason: reason::PROGRESSING,
        message: "waits until the workspace's status holds how many devices are disturbed".into(),
        next: Next::Backoff(Duration::from_secs(60)),
        effect: Effect::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_wide_problem_is_not_told_on_objects() {
        for error in [
            Error::Unauthorized { status: 401, message: String::new() },
            Error::Throttled { retry_after: None },
        ] {
            let verdict = Verdict::from(&error);
            let told = is_told(verdict.reason, verdict.effect);
            assert!(!told && verdict.effect == Effect::Keep, "{error} is the workspace's business");
        }
    }

    #[test]
    fn only_a_refusal_of_this_object_stalls_it() {
        let rejected = Error::Rejected { status: 422, code: Some(1400), message: "name".into() };
        assert_eq!(Verdict::from(&rejected).effect, Effect::Stalled);
        assert_eq!(Verdict::from(&rejected).next, Next::OnChange, "the same request is not sent again");
        let unavailable = Error::Unavailable { message: "503".into() };
        assert_eq!(Verdict::from(&unavailable).effect, Effect::Keep, "an outage never lowers Ready");
        let ambiguous = Error::Ambiguous { message: "reset".into() };
        assert_eq!(Verdict::from(&ambiguous).next, Next::Observe, "never repeated blindly");
    }

    #[test]
    fn every_error_has_its_row() {
        use Effect::{Keep, Stalled, Working};
        let text = String::new;
        let rows = [
            (
                Error::Rejected { status: 400, code: None, message: text() },
                (reason::REJECTED, Next::OnChange, Stalled, true),
            ),
            (Error::NotFound { message: text() }, (reason::NOT_FOUND, Next::Absent, Keep, false)),
            (
                Error::Capacity { message: text() },
                (reason::NO_ADDRESS_AVAILABLE, Next::Backoff(TEN_MINUTES), Working, true),
            ),
            (Error::Conflict { code: None, message: text() }, (reason::CONFLICT, Next::Cleared, Keep, true)),
            (
                Error::Unauthorized { status: 401, message: text() },
                (reason::UNAUTHORIZED, Next::Workspace, Keep, false),
            ),
            (
                Error::OtherOrganisation { pinned: 1, found: 2, name: text() },
                (reason::UNAUTHORIZED, Next::Workspace, Keep, false),
            ),
            (Error::Throttled { retry_after: None }, (reason::THROTTLED, Next::Reopen, Keep, false)),
            (Error::Ambiguous { message: text() }, (reason::OUTCOME_UNKNOWN, Next::Observe, Keep, true)),
            (
                Error::Unavailable { message: text() },
                (reason::UNAVAILABLE, Next::Backoff(TEN_MINUTES), Keep, false),
            ),
            (Error::Unreadable { message: text() }, (reason::UNREADABLE, Next::Backoff(HOUR), Keep, true)),
        ];
        for (error, row) in rows {
            let v = Verdict::from(&error);
            let told = is_told(v.reason, v.effect);
            assert_eq!((v.reason, v.next, v.effect, told), row, "{}", error.kind());
            assert_eq!(v.message, error.to_string(), "{}: people read what emnify said", error.kind());
        }
    }

    #[test]
    fn every_failure_has_a_pause_that_grows() {
        for next in [
            Next::OnChange,
            Next::Backoff(TEN_MINUTES),
            Next::Cleared,
            Next::Reopen,
            Next::Observe,
            Next::Absent,
            Next::Workspace,
        ] {
            assert!(next.pause(1) >= Duration::from_secs(1), "{next:?}: nothing is repeated without a pause");
            assert!(next.pause(3) > next.pause(1), "{next:?}: what goes on failing is tried more rarely");
        }
    }
}
