//! The open window: what may have been sent, target by target.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::kind::{
    Id,
    task::{Again, Outcome, Window, Work},
};

/// Whether anything more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It goes on.
    No,
    /// Not now.
    Suspended,
    /// Never, since this time.
    Over(Timestamp, OverWhy),
}

/// Why a task ends before its targets do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverWhy {
    /// `activeDeadlineSeconds` or `validUntil`.
    Deadline,
    /// `maxFailedTargets`.
    Failures,
}

/// One target of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Certainly not carried out.
    Fresh,
    /// A call for it is under way.
    Sending,
    /// It may have been carried out.
    Doubted {
        /// It was not sent before this time, by emnify's clock.
        since: Timestamp,
        /// From then on a reading that shows nothing is believed.
        believed: Timestamp,
        /// It is looked for, or sent again, no sooner than this.
        due: Timestamp,
    },
    /// emnify works on it.
    Followed {
        work: Work,
        /// Since when.
        since: Timestamp,
        /// When it was asked about last, or began.
        asked: Timestamp,
        /// It is asked what has become of it no sooner than this.
        due: Timestamp,
    },
    /// It has its answer.
    Answered(Outcome),
}

/// Work is asked about after this time, and ever less often, but no less often than the second.
const FOLLOWED: (SignedDuration, SignedDuration) =
    (SignedDuration::from_secs(5), SignedDuration::from_mins(5));

/// However often somebody says that it has moved on, it is asked about no more often than this.
const MOVED: SignedDuration = SignedDuration::from_secs(2);

/// The open window, as this process knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenWindow {
    pub(crate) nonce: String,
    slots: BTreeMap<Id, Slot>,
}

/// What the window needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Every target has its answer.
    Closed,
    /// This target is to be sent.
    Send(Id),
    /// It is to be found out what became of this target, sent at that time or later.
    Prove(Id, Timestamp),
    /// It is to be found out what has become of the work for this target, which began at that time.
    Follow(Id, Work, Timestamp),
    /// Nothing now; until this time, or until a call ends.
    Wait(Option<Timestamp>),
}

impl OpenWindow {
    /// The window that this process wrote: nothing of it was sent.
    pub(crate) fn own(window: &Window) -> Self {
        let slots = window.targets.iter().map(|id| (Id::parse(id), Slot::Fresh)).collect();
        Self { nonce: window.nonce.clone(), slots }
    }

    /// A window that another process wrote: all of it may have been sent, until that process was over. A trace is missing for certain
    /// from `believed` on.
    pub(crate) fn inherited(window: &Window, again: Again, believed: Timestamp, now: Timestamp) -> Self {
        // a time that cannot be read is no reason to take an old message for this one
        let since = window.since.parse().unwrap_or(now);
        let mut all = Self::own(window);
        for slot in all.slots.values_mut() {
            *slot = Slot::Doubted { since, believed, due: now };
            settle_doubt(slot, again);
        }
        all
    }

    /// What is next. Of those that may be sent, the lowest id comes first.
    pub(crate) fn next(&self, again: Again, stop: Stop, now: Timestamp) -> Next {
        if self.slots.values().any(|slot| *slot == Slot::Sending) {
            return Next::Wait(None);
        }
        let (mut fresh, mut followed, mut later) = (None, None, None::<Timestamp>);
        for (id, slot) in &self.slots {
            match slot {
                Slot::Fresh => fresh = fresh.or(Some(id)),
                Slot::Doubted { due, .. } | Slot::Followed { due, .. } if *due > now => {
                    later = Some(later.map_or(*due, |later| later.min(*due)));
                }
                Slot::Doubted { since, .. } if again == Again::Proof => {
                    return Next::Prove(id.clone(), *since);
                }
                Slot::Doubted { .. } if stop == Stop::No => return Next::Send(id.clone()),
                Slot::Followed { work, since, .. } => {
                    followed = followed.or_else(|| Some(Next::Follow(id.clone(), work.clone(), *since)));
                }
                // of what is doubted when nothing is sent any more there is nothing to read
                Slot::Answered(_) | Slot::Sending | Slot::Doubted { .. } => {}
            }
        }
        match fresh {
            Some(id) if stop == Stop::No => Next::Send(id.clone()),
            _ if followed.is_some() => followed.unwrap_or(Next::Closed),
            _ if self.slots.values().all(|slot| matches!(slot, Slot::Answered(_))) => Next::Closed,
            _ => Next::Wait(later),
        }
    }

    /// A call for the target begins; false if it must not, because the target has left the window or has its answer.
    #[must_use]
    pub(crate) fn sending(&mut self, id: &Id) -> bool {
        let due = matches!(self.slots.get(id), Some(Slot::Fresh | Slot::Doubted { .. }));
        if due {
            self.put(id, Slot::Sending);
        }
        due
    }

    /// The target has its answer, or emnify works on it from now on.
    pub(crate) fn answered(&mut self, id: &Id, outcome: Outcome, now: Timestamp) {
        self.put(
            id,
            match outcome {
                Outcome::UnderWay(work) => {
                    Slot::Followed { work, since: now, asked: now, due: soon(now, FOLLOWED.0) }
                }
                outcome => Slot::Answered(outcome),
            },
        );
    }

    /// The work for it goes on, or could not be asked about.
    pub(crate) fn goes_on(&mut self, id: &Id, now: Timestamp) {
        if let Some(Slot::Followed { since, asked, due, .. }) = self.slots.get_mut(id) {
            *asked = now;
            *due = soon(now, (now.duration_since(*since) / 10).clamp(FOLLOWED.0, FOLLOWED.1));
        }
    }

    /// Somebody says that this work has moved on. It is asked about, sooner than it would be; true if that is so.
    pub(crate) fn moved(&mut self, moved: &str, now: Timestamp) -> bool {
        let mut any = false;
        for slot in self.slots.values_mut() {
            let Slot::Followed { work, asked, due, .. } = slot else { continue };
            let sooner = soon(*asked, MOVED).max(now);
            if work.id == moved && sooner < *due {
                (*due, any) = (sooner, true);
            }
        }
        any
    }

    /// Nothing was sent, or what was sent certainly did nothing.
    pub(crate) fn not_sent(&mut self, id: &Id) {
        self.put(id, Slot::Fresh);
    }

    /// It may have been carried out.
    pub(crate) fn doubted(&mut self, id: &Id, doubt: Slot, again: Again) {
        let mut slot = doubt;
        settle_doubt(&mut slot, again);
        self.put(id, slot);
    }

    /// A reading shows no trace of it: it is sent again if that is believed by now, else looked for once more then.
    pub(crate) fn no_trace(&mut self, id: &Id, now: Timestamp) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let Slot::Doubted { believed, due, .. } = slot else { return };
        if *believed <= now {
            *slot = Slot::Fresh;
        } else {
            *due = *believed;
        }
    }

    /// The reading failed; it is tried again no sooner than that.
    pub(crate) fn unread(&mut self, id: &Id, until: Timestamp) {
        if let Some(Slot::Doubted { due, .. }) = self.slots.get_mut(id) {
            *due = until;
        }
    }

    /// It may have been carried out, or a call for it is under way.
    pub(crate) fn is_doubted(&self, id: &Id) -> bool {
        matches!(self.slots.get(id), Some(Slot::Doubted { .. }))
    }

    /// Nothing more is sent: what certainly was not leaves the window, as far as nobody after it was sent. True if any does.
    pub(crate) fn cut(&mut self) -> bool {
        let last = self.slots.iter().rfind(|(_, slot)| **slot != Slot::Fresh).map(|(id, _)| id.clone());
        let before = self.slots.len();
        self.slots.retain(|id, _| last.as_ref().is_some_and(|last| id <= last));
        self.slots.len() < before
    }

    /// It ends now: what was not sent never is, and of what may have been nobody will know.
    pub(crate) fn give_up(&mut self, why: &str) {
        self.slots.retain(|_, slot| *slot != Slot::Fresh);
        for slot in self.slots.values_mut() {
            match slot {
                Slot::Doubted { .. } => *slot = Slot::Answered(Outcome::Unknown(why.to_owned())),
                Slot::Followed { work, .. } => {
                    let why =
                        format!("emnify still works on it, as {}: look there what becomes of it", work.id);
                    *slot = Slot::Answered(Outcome::Unknown(why));
                }
                Slot::Fresh | Slot::Sending | Slot::Answered(_) => {}
            }
        }
    }

    /// What certainly was not sent never is.
    pub(crate) fn drop_fresh(&mut self) {
        self.slots.retain(|_, slot| *slot != Slot::Fresh);
    }

    /// Ids of its targets, as the status names them.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.slots.keys().map(ToString::to_string).collect()
    }

    /// Every answer, by ascending id.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&Id, &Outcome)> {
        self.slots.iter().filter_map(|(id, slot)| match slot {
            Slot::Answered(outcome) => Some((id, outcome)),
            _ => None,
        })
    }

    fn put(&mut self, id: &Id, slot: Slot) {
        if let Some(known) = self.slots.get_mut(id) {
            *known = slot;
        }
    }
}

fn soon(now: Timestamp, after: SignedDuration) -> Timestamp {
    now.checked_add(after).unwrap_or(now)
}

/// What cannot be found out and must not be done twice stays unknown.
fn settle_doubt(slot: &mut Slot, again: Again) {
    if again == Again::Never && matches!(slot, Slot::Doubted { .. }) {
        *slot = Slot::Answered(Outcome::Unknown(UNKNOWN.to_owned()));
    }
}

/// What is told of a target that may have been carried out.
pub(crate) const UNKNOWN: &str =
    "it may have been carried out: look at the target, and make a new object for it if needed";
