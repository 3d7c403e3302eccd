//! What the hints of a session have said: they mark entries of the mirror and never prove anything.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use emnify::wire::event::Event;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

use super::pace::Allowance;

/// Sweeps that hints ask for are at least so far apart, per kind.
const SWEEPS_APART: Duration = Duration::from_secs(120);
/// However long we go on making objects, a sweep does not wait longer.
const PATIENCE: Duration = Duration::from_secs(600);
/// So many creates that wait, or were answered within [`CALM`], are a mass of them.
const MASS: usize = 20;
/// Calls of a mass of creates may be so far apart.
const CALM: Duration = Duration::from_secs(30);
/// Events about the organisation that are kept for its Workspaces.
const NOTES: usize = 200;
/// What events say is written for at most 20 objects per second.
const SLOT: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct Kind {
    allowance: Allowance,
    /// A sweep that began since then is wished for, by the wall clock and by ours.
    wished: Option<(Timestamp, Instant)>,
    swept: Option<Instant>,
}

#[derive(Debug, Default)]
struct Inner {
    position: Option<Timestamp>,
    kinds: BTreeMap<&'static str, Kind>,
    slot: Option<Instant>,
    /// When a mass of creates was last seen.
    mass: Option<Instant>,
    /// How many objects were made, and since when they are counted.
    made: (usize, Option<Instant>),
    /// Events about the organisation, numbered from 1.
    notes: VecDeque<(u64, Event, Timestamp)>,
    noted: u64,
}

/// What the hints of one session share.
#[derive(Debug)]
pub struct Hints {
    started: Instant,
    inner: Mutex<Inner>,
    hurried: Notify,
}

impl Default for Hints {
    fn default() -> Self {
        Self { started: Instant::now(), inner: Mutex::default(), hurried: Notify::new() }
    }
}

impl Hints {
    /// Where the event log was read to, by the server's clock; a later process may continue there.
    pub fn position(&self) -> Option<Timestamp> {
        self.lock().position
    }

    /// Where to begin, before the session is served; and how far the log was read since.
    pub fn set_position(&self, position: Option<Timestamp>) {
        self.lock().position = position;
    }

    /// Notes an event that is about no device and no SIM, for whoever tells of the organisation.
    pub(crate) fn note(&self, event: &Event, at: Timestamp) {
        if event.endpoint_id().is_some() || event.sim_id().is_some() {
            return;
        }
        let mut inner = self.lock();
        inner.noted += 1;
        let number = inner.noted;
        inner.notes.push_back((number, event.clone(), at));
        if inner.notes.len() > NOTES {
            inner.notes.pop_front();
        }
    }

    /// The last events that are about the organisation itself, after the one with this number, and the number of the last.
    pub fn notes(&self, after: u64) -> (u64, Vec<(Event, Timestamp)>) {
        let inner = self.lock();
        // the number is one of another session, which this one follows
        let after = if after > inner.noted { 0 } else { after };
        let new = inner.notes.iter().filter(|(number, ..)| *number > after);
        (inner.noted, new.map(|(_, event, at)| (event.clone(), *at)).collect())
    }

    /// Something happened that somebody waits to hear of: the event log is read at once.
    pub(crate) fn hurry(&self) {
        self.hurried.notify_one();
    }

    /// Resolves when somebody waits to hear of something.
    pub(crate) async fn hurried(&self) {
        self.hurried.notified().await;
    }

    /// One object was made. A set waits once for all of its members, so what waits does not tell enough.
    pub(crate) fn made(&self) {
        let (now, mut inner) = (Instant::now(), self.lock());
        if inner.made.1.is_none_or(|since| now - since >= CALM) {
            inner.made = (0, Some(now));
        }
        inner.made.0 += 1;
        if inner.made.0 > MASS {
            inner.mass = Some(now);
        }
    }

    /// The status of what was made is written only now: a mass lasts until everyone's is, however slow Kubernetes is.
    pub(crate) fn bound(&self) {
        let mut inner = self.lock();
        if inner.mass.is_some_and(|mass| mass.elapsed() < CALM) {
            inner.mass = Some(Instant::now());
        }
    }

    /// `waiting` creates wait now: objects are being made in mass, or were a moment ago.
    pub(crate) fn creating(&self, waiting: usize) -> bool {
        let mut inner = self.lock();
        if waiting > MASS {
            inner.mass = Some(Instant::now());
        }
        inner.mass.is_some_and(|mass| mass.elapsed() < CALM)
    }

    /// How many of `wanted` single reads may be caused, for a kind of `size` objects.
    pub(crate) fn allow(&self, kind: &'static str, wanted: usize, size: usize) -> usize {
        let now = self.started.elapsed();
        self.lock().kinds.entry(kind).or_default().allowance.take(wanted, size, now)
    }

    /// A listing of `kind` that began at `now` or later is wished for, when there is time.
    pub(crate) fn wish(&self, kind: &'static str, now: Timestamp) {
        let mut inner = self.lock();
        let kind = inner.kinds.entry(kind).or_default();
        let since = kind.wished.map_or_else(Instant::now, |(_, since)| since);
        kind.wished = Some((now, since));
    }

    /// Wishes whose time has come.
    pub(crate) fn due(&self, creating: bool) -> Vec<(&'static str, Timestamp)> {
        let mut inner = self.lock();
        let mut due = Vec::new();
        for (name, kind) in &mut inner.kinds {
            let Some((at, since)) = kind.wished else { continue };
            let waits = creating && since.elapsed() < PATIENCE;
            if waits || kind.swept.is_some_and(|swept| swept.elapsed() < SWEEPS_APART) {
                continue;
            }
            kind.wished = None;
            kind.swept = Some(Instant::now());
            due.push((*name, at));
        }
        due
    }

    /// The next moment at which news may be written for one object.
    pub(crate) fn slot(&self) -> Instant {
        let mut inner = self.lock();
        let slot = inner.slot.map_or_else(Instant::now, |slot| slot.max(Instant::now()));
        inner.slot = Some(slot + SLOT);
        slot
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wished_sweep_waits_while_objects_are_made_but_not_for_ever() {
        let hints = Hints::default();
        hints.wish("Toy", at(1));
        hints.wish("Toy", at(9));
        assert_eq!(hints.due(true), []);
        assert_eq!(hints.due(false), [("Toy", at(9))], "one sweep grants all wishes so far");
        assert_eq!(hints.due(false), []);
        hints.wish("Toy", at(20));
        assert_eq!(hints.due(false), [], "the last one was just now");
        tokio::time::advance(SWEEPS_APART).await;
        assert_eq!(hints.due(true), []);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(hints.due(true), [("Toy", at(20))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mass_of_creates_counts_until_it_is_calm() {
        let hints = Hints::default();
        assert!(!hints.creating(3), "a few are nothing special");
        assert!(hints.creating(2_000));
        tokio::time::advance(CALM / 2).await;
        assert!(hints.creating(0), "one call may be under way and the next one gather");
        tokio::time::advance(CALM).await;
        assert!(!hints.creating(0));
        (0..3_000).for_each(|_| hints.made());
        assert!(hints.creating(1), "a set with many members waits once");
        tokio::time::advance(CALM).await;
        assert!(!hints.creating(1));
        for _ in 0..60 {
            hints.made();
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert!(!hints.creating(1), "now and then one is no mass");
    }

    #[tokio::test(start_paused = true)]
    async fn news_is_written_for_twenty_objects_a_second() {
        let hints = Hints::default();
        let start = Instant::now();
        let slots: Vec<u128> = (0..3).map(|_| (hints.slot() - start).as_millis()).collect();
        assert_eq!(slots, [0, 50, 100]);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(hints.slot() - start, Duration::from_secs(5), "unused slots are not saved up");
    }
}
