//! What is waiting to be sent in one session: at most one entry per object, most urgent lane first.
//!
//! Entries stand in lines: one per lane, kind, serial group and batch key. A line of changes that nobody waits for
//! (creates, repairs) gathers before it is served, so that what arrives together goes together.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use emnify::Lane;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::kind::{BatchKey, object_key::ObjectKey};

/// A line is served when nothing joined it for this long; twice as long where a mass waits, and once more as long for each
/// round of it.
const QUIET: Duration = Duration::from_secs(1);
/// A line that is joined all the time is served after this long; four times as long where a mass waits, and twice as long
/// for each round of it. A slow machine takes long to queue a mass, which is to cost no more calls for that.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that a line waits for more.
const MOST_PATIENCE: Duration = Duration::from_secs(60);
/// Rounds beyond this change nothing.
const MOST_ROUNDS: u32 = 2;
/// So many at once are a mass: more is likely to follow.
const MASS: usize = 20;
/// A mass is over when nothing of it was served for this long.
const OVER: Duration = Duration::from_secs(120);

/// People edit as long as something urgent came within this time.
const EDITING: Duration = Duration::from_secs(600);

/// One object that has something to send. What that is gets decided when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Where it is found.
    pub object: ObjectKey,
    /// Its uid: a namesake made later is somebody else.
    pub uid: String,
}

/// Which other entries may ride in the same call, and how many fill one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchHint {
    /// Equal keys may share a call.
    pub key: BatchKey,
    /// With so many the line does not wait for more.
    pub full: usize,
}

/// What entries of one line have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LineKey {
    lane: Lane,
    kind: &'static str,
    group: Option<&'static str>,
    batch: Option<BatchKey>,
}

/// An entry and since when it waits, in whichever lane.
#[derive(Debug)]
struct Waiting {
    item: Item,
    since: Instant,
}

#[derive(Debug)]
struct Line {
    waiting: BTreeMap<u64, Waiting>,
    full: usize,
    /// When it began to gather.
    since: Instant,
    /// When it was joined last.
    joined: Instant,
}

#[derive(Debug)]
struct Place {
    line: Arc<LineKey>,
    sequence: u64,
}

#[derive(Debug)]
struct Again {
    waiting: Waiting,
    line: LineKey,
    full: usize,
}

#[derive(Debug, Default)]
struct Inner {
    lines: BTreeMap<Arc<LineKey>, Line>,
    place: HashMap<String, Place>,
    /// By uid: what left its line and is under way.
    running: HashSet<String>,
    again: HashMap<String, Again>,
    busy: HashSet<&'static str>,
    paused_groups: HashMap<&'static str, Instant>,
    /// Lines that were served a mass, how often in a row, and when last.
    rounds: BTreeMap<Arc<LineKey>, (u32, Instant)>,
    /// When something came last that somebody waits for.
    edited: Option<Instant>,
    sequence: u64,
}

/// The queue of one session.
#[derive(Debug, Default)]
pub struct Queue(Arc<Entries>);

#[derive(Debug, Default)]
struct Entries {
    inner: Mutex<Inner>,
    moved: Notify,
}

/// A popped entry. Dropping it says that its call is over: what was pushed meanwhile waits again, and its group is free.
#[derive(Debug)]
pub struct Ticket {
    /// The object.
    pub item: Item,
    /// The lane it waited in.
    pub lane: Lane,
    /// When it began to wait.
    pub since: Instant,
    group: Option<&'static str>,
    entries: Arc<Entries>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.entries.done(&self.item, self.group);
    }
}

impl Ticket {
    /// Its calls go one after another with those of this group.
    pub fn group(&self) -> Option<&'static str> {
        self.group
    }
}

impl Queue {
    /// Adds an object, or moves it up if it waits in a less urgent lane. Entries that share `group` are sent one
    /// after another. Entries with a `batch_hint` wait for others in lanes where nobody waits for the answer.
    pub fn push(&self, item: Item, lane: Lane, group: Option<&'static str>, batch_hint: Option<BatchHint>) {
        let full = batch_hint.as_ref().map_or(1, |r| r.full);
        let line = LineKey { lane, kind: item.object.kind, group, batch: batch_hint.map(|r| r.key) };
        let waiting = Waiting { item, since: Instant::now() };
        let mut inner = self.lock();
        if lane <= Lane::Interactive {
            inner.edited = Some(waiting.since);
        }
        let uid = &waiting.item.uid;
        if inner.running.contains(uid) {
            match inner.again.get(uid) {
                Some(again) if again.line.lane < lane => {}
                _ => drop(inner.again.insert(uid.clone(), Again { waiting, line, full })),
            }
            return;
        }
        inner.insert(waiting, line, full);
        drop(inner);
        self.0.moved.notify_waiters();
    }

    /// Waits until something can be sent that is more urgent than `than` (or anything at all); its lane.
    pub async fn ready(&self, than: Option<Lane>) -> Lane {
        loop {
            let moved = self.0.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let (top, later) = self.lock().top(Instant::now());
            if let Some(lane) = top.map(|line| line.lane).filter(|lane| than.is_none_or(|t| *lane < t)) {
                return lane;
            }
            match later {
                Some(at) => tokio::select! {
                    () = moved => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => moved.await,
            }
        }
    }

    /// Takes the most urgent entry that is due and whose group is free.
    pub fn pop(&self) -> Option<Ticket> {
        let mut inner = self.lock();
        let now = Instant::now();
        let key = inner.top(now).0?;
        let line = inner.lines.get_mut(&key)?;
        let mass = key.gathers() && line.waiting.len() >= MASS;
        let (_, Waiting { item, since }) = line.waiting.pop_first()?;
        // those left behind gather anew
        line.since = now;
        if mass {
            let rounds = (inner.rounds_of(&key, now) + 1).min(MOST_ROUNDS);
            inner.rounds.retain(|_, (_, served)| now - *served < OVER);
            inner.rounds.insert(key.clone(), (rounds, now));
        }
        inner.left(&key, &item);
        inner.busy.extend(key.group);
        Some(Ticket { item, lane: key.lane, since, group: key.group, entries: self.0.clone() })
    }

    /// Objects of `kind` that wait with this batch key, in the order of their turns, at most `most`.
    pub fn peers(&self, kind: &str, batch: &BatchKey, most: usize) -> Vec<Item> {
        let inner = self.lock();
        let lines =
            inner.lines.iter().filter(|(key, _)| key.kind == kind && key.batch.as_ref() == Some(batch));
        lines.flat_map(|(_, line)| line.waiting.values()).take(most).map(|w| w.item.clone()).collect()
    }

    /// Takes one waiting object along in somebody else's call.
    pub fn take(&self, item: &Item) -> Option<Ticket> {
        let mut inner = self.lock();
        let Place { line: key, sequence } = inner.place.remove(&item.uid)?;
        let line = inner.lines.get_mut(&key)?;
        let Waiting { item, since } = line.waiting.remove(&sequence)?;
        inner.left(&key, &item);
        Some(Ticket { item, lane: key.lane, since, group: None, entries: self.0.clone() })
    }

    /// Nothing of `group` is sent before `until`: a call whose outcome is unknown may still be under way.
    pub fn pause_group(&self, group: &'static str, until: Instant) {
        let mut inner = self.lock();
        let paused_groups = inner.paused_groups.entry(group).or_insert(until);
        *paused_groups = until.max(*paused_groups);
    }

    /// People edit objects now, or did a moment ago.
    pub fn edits(&self) -> bool {
        self.lock().edited.is_some_and(|edited| edited.elapsed() < EDITING)
    }

    /// A call for the object of this uid is under way.
    pub fn carries(&self, uid: &str) -> bool {
        self.lock().running.contains(uid)
    }

    /// Number of entries that wait in `lane`.
    pub fn len(&self, lane: Lane) -> usize {
        let inner = self.lock();
        inner.lines.iter().filter(|(key, _)| key.lane == lane).map(|(_, line)| line.waiting.len()).sum()
    }

    /// How long the entry of `lane` that has waited longest waits by now.
    pub fn oldest(&self, lane: Lane) -> Option<Duration> {
        let inner = self.lock();
        let lines = inner.lines.iter().filter(|(key, _)| key.lane == lane);
        lines.flat_map(|(_, line)| line.waiting.values()).map(|waiting| waiting.since.elapsed()).max()
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Inner> {
        self.0.inner.lock()
    }
}

impl Entries {
    fn done(&self, item: &Item, group: Option<&'static str>) {
        let mut inner = self.inner.lock();
        inner.running.remove(&item.uid);
        if let Some(group) = group {
            inner.busy.remove(group);
        }
        if let Some(Again { waiting, line, full }) = inner.again.remove(&item.uid) {
            inner.insert(waiting, line, full);
        }
        drop(inner);
        self.moved.notify_waiters();
    }
}

impl Inner {
    fn insert(&mut self, mut waiting: Waiting, line: LineKey, full: usize) {
        let now = Instant::now();
        let uid = waiting.item.uid.clone();
        if let Some(place) = self.place.get(&uid) {
            if place.line.lane < line.lane || *place.line == line {
                return;
            }
            let Place { line: key, sequence } = self.place.remove(&uid).expect("it was just seen");
            if let Some(old) = self.lines.get_mut(&key) {
                // moving up does not make it younger
                waiting.since = old.waiting.remove(&sequence).map_or(waiting.since, |w| w.since);
                if old.waiting.is_empty() {
                    self.lines.remove(&key);
                }
            }
        }
        self.sequence += 1;
        let sequence = self.sequence;
        let key = self.lines.get_key_value(&line).map_or_else(|| Arc::new(line), |(key, _)| key.clone());
        self.place.insert(uid, Place { line: key.clone(), sequence });
        let line = self.lines.entry(key).or_insert_with(|| Line {
            waiting: BTreeMap::new(),
            full,
            since: now,
            joined: now,
        });
        line.full = full;
        line.joined = now;
        line.waiting.insert(sequence, waiting);
    }

    /// `item` left its line and is under way.
    fn left(&mut self, key: &Arc<LineKey>, item: &Item) {
        self.place.remove(&item.uid);
        self.running.insert(item.uid.clone());
        if self.lines.get(key).is_some_and(|line| line.waiting.is_empty()) {
            self.lines.remove(key);
        }
    }

    fn rounds_of(&self, key: &LineKey, now: Instant) -> u32 {
        self.rounds.get(key).filter(|(_, served)| now - *served < OVER).map_or(0, |(rounds, _)| *rounds)
    }

    /// The line to serve next, and when that may change without anybody pushing.
    fn top(&self, now: Instant) -> (Option<Arc<LineKey>>, Option<Instant>) {
        let mut best: Option<((Lane, u64), &Arc<LineKey>)> = None;
        let mut later: Option<Instant> = None;
        for (key, line) in &self.lines {
            let Some((first, _)) = line.waiting.first_key_value() else { continue };
            if key.group.is_some_and(|group| self.busy.contains(group)) {
                continue;
            }
            let free = key.group.and_then(|group| self.paused_groups.get(group)).copied();
            let due = line.due(key, self.rounds_of(key, now)).max(free);
            match due {
                Some(at) if at > now => later = Some(later.map_or(at, |l| l.min(at))),
                _ if best.is_none_or(|(turn, _)| (key.lane, *first) < turn) => {
                    best = Some(((key.lane, *first), key));
                }
                _ => {}
            }
        }
        (best.map(|(_, key)| key.clone()), later)
    }
}

impl LineKey {
    /// Nobody waits for the answer, so others may come along.
    fn gathers(&self) -> bool {
        self.batch.is_some() && matches!(self.lane, Lane::Create | Lane::Repair)
    }
}

impl Line {
    /// When it is served, after so many rounds of a mass; `None` is at once.
    fn due(&self, key: &LineKey, rounds: u32) -> Option<Instant> {
        let mass = self.waiting.len() >= MASS;
        let quiet = QUIET.saturating_mul(1 + rounds + u32::from(mass));
        let patience = PATIENCE.saturating_mul(if mass { 4 << rounds } else { 1 }).min(MOST_PATIENCE);
        (key.gathers() && self.waiting.len() < self.full)
            .then(|| (self.joined + quiet).min(self.since + patience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(uid: &str) -> Item {
        let object = ObjectKey { kind: "Toy", namespace: "d".into(), name: uid.into() };
        Item { object, uid: uid.into() }
    }

    #[test]
    fn an_edit_overtakes_queued_creates() {
        let queue = Queue::default();
        for i in 0..100 {
            queue.push(item(&format!("c{i}")), Lane::Create, Some("g"), None);
        }
        queue.push(item("edit"), Lane::Interactive, Some("g"), None);
        assert_eq!(queue.pop().unwrap().item.object.name, "edit");
    }

    #[test]
    fn an_object_waits_once_and_moves_up() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Create, None, None);
        queue.push(item("b"), Lane::Repair, None, None);
        queue.push(item("b"), Lane::Safety, None, None);
        queue.push(item("b"), Lane::Scrub, None, None);
        let first = queue.pop().unwrap();
        assert_eq!((first.item.object.name.as_str(), first.lane), ("b", Lane::Safety));
        assert_eq!(queue.pop().unwrap().item.object.name, "a");
        assert!(queue.pop().is_none(), "b waited once");
    }

    #[test]
    fn writes_of_one_group_never_overlap() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Create, Some("endpoint"), None);
        queue.push(item("b"), Lane::Create, Some("endpoint"), None);
        let first = queue.pop().unwrap();
        assert!(queue.pop().is_none(), "one write in flight");
        drop(first);
        assert_eq!(queue.pop().unwrap().item.object.name, "b");
    }

    #[test]
    fn a_call_that_panics_gives_back_its_place_and_its_group() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Create, Some("endpoint"), None);
        queue.push(item("b"), Lane::Create, Some("endpoint"), None);
        let call = std::panic::AssertUnwindSafe(|| {
            let _ticket = queue.pop().unwrap();
            panic!("a row without an id");
        });
        assert!(std::panic::catch_unwind(call).is_err());
        assert!(!queue.carries("a"), "nobody carries it any more");
        assert_eq!(queue.pop().unwrap().item.object.name, "b", "the group is free");
    }

    #[test]
    fn what_is_pushed_during_its_own_call_waits_again() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Create, None, None);
        let first = queue.pop().unwrap();
        queue.push(item("a"), Lane::Interactive, None, None);
        assert!(queue.pop().is_none(), "never twice at once");
        drop(first);
        assert_eq!(queue.pop().unwrap().lane, Lane::Interactive);
    }

    #[test]
    fn a_lane_holds_what_waits_and_not_what_is_under_way() {
        let queue = Queue::default();
        let holds = || (queue.len(Lane::Create), queue.len(Lane::Repair), queue.carries("a"));
        queue.push(item("a"), Lane::Create, None, None);
        assert_eq!(holds(), (1, 0, false));
        let first = queue.pop().unwrap();
        assert_eq!(holds(), (0, 0, true), "the call is not over");
        drop(first);
        assert_eq!(holds(), (0, 0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_moves_up_has_waited_as_long_as_before() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Repair, None, None);
        tokio::time::advance(Duration::from_secs(7)).await;
        queue.push(item("b"), Lane::Interactive, None, None);
        queue.push(item("a"), Lane::Interactive, None, None);
        assert_eq!(queue.oldest(Lane::Interactive), Some(Duration::from_secs(7)));
        assert_eq!(queue.oldest(Lane::Repair), None, "nothing waits there any more");
        assert_eq!(queue.pop().unwrap().since.elapsed(), Duration::ZERO, "b stands before a");
        assert_eq!(queue.pop().unwrap().since.elapsed(), Duration::from_secs(7));
    }

    #[tokio::test]
    async fn somebody_who_waits_for_less_hears_of_more_urgent_work() {
        let queue = std::sync::Arc::new(Queue::default());
        queue.push(item("a"), Lane::Create, None, None);
        let other = queue.clone();
        let waiting = tokio::spawn(async move { other.ready(Some(Lane::Create)).await });
        tokio::task::yield_now().await;
        queue.push(item("b"), Lane::Interactive, None, None);
        assert_eq!(waiting.await.unwrap(), Lane::Interactive);
    }

    fn batch_hint(key: &str, full: usize) -> BatchHint {
        BatchHint { key: BatchKey(key.into()), full }
    }

    #[tokio::test(start_paused = true)]
    async fn creates_gather_until_nothing_joins_for_a_second() {
        let queue = Queue::default();
        let start = Instant::now();
        for i in 0..3 {
            queue.push(item(&format!("c{i}")), Lane::Create, None, Some(batch_hint("create", 10)));
            tokio::time::advance(Duration::from_millis(600)).await;
        }
        assert!(queue.pop().is_none(), "more may come");
        assert_eq!(queue.ready(None).await, Lane::Create);
        assert_eq!(start.elapsed(), Duration::from_millis(1200) + QUIET, "a second after the last");
        assert_eq!(queue.peers("Toy", &BatchKey("create".into()), 10).len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_of_creates_is_sent_every_five_seconds_and_a_full_batch_at_once() {
        let queue = Queue::default();
        let start = Instant::now();
        for i in 0.. {
            queue.push(item(&format!("c{i}")), Lane::Create, None, Some(batch_hint("create", 100)));
            if queue.pop().is_some() {
                break;
            }
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        assert_eq!(start.elapsed(), PATIENCE);
        assert!(queue.pop().is_none(), "those left behind gather anew");
        for i in 100..200 {
            queue.push(item(&format!("c{i}")), Lane::Create, None, Some(batch_hint("create", 100)));
        }
        assert!(queue.pop().is_some(), "it is full");
    }

    /// Serves whatever is due, with all that wait in its line; how many those were.
    fn serve(queue: &Queue) -> Option<usize> {
        let first = queue.pop()?;
        let peers = queue.peers("Toy", &BatchKey("create".into()), 1000);
        let taken: Vec<_> = peers.iter().filter_map(|item| queue.take(item)).collect();
        let count = 1 + taken.len();
        taken.into_iter().chain([first]).for_each(drop);
        Some(count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_stream_is_sent_ever_less_often() {
        let queue = Queue::default();
        let (start, mut sent) = (Instant::now(), Vec::new());
        for i in 0..900 {
            queue.push(item(&format!("c{i}")), Lane::Create, None, Some(batch_hint("create", 1000)));
            if serve(&queue).is_some() {
                sent.push(start.elapsed().as_secs());
            }
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(sent, [20, 60], "20 s, then 40 s, and at most 60 s");
        tokio::time::advance(OVER).await;
        assert!(serve(&queue).is_some() && queue.pop().is_none(), "the rest of them");
        tokio::time::advance(OVER).await;
        queue.push(item("later"), Lane::Create, None, Some(batch_hint("create", 1000)));
        let start = Instant::now();
        queue.ready(None).await;
        assert_eq!(start.elapsed(), QUIET, "the mass is over");
    }

    #[tokio::test(start_paused = true)]
    async fn an_edit_never_gathers() {
        let queue = Queue::default();
        queue.push(item("c"), Lane::Create, Some("g"), Some(batch_hint("create", 10)));
        queue.push(item("e"), Lane::Interactive, Some("g"), Some(batch_hint("patch", 10)));
        assert_eq!(queue.pop().unwrap().item.object.name, "e");
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_group_waits_and_the_others_do_not() {
        let queue = Queue::default();
        queue.push(item("a"), Lane::Interactive, Some("g"), None);
        queue.push(item("b"), Lane::Scrub, None, None);
        let until = Instant::now() + Duration::from_secs(30);
        queue.pause_group("g", until);
        assert_eq!(queue.pop().unwrap().item.object.name, "b");
        assert_eq!(queue.ready(None).await, Lane::Interactive);
        assert_eq!(Instant::now(), until);
    }
}
