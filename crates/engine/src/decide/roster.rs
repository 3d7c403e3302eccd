//! Who is a member and what is known of it: a few bytes each.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt,
    num::ParseIntError,
    str::FromStr,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::taken::Accepted;
use crate::{kind::set::Failure, session::batch::RetryGroup};

/// So many accepted corrections are remembered; an edit of a large fleet makes more than that, and few of them matter.
const ACCEPTED: usize = 20_000;

/// Where a member stands, as it was last assessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// Something changed: assess it.
    #[default]
    Unknown,
    /// Nothing can be said before emnify was read.
    Waiting,
    /// One read of it settles a doubt.
    Doubted,
    /// Pieces of it that no listing shows have to be read first.
    Partial,
    /// Does not exist.
    Missing,
    /// Needs a change that disturbs nobody.
    Quiet,
    /// Needs a change that may cut it off or re-price it.
    Disturbing,
    /// Left as it is by the partition.
    Partitioned,
    /// Differs in a way that is reported only.
    Drifted,
    /// In step.
    Settled,
    /// Something is wrong with this one; see [`Roster::failures`].
    Failed,
}

impl MemberState {
    /// The next look may find something else without anything having changed about the member itself.
    pub(crate) fn is_open(self) -> bool {
        self.is_doubt() || self == Self::Failed
    }

    /// Emnify has to be asked before anything can be said.
    pub(crate) fn is_doubt(self) -> bool {
        matches!(self, Self::Unknown | Self::Waiting | Self::Doubted | Self::Partial)
    }

    /// Something of it is still to be made.
    pub(crate) fn is_beginning(self) -> bool {
        self.is_doubt() || matches!(self, Self::Missing | Self::Quiet)
    }
}

/// One wanted member.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the member")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    /// What it holds.
    pub(crate) pool: i64,
    /// Its own id, once it is the set's; 0 before.
    pub(crate) id: i64,
    /// Where it stands.
    pub(crate) stand: MemberState,
    /// The state of the member before it was last in doubt.
    pub(crate) last: MemberState,
    /// The set created it.
    pub(crate) made: bool,
    /// It was in step with this generation: what differs now is drift.
    pub(crate) settled: bool,
    /// A change that disturbs it was sent, and it does not serve again yet.
    pub(crate) counted: bool,
    /// Its create activates it.
    pub(crate) starts: bool,
}

impl Slot {
    /// How things are remembered of it.
    pub(crate) fn key(&self) -> MemberKey {
        MemberKey::Wanted(self.pool)
    }

    /// Where it stands as far as is known: a doubt alone changes nothing.
    pub(crate) fn shown(&self) -> MemberState {
        if self.stand.is_doubt() { self.last } else { self.stand }
    }

    /// A read has to tell whether what holds it is a member.
    pub(crate) fn is_nameless(&self) -> bool {
        self.id == 0 && self.stand == MemberState::Doubted
    }
}

/// A member that has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// Its own id.
    pub(crate) id: i64,
    /// What it holds, or held when it was last seen; 0 for nothing.
    pub(crate) pool: i64,
    /// The set created it, which is consent to delete it.
    pub(crate) made: bool,
}

impl Departure {
    /// How things are remembered of it.
    pub(crate) fn key(&self) -> MemberKey {
        MemberKey::Departing(self.id)
    }
}

/// A member, as things are remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum MemberKey {
    /// One that is to leave, by its own id: what it holds may be another's already.
    Departing(i64),
    /// A wanted one, by what it holds: it may have no id yet.
    Wanted(i64),
}

impl MemberKey {
    /// What a wanted member holds.
    pub(crate) fn wanted(self) -> Option<i64> {
        match self {
            Self::Wanted(pool) => Some(pool),
            Self::Departing(_) => None,
        }
    }

    /// It is one that is to leave.
    pub(crate) fn departs(self) -> bool {
        matches!(self, Self::Departing(_))
    }
}

/// As statuses keep it: the id of what a member holds, or after a minus the own id of one that leaves.
impl fmt::Display for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wanted(pool) => write!(f, "{pool}"),
            Self::Departing(id) => write!(f, "-{id}"),
        }
    }
}

impl FromStr for MemberKey {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        match text.strip_prefix('-') {
            Some(id) => id.parse().map(Self::Departing),
            None => text.parse().map(Self::Wanted),
        }
    }
}

/// Why a member stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// For people.
    pub(crate) failure: Failure,
    /// Digest of the refused change: another one may be sent at once.
    pub(crate) refused: Option<String>,
    /// Nothing, or not the refused change, is tried before this time; without one the failure is found anew at each look.
    pub(crate) until: Option<Timestamp>,
    /// Attempts that failed.
    pub(crate) tries: u32,
}

/// A create of which it is not known what it made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsure {
    /// A complete listing begun at this time or later proves that it made nothing.
    pub(crate) proof: Timestamp,
    /// It was refused together with others: not every one of them may have failed.
    pub(crate) refused: bool,
}

/// A member that the guard counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// When the last call that disturbs it was sent.
    pub(crate) at: Timestamp,
    /// Some such call was not refused.
    pub(crate) sure: bool,
    /// More calls follow.
    pub(crate) open: bool,
    /// An approval allowed it, which says nothing of the next edit.
    pub(crate) approved: bool,
}

/// Everything that is remembered of one set.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Wanted members in rollout order.
    pub(crate) slots: Vec<Slot>,
    /// Members that are no longer wanted, newest first.
    pub(crate) departures: Vec<Departure>,
    /// What is wrong. Only those that fail are here.
    pub(crate) failures: BTreeMap<MemberKey, Trouble>,
    /// Members of failed calls share calls with their own half only, until they are through.
    pub(crate) retry_groups: HashMap<MemberKey, RetryGroup>,
    /// Creates of unknown outcome, also those under way, by what the member holds.
    pub(crate) unsure: HashMap<i64, Unsure>,
    /// Members that were disturbed and do not serve again yet: when the change was sent.
    pub(crate) disturbed: HashMap<i64, Timestamp>,
    /// Corrections that emnify accepted lately.
    pub(crate) accepted: HashMap<(MemberKey, u64), Accepted>,
    /// Members that the guard counts.
    pub(crate) counts: HashMap<MemberKey, Counted>,
    /// Activations sent in the window.
    pub(crate) activated: VecDeque<(Timestamp, u64)>,
    /// Activations that are written down and not sent yet, and since when.
    pub(crate) reserved: Option<(Timestamp, u64)>,
    /// Some member looks different at this time even if nothing happens.
    pub(crate) due: Option<Timestamp>,
    /// Who is a member has changed since others were told.
    pub(crate) moved: bool,
}

impl Roster {
    /// Takes a new choice; what is known of those who stay is kept. Returns those that
    /// the set made and no longer wants.
    pub(crate) fn choose(&mut self, chosen: &[i64]) -> Vec<Slot> {
        if self.slots.len() == chosen.len() && self.slots.iter().zip(chosen).all(|(s, p)| s.pool == *p) {
            return Vec::new();
        }
        self.moved = true;
        let mut old: HashMap<i64, Slot> =
            std::mem::take(&mut self.slots).into_iter().map(|slot| (slot.pool, slot)).collect();
        self.slots = chosen
            .iter()
            .map(|pool| {
                let fresh = Slot { pool: *pool, ..Slot::default() };
                // its place in the order may matter to the partition
                old.remove(pool).map_or(fresh, |slot| Slot { stand: MemberState::Unknown, ..slot })
            })
            .collect();
        for pool in old.keys() {
            self.failures.remove(&MemberKey::Wanted(*pool));
            self.retry_groups.remove(&MemberKey::Wanted(*pool));
            self.disturbed.remove(pool);
        }
        old.into_values().filter(|slot| slot.id != 0 && slot.made).collect()
    }

    /// Everything is assessed again.
    pub(crate) fn doubt_all(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.stand = MemberState::Unknown);
    }

    /// Members whose rows changed are assessed again: those that hold one of `pools`, and those with one of `ids`.
    pub(crate) fn doubt(&mut self, pools: &HashSet<i64>, ids: &HashSet<i64>) {
        if pools.is_empty() && ids.is_empty() {
            return;
        }
        for slot in &mut self.slots {
            if pools.contains(&slot.pool) || ids.contains(&slot.id) {
                slot.stand = MemberState::Unknown;
            }
        }
    }

    /// The spec changed: refusals are forgotten, and what differs is an edit.
    pub(crate) fn edited(&mut self) {
        self.failures.clear();
        self.accepted.clear();
        self.retry_groups.clear();
        self.counts.retain(|_, counted| !counted.approved);
        for slot in &mut self.slots {
            slot.settled = false;
            slot.counted = false;
            slot.stand = MemberState::Unknown;
            slot.last = MemberState::Unknown;
        }
    }

    /// emnify accepted these corrections of members.
    pub(crate) fn accept(&mut self, corrections: impl Iterator<Item = (MemberKey, u64)>, now: Timestamp) {
        self.accepted.retain(|_, accepted| !accepted.is_over(now));
        for what in corrections {
            let before = self.accepted.get(&what).copied();
            if before.is_some() || self.accepted.len() < ACCEPTED {
                self.accepted.insert(what, Accepted::again(before, now));
            }
        }
    }

    /// Until when the member's correction is not sent again, because it was undone too often.
    pub(crate) fn undone(&self, key: MemberKey, correction: u64, now: Timestamp) -> Option<Timestamp> {
        self.accepted.get(&(key, correction))?.until(now)
    }

    /// Writes down that so many activations are about to be sent. What is over is forgotten.
    pub(crate) fn reserve(&mut self, members: u64, window: Duration, now: Timestamp) {
        let window = SignedDuration::try_from(window).unwrap_or(SignedDuration::MAX);
        let over = |at: &Timestamp| now.duration_since(*at) >= window;
        self.activated.retain(|(at, _)| !over(at));
        let kept = self.reserved.filter(|(at, n)| !over(at) && *n >= members);
        self.reserved = kept.or_else(|| (members > 0).then_some((now, members)));
    }

    /// What the status keeps of it: times to the end of their minute, so that it is short.
    pub(crate) fn kept_activations(&self) -> Vec<(Timestamp, u64)> {
        let mut all: BTreeMap<i64, u64> = BTreeMap::new();
        for (at, n) in self.activated.iter().chain(&self.reserved) {
            *all.entry((at.as_second() + 59) / 60 * 60).or_default() += n;
        }
        all.into_iter().filter_map(|(at, n)| Some((Timestamp::from_second(at).ok()?, n))).collect()
    }

    /// Leavers that are gone leave nothing behind.
    pub(crate) fn tidy(&mut self) {
        let departures: HashSet<MemberKey> = self.departures.iter().map(Departure::key).collect();
        self.failures.retain(|key, _| !key.departs() || departures.contains(key));
        self.retry_groups.retain(|key, _| !key.departs() || departures.contains(key));
    }

    /// Leavers that something is wrong with.
    pub(crate) fn stuck(&self) -> usize {
        self.failures.keys().filter(|key| key.departs()).count()
    }

    /// Number of slots that stand so.
    pub(crate) fn count(&self, stand: MemberState) -> u64 {
        self.slots.iter().filter(|slot| slot.stand == stand).map(|_| 1).sum()
    }

    /// The same as far as is known, whatever is in doubt.
    pub(crate) fn shown(&self, stand: MemberState) -> u64 {
        self.slots.iter().filter(|slot| slot.shown() == stand).map(|_| 1).sum()
    }

    /// Seats without an id whose create was sent: they may exist.
    pub(crate) fn begun(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.id == 0 && (slot.made || self.unsure.contains_key(&slot.pool)))
    }

    /// Members that are, or may be, out of service because of us.
    pub(crate) fn unavailable(&self) -> u64 {
        u64::try_from(self.disturbed.len()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_costs_a_few_bytes() {
        assert!(size_of::<Slot>() <= 24, "a hundred thousand of them are 2.4 MB");
    }

    #[test]
    fn a_new_choice_keeps_what_is_known_of_those_who_stay() {
        let mut roster = Roster::default();
        roster.choose(&[1, 2, 3]);
        roster.slots[1] = Slot { pool: 2, id: 20, made: true, settled: true, ..Slot::default() };
        roster.slots[2] = Slot { pool: 3, id: 30, made: true, ..Slot::default() };
        let gone = roster.choose(&[4, 2]);
        assert_eq!(
            gone.iter().map(|s| s.id).collect::<Vec<_>>(),
            [30],
            "who exists and is unwanted has to go"
        );
        assert_eq!(roster.slots[1].id, 20);
        assert!(roster.slots[1].settled, "it was in step and still is");
    }
}
