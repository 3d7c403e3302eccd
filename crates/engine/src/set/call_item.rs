//! One member in a call: what sending it and its answer mean for the roster.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::{
    decide::roster::{Counted, MemberKey, Roster},
    kind::{
        Change, Id, Verb,
        set::{MemberChange, ObjectSet, Rollout},
    },
    session::{response::Disturbed, role::Doing},
};

/// One member's share of a call.
#[derive(Debug)]
pub(crate) struct CallItem<F: ObjectSet> {
    /// Which member it is.
    pub(crate) key: MemberKey,
    /// Its own id, if it exists.
    pub(crate) id: Option<Id>,
    pub(crate) change: MemberChange<F>,
}

/// What a call adds to the guard's count.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Members that were not counted.
    pub(crate) more: u64,
    /// Others, and when they were counted last.
    pub(crate) again: Vec<Timestamp>,
}

/// What was sent, before the answer: the guard, the window of activations and the rolling update count it.
pub(crate) fn sent<F: ObjectSet>(
    roster: &mut Roster,
    items: &[CallItem<F>],
    rollout: &Rollout,
    now: Timestamp,
) -> Added {
    let started = items.iter().filter(|call_item| call_item.change.activates()).map(|_| 1).sum::<u64>();
    if started > 0 {
        roster.activated.push_back((now, started));
        roster.reserved = roster.reserved.filter(|(_, n)| *n > started).map(|(at, n)| (at, n - started));
    }
    let mut added = Added::default();
    let disturbing: HashSet<MemberKey> =
        items.iter().filter(|call_item| call_item.disturbs()).map(|call_item| call_item.key).collect();
    if disturbing.is_empty() {
        return added;
    }
    for departure in &roster.departures {
        // it is the same device as the member that it was
        if let (true, Some(was)) =
            (disturbing.contains(&departure.key()), roster.counts.remove(&MemberKey::Wanted(departure.pool)))
        {
            roster.counts.entry(departure.key()).or_insert(was);
        }
    }
    for key in &disturbing {
        match roster.counts.insert(*key, Counted { at: now, sure: false, open: true, approved: false }) {
            Some(before) => {
                added.again.push(before.at);
                roster.counts.insert(*key, Counted { at: now, open: true, ..before });
            }
            None => added.more += 1,
        }
    }
    let exist: HashSet<MemberKey> =
        items.iter().filter(|call_item| call_item.id.is_some()).map(|call_item| call_item.key).collect();
    let slots = roster.slots.iter_mut().filter(|slot| disturbing.contains(&slot.key()));
    for slot in slots.filter(|slot| exist.contains(&slot.key())) {
        slot.counted = true;
        if rollout.max_unavailable.is_some() {
            roster.disturbed.insert(slot.pool, now);
        }
    }
    added
}

/// What the answer to a call tells of those whom it disturbs; returns how many were not disturbed after all.
pub(crate) fn answered<F: ObjectSet>(
    roster: &mut Roster,
    items: &[CallItem<F>],
    disturbed: Disturbed,
) -> u64 {
    let mut refunded = 0;
    if disturbed == Disturbed::No {
        // the latest first: it is those that were refused
        let mut refused =
            items.iter().filter(|call_item| call_item.change.activates()).map(|_| 1).sum::<u64>();
        for (_, n) in roster.activated.iter_mut().rev() {
            let less = refused.min(*n);
            *n -= less;
            refused -= less;
        }
        roster.activated.retain(|(_, n)| *n > 0);
    }
    for call_item in items.iter().filter(|call_item| call_item.disturbs()) {
        let Some(counted) = roster.counts.get_mut(&call_item.key) else { continue };
        match disturbed {
            Disturbed::Yes => counted.sure = true,
            Disturbed::No if !counted.sure => {
                roster.counts.remove(&call_item.key);
                refunded += 1;
            }
            Disturbed::No | Disturbed::Unsure => {}
        }
    }
    refunded
}

impl<F: ObjectSet> CallItem<F> {
    /// What the member holds that it makes, if it makes one.
    pub(crate) fn makes(&self) -> Option<i64> {
        self.key.wanted().filter(|_| self.id.is_none())
    }

    fn disturbs(&self) -> bool {
        self.change.class().disturbs > 0
    }
}

/// Nothing of the call's member is left after it.
pub(crate) fn ends<F: ObjectSet>(call_item: &CallItem<F>) -> bool {
    call_item.id.is_some() && call_item.change.class().verb == Verb::Delete
}

/// What the login needs to be allowed for it.
pub(crate) fn doing<F: ObjectSet>(call_item: &CallItem<F>) -> Doing {
    match (&call_item.id, ends(call_item)) {
        (None, _) => Doing::Create,
        (_, true) => Doing::Delete,
        _ => Doing::Update,
    }
}
