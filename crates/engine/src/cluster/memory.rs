//! What this process remembers of an object besides its status: failures, and creates under way.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::{
    decide::{error_policy::Verdict, known::Trouble, taken::Accepted},
    kind::{
        Id,
        spec::{CommonStatus, Rejected},
    },
    session::{batch::RetryGroup, pause},
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

/// What is remembered of every object, so it is kept small.
#[derive(Debug, Default)]
struct Entry {
    attempt: Option<Box<(String, Attempt)>>,
    shown: Option<(Option<Box<str>>, bool)>,
    heard: Option<Timestamp>,
    passing: Option<Timestamp>,
    differs: bool,
    forgiven: bool,
    saw_definition: bool,
    rare: Option<Box<Rare>>,
}

/// What is remembered of those that something happened to.
#[derive(Debug, Default)]
struct Rare {
    trouble: Option<(Trouble, Option<i64>)>,
    failing: Failing,
    accepted: Option<(Option<i64>, HashMap<u64, Accepted>)>,
    rejected: Option<Rejected>,
    retry_group: Option<RetryGroup>,
    deleted: Option<Timestamp>,
    waits: Option<(&'static str, Timestamp)>,
    doubted: Option<Doubted>,
    /// Digests of Secrets whose values were sent, by path, until the status holds them.
    carried: BTreeMap<String, String>,
}

/// A refusal that put in doubt what is known of the object.
#[derive(Clone, Copy, Debug)]
struct Doubted {
    generation: Option<i64>,
    reason: &'static str,
    at: Timestamp,
}

impl Entry {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// Failures in a row, of whatever kind: that the object is in step otherwise ends no row.
#[derive(Clone, Copy, Debug, Default)]
struct Failing {
    generation: Option<i64>,
    times: u32,
    /// A failure at this time or later begins a row of its own.
    over: Option<Timestamp>,
    /// Digest of what the last one said.
    said: u64,
}

/// Entries by uid, dropped with the object.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<HashMap<String, Entry>>);

/// A row of failures is over when nothing failed for as long as the last pause once more, and for this long: the turn
/// after a pause may be long in coming.
const CALM: Duration = Duration::from_secs(600);
/// What was read after a refusal is not read again before this time for being refused alike: it was not what misled.
const READ_FOR: SignedDuration = SignedDuration::from_mins(1);

impl Memory {
    /// The last failure, unless the spec changed since.
    pub(crate) fn trouble(&self, uid: &str, generation: Option<i64>) -> Option<Trouble> {
        self.rare(uid, |rare| rare.trouble.clone())
            .filter(|(_, at)| *at == generation)
            .map(|(trouble, _)| trouble)
    }

    /// Until when nothing is tried for the object.
    pub(crate) fn paused(&self, uid: &str, generation: Option<i64>, now: Timestamp) -> Option<Timestamp> {
        self.trouble(uid, generation).map(|trouble| trouble.until).filter(|until| *until > now)
    }

    /// Notes a failure and how long to pause. Early wake-ups make no attempts, so they cannot make the pause longer.
    pub(crate) fn failed(&self, uid: &str, verdict: &Verdict, generation: Option<i64>, now: Timestamp) {
        self.failed_with((uid, generation), verdict, now, pause::Spread::draw());
    }

    /// The same for one of many who failed together and come back together: their pauses are spread alike. True if the last
    /// failure of the row did not say the same.
    pub(crate) fn failed_with(
        &self,
        (uid, generation): (&str, Option<i64>),
        verdict: &Verdict,
        now: Timestamp,
        spread: pause::Spread,
    ) -> bool {
        let says = digest(&verdict.message);
        self.with(uid, |e| {
            let e = e.rare();
            let Failing { generation: at, times, over, said } = e.failing;
            let same = at == generation && over.is_some_and(|over| now < over);
            let times = if same { times.saturating_add(1) } else { 1 };
            let pause = spread.of(verdict.next.pause(times));
            let until = pause::after(now, pause);
            let over = Some(pause::after(until, pause.max(CALM)));
            e.failing = Failing { generation, times, over, said: says };
            let trouble = Trouble {
                reason: verdict.reason,
                message: verdict.message.clone(),
                effect: verdict.effect,
                until,
            };
            e.trouble = Some((trouble, generation));
            !same || said != says
        })
    }

    /// A change of the object succeeded.
    pub(crate) fn succeeded(&self, uid: &str) {
        self.rare(uid, |rare| {
            rare.trouble = None;
            rare.failing = Failing::default();
            rare.rejected = None;
            rare.retry_group = None;
            rare.doubted = None;
            None::<()>
        });
    }

    /// A refusal for this reason is news, so that what is known of the object may be wrong; of those that are alike, one a
    /// minute is.
    pub(crate) fn doubts_anew(
        &self,
        uid: &str,
        generation: Option<i64>,
        reason: &'static str,
        now: Timestamp,
    ) -> bool {
        self.with(uid, |e| {
            let doubted = &mut e.rare().doubted;
            let same = |d: &Doubted| d.generation == generation && d.reason == reason;
            let anew = !doubted.is_some_and(|d| same(&d) && now.duration_since(d.at) < READ_FOR);
            if anew {
                *doubted = Some(Doubted { generation, reason, at: now });
            }
            anew
        })
    }

    /// The object is in step. What failed meanwhile, such as a read for its report, keeps its pause.
    pub(crate) fn in_step(&self, uid: &str, now: Timestamp) {
        self.with(uid, |e| {
            let Some(rare) = &mut e.rare else { return };
            rare.trouble.take_if(|(trouble, _)| trouble.until <= now);
            rare.rejected = None;
            rare.retry_group = None;
            rare.doubted = None;
        });
    }

    /// emnify accepted a correction.
    pub(crate) fn accepted(&self, uid: &str, generation: Option<i64>, what: u64, now: Timestamp) {
        self.with(uid, |e| {
            let (at, all) = e.rare().accepted.get_or_insert_with(|| (generation, HashMap::new()));
            if *at != generation {
                (*at, *all) = (generation, HashMap::new());
            }
            all.retain(|_, accepted| !accepted.is_over(now));
            let accepted = Accepted::again(all.get(&what).copied(), now);
            all.insert(what, accepted);
        });
    }

    /// Until when a correction is not sent again that was undone too often.
    pub(crate) fn undone(
        &self,
        uid: &str,
        generation: Option<i64>,
        what: u64,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.rare(uid, |rare| {
            let (_, all) = rare.accepted.as_ref().filter(|(at, _)| *at == generation)?;
            all.get(&what)?.until(now)
        })
    }

    /// When the first of such corrections may be sent again.
    pub(crate) fn undone_until(&self, uid: &str, now: Timestamp) -> Option<Timestamp> {
        self.rare(uid, |rare| {
            rare.accepted.as_ref()?.1.values().filter_map(|accepted| accepted.until(now)).min()
        })
    }

    pub(crate) fn attempt(&self, uid: &str, nonce: &str) -> Option<Attempt> {
        self.with(uid, |e| {
            e.attempt.as_deref().filter(|(n, _)| n == nonce).map(|(_, attempt)| attempt.clone())
        })
    }

    pub(crate) fn set_attempt(&self, uid: &str, nonce: &str, attempt: Attempt) {
        self.with(uid, |e| e.attempt = Some(Box::new((nonce.to_owned(), attempt))));
    }

    /// The status holds what the create made.
    pub(crate) fn end_attempt(&self, uid: &str) {
        self.with(uid, |e| e.attempt = None);
    }

    pub(crate) fn reject(&self, uid: &str, rejected: Rejected) {
        self.with(uid, |e| e.rare().rejected = Some(rejected));
    }

    /// What refused the object's requests is over: they are sent once more.
    pub(crate) fn forgive(&self, uid: &str) {
        self.with(uid, |e| {
            if let Some(rare) = &mut e.rare {
                rare.trouble = None;
                rare.rejected = None;
            }
            e.forgiven = true;
        });
    }

    /// True once after that, for the status to forget it as well.
    pub(crate) fn take_forgiven(&self, uid: &str) -> bool {
        self.with(uid, |e| std::mem::take(&mut e.forgiven))
    }

    /// The last refusal, which the status may not hold yet.
    pub(crate) fn rejected(&self, uid: &str) -> Option<Rejected> {
        self.rare(uid, |rare| rare.rejected.clone())
    }

    /// emnify took these values of Secrets, which the status does not tell yet.
    pub(crate) fn carry(&self, uid: &str, digests: BTreeMap<String, String>) {
        if !digests.is_empty() {
            self.with(uid, |e| e.rare().carried.extend(digests));
        }
    }

    /// What was sent since the status was last written, if anything.
    pub(crate) fn carried(&self, uid: &str) -> Option<BTreeMap<String, String>> {
        self.rare(uid, |rare| Some(rare.carried.clone()).filter(|carried| !carried.is_empty()))
    }

    /// The status holds what it says of what was sent.
    pub(crate) fn told_of(&self, uid: &str, status: &CommonStatus) {
        self.rare(uid, |rare| {
            rare.carried.retain(|path, digest| status.input(path) != Some(digest));
            None::<()>
        });
    }

    /// After a failed bulk call its members share calls with their half only.
    pub(crate) fn set_cohort(&self, uid: &str, retry_group: RetryGroup) {
        self.with(uid, |e| e.rare().retry_group = Some(retry_group));
    }

    pub(crate) fn retry_group(&self, uid: &str) -> Option<RetryGroup> {
        self.rare(uid, |rare| rare.retry_group)
    }

    /// True if the id or the deletion of the object changed since those who refer to it were told.
    pub(crate) fn shows_anew(&self, uid: &str, id: Option<&str>, deleting: bool) -> bool {
        self.with(uid, |e| {
            let before = e.shown.as_ref().map(|(id, deleting)| (id.as_deref(), *deleting));
            let anew = before != Some((id, deleting));
            if anew {
                e.shown = Some((id.map(Into::into), deleting));
            }
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

    /// Since when it waits for the same reason; anything else ends the wait.
    pub(crate) fn waits_since(&self, uid: &str, reason: Option<&'static str>, now: Timestamp) -> Timestamp {
        self.with(uid, |e| {
            let before = e.rare.as_ref().and_then(|rare| rare.waits);
            let waits = reason.map(|reason| match before {
                Some((same, since)) if same == reason => (same, since),
                _ => (reason, now),
            });
            if waits != before {
                e.rare().waits = waits;
            }
            waits.map_or(now, |(_, since)| since)
        })
    }

    /// Since when it was told to wait for this reason.
    pub(crate) fn waiting_since(&self, uid: &str, reason: &str) -> Option<Timestamp> {
        self.rare(uid, |rare| rare.waits).filter(|(same, _)| *same == reason).map(|(_, since)| since)
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
        self.with(uid, |e| *e.rare().deleted.get_or_insert(now))
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
        self.rare(uid, |rare| {
            let carried = std::mem::take(&mut rare.carried);
            *rare = Rare { deleted: rare.deleted, waits: rare.waits, carried, ..Rare::default() };
            None::<()>
        });
    }

    pub(crate) fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }

    /// Forgets corrections that have stayed, and what was rare and is over: a fleet that came up has some for each device.
    pub(crate) fn tidy(&self, now: Timestamp) {
        let mut all = self.0.lock();
        for entry in all.values_mut() {
            entry.rare.take_if(|rare| {
                let Rare {
                    trouble,
                    failing,
                    accepted,
                    rejected,
                    retry_group,
                    deleted,
                    waits,
                    doubted,
                    carried,
                } = &mut **rare;
                doubted.take_if(|doubted| now.duration_since(doubted.at) >= READ_FOR);
                accepted.take_if(|(_, all)| all.values().all(|accepted| accepted.is_over(now)));
                let failed = failing.over.is_some_and(|over| now < over);
                let nothing = trouble.is_none() && rejected.is_none() && retry_group.is_none();
                let nothing = nothing
                    && deleted.is_none()
                    && waits.is_none()
                    && doubted.is_none()
                    && carried.is_empty();
                nothing && accepted.is_none() && !failed
            });
        }
        all.shrink_to_fit();
    }

    /// Looks at, or takes back, what is remembered of few.
    fn rare<T>(&self, uid: &str, f: impl FnOnce(&mut Rare) -> Option<T>) -> Option<T> {
        f(self.0.lock().get_mut(uid)?.rare.as_deref_mut()?)
    }

    fn with<T>(&self, uid: &str, f: impl FnOnce(&mut Entry) -> T) -> T {
        let mut all = self.0.lock();
        f(all.entry(uid.to_owned()).or_default())
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
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

    #[test]
    fn the_same_in_a_row_of_failures_is_no_news() {
        let memory = Memory::default();
        let fails = |message: &str, generation, second| {
            let verdict = Verdict::from(&Error::Unavailable { message: message.into() });
            memory.failed_with(("u", Some(generation)), &verdict, at(second), pause::Spread::draw())
        };
        assert!(fails("503", 1, 0) && !fails("503", 1, 5), "said once");
        memory.in_step("u", at(60));
        assert!(!fails("503", 1, 70), "that it is in step otherwise ends no row");
        assert!(fails("504", 1, 80) && fails("504", 2, 85), "another text, and another generation");
        assert!(fails("504", 2, 100_000), "a row of its own");
        memory.succeeded("u");
        assert!(fails("504", 2, 100_001));
    }

    #[test]
    fn one_refusal_a_minute_of_those_that_are_alike_puts_what_is_known_in_doubt() {
        let memory = Memory::default();
        let doubts =
            |reason, second, generation| memory.doubts_anew("u", Some(generation), reason, at(second));
        assert!(doubts("Conflict", 0, 1), "the first");
        assert!(!doubts("Conflict", 1, 1) && !doubts("Conflict", 59, 1), "what was read since did not help");
        assert!(doubts("Conflict", 60, 1), "a minute may have changed it");
        assert!(doubts("NotFound", 61, 1), "emnify says something else");
        assert!(doubts("NotFound", 62, 2), "something else is asked");
        memory.succeeded("u");
        assert!(doubts("NotFound", 63, 2), "a refusal after a success is news");
        memory.in_step("u", at(63));
        assert!(doubts("NotFound", 64, 2), "so is one of an object that was in step");
        memory.tidy(at(200));
        assert!(memory.0.lock()["u"].rare.is_none(), "nothing is kept of it");
    }

    #[test]
    fn what_stayed_is_forgotten_and_what_did_not_is_kept() {
        let memory = Memory::default();
        memory.accepted("stays", Some(1), 7, at(0));
        for second in [0, 1, 2] {
            memory.accepted("undone", Some(1), 7, at(second));
        }
        memory.tidy(at(60));
        assert!(memory.0.lock()["stays"].rare.is_some(), "it may still be undone");
        memory.tidy(at(1_900));
        assert!(memory.0.lock()["stays"].rare.is_none());
        memory.tidy(at(60));
        assert!(memory.undone("undone", Some(1), 7, at(60)).is_some());
        let verdict = Verdict::from(&Error::Unavailable { message: "503".into() });
        memory.failed("fails", &verdict, Some(1), at(0));
        memory.tidy(at(1));
        assert!(memory.paused("fails", Some(1), at(0)).is_some(), "a pause outlasts it");
    }

    #[test]
    fn ten_thousand_objects_in_step_take_little_room() {
        assert!(size_of::<Entry>() <= 128, "{} bytes", size_of::<Entry>());
    }
}
