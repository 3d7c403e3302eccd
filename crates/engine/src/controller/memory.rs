//! What this process remembers of an object besides its status: failures, and creates under way.

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use rand::Rng;

use crate::{
    batch::Cohort,
    kind::Id,
    plan::Trouble,
    spec::Rejected,
    verdict::{Next, Verdict},
};

/// A create that this process recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Certainly not sent.
    Unsent,
    /// Sent at this time, without an id for an answer.
    Sent(Timestamp),
    /// Sent in a bulk call that was refused at this time: whether some of it was made, a listing begun later shows.
    Refused(Timestamp),
    /// It made this object.
    Made(Id),
}

#[derive(Clone, Debug, Default)]
struct Entry {
    trouble: Option<(Trouble, Option<i64>)>,
    failures: u32,
    attempt: Option<(String, Attempt)>,
    rejected: Option<Rejected>,
    cohort: Option<Cohort>,
    shown: Option<(Option<String>, bool)>,
    heard: Option<Timestamp>,
    saw_definition: bool,
    deleted: Option<Timestamp>,
    passing: Option<Timestamp>,
    differs: bool,
}

/// Entries by uid, dropped with the object.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<HashMap<String, Entry>>);

/// First pause after a failure.
const BASE: Duration = Duration::from_secs(1);

impl Memory {
    /// The last failure, unless the spec changed since.
    pub(crate) fn trouble(&self, uid: &str, generation: Option<i64>) -> Option<Trouble> {
        self.with(uid, |e| e.trouble.clone()).filter(|(_, at)| *at == generation).map(|(trouble, _)| trouble)
    }

    /// Notes a failure and how long to pause. Early wake-ups make no attempts, so they cannot make the pause longer.
    pub(crate) fn failed(&self, uid: &str, verdict: &Verdict, generation: Option<i64>, now: Timestamp) {
        let jitter = rand::rng().random_range(0.8..1.2);
        self.with(uid, |e| {
            let same = e.trouble.as_ref().is_some_and(|(_, at)| *at == generation);
            e.failures = if same { e.failures.saturating_add(1) } else { 1 };
            let pause = match verdict.next {
                Next::Backoff(cap) => BASE.saturating_mul(1 << (e.failures - 1).min(16)).min(cap),
                Next::Observe | Next::Absent => BASE,
                Next::Workspace => Duration::from_secs(30),
                Next::OnChange | Next::Reopen => Duration::ZERO,
            };
            let until =
                now.checked_add(SignedDuration::from_secs_f64(pause.as_secs_f64() * jitter)).unwrap_or(now);
            let trouble = Trouble {
                reason: verdict.reason,
                message: verdict.message.clone(),
                effect: verdict.effect,
                until,
            };
            e.trouble = Some((trouble, generation));
        });
    }

    pub(crate) fn succeeded(&self, uid: &str) {
        self.with(uid, |e| {
            e.trouble = None;
            e.failures = 0;
            e.cohort = None;
        });
    }

    pub(crate) fn attempt(&self, uid: &str, nonce: &str) -> Option<Attempt> {
        self.with(uid, |e| e.attempt.clone()).filter(|(n, _)| n == nonce).map(|(_, attempt)| attempt)
    }

    pub(crate) fn set_attempt(&self, uid: &str, nonce: &str, attempt: Attempt) {
        self.with(uid, |e| e.attempt = Some((nonce.to_owned(), attempt)));
    }

    pub(crate) fn reject(&self, uid: &str, rejected: Rejected) {
        self.with(uid, |e| e.rejected = Some(rejected));
    }

    pub(crate) fn take_rejected(&self, uid: &str) -> Option<Rejected> {
        self.with(uid, |e| e.rejected.take())
    }

    /// After a failed bulk call its members share calls with their half only.
    pub(crate) fn set_cohort(&self, uid: &str, cohort: Cohort) {
        self.with(uid, |e| e.cohort = Some(cohort));
    }

    pub(crate) fn cohort(&self, uid: &str) -> Option<Cohort> {
        self.with(uid, |e| e.cohort)
    }

    /// True if the id or the deletion of the object changed since those who refer to it were told.
    pub(crate) fn shows_anew(&self, uid: &str, id: Option<&str>, deleting: bool) -> bool {
        let now = (id.map(ToOwned::to_owned), deleting);
        self.with(uid, |e| {
            let anew = e.shown.as_ref() != Some(&now);
            e.shown = Some(now.clone());
            anew
        })
    }

    /// True if news about the object may be written now; otherwise how long to wait.
    pub(crate) fn may_tell(&self, uid: &str, now: Timestamp, every: SignedDuration) -> Result<(), Duration> {
        self.with(uid, |e| match e.heard {
            Some(last) if now.duration_since(last) < every => {
                Err(Duration::try_from(every - now.duration_since(last)).unwrap_or_default())
            }
            _ => {
                e.heard = Some(now);
                Ok(())
            }
        })
    }

    /// Since when the status in the cluster lags behind a step of the work.
    pub(crate) fn passing_since(&self, uid: &str, now: Timestamp) -> Timestamp {
        self.with(uid, |e| *e.passing.get_or_insert(now))
    }

    /// The status in the cluster says what is so.
    pub(crate) fn not_passing(&self, uid: &str) {
        self.with(uid, |e| e.passing = None);
    }

    /// Notes whether emnify differs from the spec though nobody edited it; true if that is news.
    pub(crate) fn differs_anew(&self, uid: &str, differs: bool) -> bool {
        self.with(uid, |e| std::mem::replace(&mut e.differs, differs) != differs)
    }

    /// Since when this process knows that the object is being deleted.
    pub(crate) fn deleted_since(&self, uid: &str, now: Timestamp) -> Timestamp {
        self.with(uid, |e| *e.deleted.get_or_insert(now))
    }

    /// The kind's definition was looked at since the object was deleted.
    pub(crate) fn saw_definition(&self, uid: &str) -> bool {
        self.with(uid, |e| e.saw_definition)
    }

    pub(crate) fn set_saw_definition(&self, uid: &str) {
        self.with(uid, |e| e.saw_definition = true);
    }

    /// Forgets failures, on request.
    pub(crate) fn refresh(&self, uid: &str) {
        self.with(uid, |e| {
            e.trouble = None;
            e.failures = 0;
            e.rejected = None;
            e.cohort = None;
        });
    }

    pub(crate) fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }

    fn with<T>(&self, uid: &str, f: impl FnOnce(&mut Entry) -> T) -> T {
        let mut all = self.0.lock();
        f(all.entry(uid.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use emnify::Error;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn pauses_grow_and_a_new_generation_starts_over() {
        let memory = Memory::default();
        let verdict = Verdict::from(&Error::Unavailable { message: "503".into() });
        let mut last = 0.0;
        for attempt in 0..4 {
            memory.failed("u", &verdict, Some(1), at(0));
            let pause = memory.trouble("u", Some(1)).unwrap().until.duration_since(at(0)).as_secs_f64();
            let expected = f64::from(1 << attempt);
            assert!((expected * 0.79..expected * 1.21).contains(&pause) && pause > last, "{pause}");
            last = pause;
        }
        assert_eq!(memory.trouble("u", Some(2)), None, "an edit is tried at once");
    }
}
