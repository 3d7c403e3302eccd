//! Whose turn it is: pure, it is told what time it is.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use crate::session::queue::Item;

/// Requests per second.
const SHARE: f64 = 0.02;
/// With listings every so often, or more rarely, [`SHARE`] holds; with more frequent ones it grows in proportion.
const SWEEP: Duration = Duration::from_secs(300);
const LARGEST_SHARE: f64 = 1.0;
/// So many reads may be made up for at once: those of a small workspace.
const BURST: f64 = 10.0;
/// Nothing is read before the session has had nothing else to send for so long.
const QUIET: Duration = Duration::from_secs(10);
/// A session that is busy for longer is read all the same, one piece each time.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often a busy session is looked at again.
const POLL: Duration = Duration::from_secs(2);
/// A turn that led to nothing is given up.
const LOST: Duration = Duration::from_secs(300);

/// How the rotation stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScrubSnapshot {
    /// Pieces that are read in turn.
    pub pieces: usize,
    /// How old a piece may become until it is read again.
    pub rotation: Duration,
    /// Those of them that people have asked for.
    pub asked_for: usize,
    /// Requests per second that it may make.
    pub share: f64,
}

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Turn {
    /// Kinds of few objects, whose pieces are as fresh as their listing, while the share allows.
    Sweep,
    /// Everything else that was read before, oldest first.
    Again,
    /// What was never read and only the report needs, newest object first: somebody may be looking at it.
    First,
}

/// Whose turn it is while all of them have something due. A third of the share keeps slow pieces from standing still.
const ORDER: [Turn; 6] = [Turn::Sweep, Turn::Sweep, Turn::Again, Turn::Sweep, Turn::Sweep, Turn::First];

/// Pieces of one object that are read in one kind of turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    pub(crate) turn: Turn,
    /// When the oldest is due.
    pub(crate) at: Instant,
    /// How many.
    pub(crate) pieces: usize,
    /// How old they may become even if the share allows more.
    pub(crate) every: Duration,
    /// People have asked for them: the share grows by what that takes.
    pub(crate) asked_for: bool,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Read a piece of this object.
    Take(Item),
    /// Look again then, or when something changed.
    At(Instant),
    /// Look again when something changed.
    Changed,
}

#[derive(Debug)]
struct Object {
    item: Item,
    dues: Vec<Due>,
}

#[derive(Debug)]
pub(crate) struct Rotation {
    objects: BTreeMap<u64, Object>,
    numbers: HashMap<String, u64>,
    /// By when they are due.
    sweep: BTreeSet<(Instant, u64)>,
    again: BTreeSet<(Instant, u64)>,
    /// By when they came.
    first: BTreeSet<u64>,
    pieces: usize,
    everies: BTreeMap<Duration, usize>,
    /// Pieces that people have asked for, by how old they may become.
    asked_for: BTreeMap<Duration, usize>,
    sequence: u64,
    /// Place in [`ORDER`].
    place: usize,
    share: f64,
    level: f64,
    as_of: Instant,
    quiet_from: Instant,
    held_since: Option<Instant>,
    /// The object whose turn it is.
    taken: Option<(String, Turn, Instant)>,
}

impl Rotation {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            objects: BTreeMap::new(),
            numbers: HashMap::new(),
            sweep: BTreeSet::new(),
            again: BTreeSet::new(),
            first: BTreeSet::new(),
            pieces: 0,
            everies: BTreeMap::new(),
            asked_for: BTreeMap::new(),
            sequence: 0,
            place: 0,
            share: SHARE,
            level: BURST,
            as_of: now,
            quiet_from: now,
            held_since: None,
            taken: None,
        }
    }

    pub(crate) fn set_sweep_every(&mut self, every: Option<Duration>) {
        let every = every.unwrap_or(SWEEP).max(Duration::from_secs(1));
        self.share = (SHARE * (SWEEP.as_secs_f64() / every.as_secs_f64()).max(1.0)).min(LARGEST_SHARE);
    }

    /// True if the next turn may have moved.
    pub(crate) fn put(&mut self, item: Item, dues: &[Due]) -> bool {
        let freed = self.free(&item.uid);
        let known = self.numbers.get(&item.uid).copied();
        if let Some(object) = known.and_then(|number| self.objects.get(&number))
            && object.dues == dues
        {
            return freed;
        }
        let came = known.unwrap_or(self.sequence + 1);
        self.remove(&item.uid);
        if dues.is_empty() {
            return freed;
        }
        self.sequence = self.sequence.max(came);
        for due in dues {
            self.pieces += due.pieces;
            *self.everies.entry(due.every).or_default() += 1;
            if due.asked_for {
                *self.asked_for.entry(due.every).or_default() += due.pieces;
            }
            match due.turn {
                Turn::Sweep => drop(self.sweep.insert((due.at, came))),
                Turn::Again => drop(self.again.insert((due.at, came))),
                Turn::First => drop(self.first.insert(came)),
            }
        }
        self.numbers.insert(item.uid.clone(), came);
        self.objects.insert(came, Object { item, dues: dues.to_vec() });
        true
    }

    pub(crate) fn remove(&mut self, uid: &str) {
        self.free(uid);
        let Some(number) = self.numbers.remove(uid) else { return };
        let Some(object) = self.objects.remove(&number) else { return };
        for due in object.dues {
            self.pieces -= due.pieces;
            if let Some(count) = self.everies.get_mut(&due.every) {
                *count -= 1;
            }
            if let Some(count) = self.asked_for.get_mut(&due.every).filter(|_| due.asked_for) {
                *count -= due.pieces;
            }
            match due.turn {
                Turn::Sweep => self.sweep.remove(&(due.at, number)),
                Turn::Again => self.again.remove(&(due.at, number)),
                Turn::First => self.first.remove(&number),
            };
        }
        self.everies.retain(|_, count| *count > 0);
        self.asked_for.retain(|_, count| *count > 0);
    }

    /// True if it was the turn of this object.
    fn free(&mut self, uid: &str) -> bool {
        self.taken.take_if(|(taken, ..)| taken == uid).is_some()
    }

    pub(crate) fn turn(&self, uid: &str) -> Option<Turn> {
        self.taken.as_ref().filter(|(taken, ..)| taken == uid).map(|(_, turn, _)| *turn)
    }

    pub(crate) fn snapshot(&self) -> ScrubSnapshot {
        let longest = self.everies.last_key_value().map_or(Duration::ZERO, |(every, _)| *every);
        let share = self.share();
        let walk = Duration::from_secs_f64(to_f64(self.pieces) / share);
        let asked_for = self.asked_for.values().sum();
        ScrubSnapshot { pieces: self.pieces, rotation: walk.max(longest), asked_for, share }
    }

    /// Requests per second: the usual ones, and those that people have asked for.
    fn share(&self) -> f64 {
        let asked_for =
            self.asked_for.iter().map(|(every, count)| to_f64(*count) / every.as_secs_f64().max(1.0));
        (self.share + asked_for.sum::<f64>()).min(LARGEST_SHARE)
    }

    /// Takes the next object, if one is due, the share allows it and the session has nothing better to do.
    pub(crate) fn next(&mut self, now: Instant, busy: bool) -> Next {
        if let Some((.., since)) = &self.taken
            && now < *since + LOST
        {
            return Next::At(*since + LOST);
        }
        self.taken = None;
        if busy {
            self.quiet_from = now;
        }
        let Some((turn, number)) = self.choose(now) else {
            let dues = [&self.sweep, &self.again].into_iter().filter_map(|dues| dues.first());
            return dues.map(|(at, _)| *at).min().map_or(Next::Changed, Next::At);
        };
        let passed = now.saturating_duration_since(self.as_of).as_secs_f64();
        let share = self.share();
        self.level = (self.level + passed * share).min(BURST);
        self.as_of = now;
        if self.level < 1.0 {
            let wait = Duration::from_secs_f64((1.0 - self.level) / share);
            return Next::At(now + wait + Duration::from_millis(1));
        }
        if now < self.quiet_from + QUIET && now < *self.held_since.get_or_insert(now) + PATIENCE {
            return Next::At((self.quiet_from + QUIET).min(now + POLL));
        }
        self.held_since = None;
        self.level -= 1.0;
        self.take(turn, number, now)
    }

    /// The turn and the object that come next.
    fn choose(&mut self, now: Instant) -> Option<(Turn, u64)> {
        let due = |dues: &BTreeSet<(Instant, u64)>| {
            dues.first().filter(|(at, _)| *at <= now).map(|(_, number)| *number)
        };
        for step in 0..ORDER.len() {
            let place = (self.place + step) % ORDER.len();
            let turn = ORDER[place];
            let number = match turn {
                Turn::Sweep => due(&self.sweep),
                Turn::Again => due(&self.again),
                Turn::First => self.first.last().copied(),
            };
            if let Some(number) = number {
                self.place = place;
                return Some((turn, number));
            }
        }
        None
    }

    fn take(&mut self, turn: Turn, number: u64, now: Instant) -> Next {
        self.place = (self.place + 1) % ORDER.len();
        let Some(object) = self.objects.get(&number) else { return Next::Changed };
        let item = object.item.clone();
        // it comes back when the read is over; if it does not, nobody stands in the way of the others
        self.remove(&item.uid);
        self.taken = Some((item.uid.clone(), turn, now));
        Next::Take(item)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of objects are far below 2^52")]
fn to_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
