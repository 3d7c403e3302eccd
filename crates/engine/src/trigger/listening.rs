//! What one trigger has heard and not dealt with: pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    decide::{
        known::Explanation,
        trigger::{OVERLAP, window::Window},
    },
    kind::{
        Id,
        object_key::ObjectKey,
        trigger::{Cause, Filter, Heard},
    },
    session::Session,
};

/// So much may wait to be dealt with; what comes then is skipped, and told.
const MOST_HEARD: usize = 10_000;

/// A task that is made and not accounted for in the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) name: String,
    /// How many devices it is for.
    pub(super) devices: usize,
}

/// What emnify said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// When it is asked again.
    pub(super) until: Timestamp,
    /// How often in a row it said something like it.
    pub(super) failures: u32,
    pub(super) why: Explanation,
}

/// What the next status tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Telling {
    /// The task that is made.
    pub(super) made: bool,
    /// So many devices that were left out.
    pub(super) dropped: i64,
}

/// What one trigger has heard.
pub(super) struct Listening {
    session: Option<Arc<Session>>,
    /// What was made before this process is known.
    pub(super) begun: bool,
    pub(super) who: ObjectKey,
    pub(super) filter: Filter,
    /// What happened before is not its business, or was dealt with.
    floor: Timestamp,
    pub(super) heard: BTreeMap<i64, Heard>,
    /// When the first of it came, by our clock.
    pub(super) first: Option<Timestamp>,
    /// What was dealt with and may be told again.
    done: HashMap<i64, Timestamp>,
    /// A part of the log that has to be read.
    pub(super) unread: Option<(Timestamp, Timestamp)>,
    /// What nobody will know of.
    pub(super) skipped: Option<(Timestamp, Timestamp)>,
    pub(super) made: Option<Made>,
    /// Devices that had their turn and do not carry the tag yet.
    pub(super) untagged: BTreeSet<Id>,
    /// Devices that carry the tag, which the mirror does not show yet.
    pub(super) tagged: BTreeSet<Id>,
    /// Devices that were left out, and are not in the status yet.
    pub(super) dropped: i64,
    /// Id of the tag, once it is known.
    pub(super) tag: Option<i64>,
    pub(super) trouble: Option<Trouble>,
    pub(super) telling: Telling,
    /// When the status was written last because of what was left out.
    pub(super) wrote: Option<Timestamp>,
}

impl Listening {
    /// One that has heard nothing since `floor`.
    pub(super) fn new(who: ObjectKey, filter: Filter, floor: Timestamp) -> Self {
        Self {
            session: None,
            begun: false,
            who,
            filter,
            floor,
            heard: BTreeMap::new(),
            first: None,
            done: HashMap::new(),
            unread: None,
            skipped: None,
            made: None,
            untagged: BTreeSet::new(),
            tagged: BTreeSet::new(),
            dropped: 0,
            tag: None,
            trouble: None,
            telling: Telling::default(),
            wrote: None,
        }
    }

    /// It listens to this session.
    pub(super) fn hears(&self, session: &Arc<Session>) -> bool {
        self.session.as_ref().is_some_and(|own| Arc::ptr_eq(own, session))
    }

    /// From now on it listens to this session.
    pub(super) fn listens(&mut self, session: &Arc<Session>) {
        self.session = Some(session.clone());
    }

    /// It listens to the event log.
    pub(super) fn is_of_events(&self) -> bool {
        matches!(self.filter, Filter::Events { .. })
    }

    /// Something was told; true if it is news.
    pub(super) fn hear(&mut self, heard: Heard, now: Timestamp) -> bool {
        let known = self.heard.contains_key(&heard.id) || self.done.contains_key(&heard.id);
        if known || heard.at < self.floor || !self.filter.passes(&heard) {
            return false;
        }
        if self.heard.len() >= MOST_HEARD {
            self.skip(heard.at, heard.at);
            return true;
        }
        self.first.get_or_insert(now);
        self.heard.insert(heard.id, heard);
        true
    }

    /// Nobody will know what happened in this time.
    pub(super) fn skip(&mut self, from: Timestamp, until: Timestamp) {
        let (begun, ended) = self.skipped.unwrap_or((from, until));
        self.skipped = Some((begun.min(from), ended.max(until)));
    }

    /// A part of the log has to be read.
    pub(super) fn missed(&mut self, from: Timestamp, until: Timestamp) {
        let from = from.max(self.floor);
        if from > until {
            return;
        }
        let (begun, ended) = self.unread.unwrap_or((from, until));
        self.unread = Some((begun.min(from), ended.max(until)));
    }

    /// That part was read, or as much of it as is. The tail may tell of it later: it is not heard twice.
    pub(super) fn read(&mut self, part: (Timestamp, Timestamp)) {
        if self.unread == Some(part) {
            self.unread = None;
            self.pass(part.1);
        }
    }

    /// Everything up to there was told; what appears late is still heard.
    pub(super) fn pass(&mut self, position: Timestamp) {
        let floor = position.checked_sub(OVERLAP).unwrap_or(position);
        if floor > self.floor && self.unread.is_none() {
            self.floor = floor;
            self.done.retain(|_, at| *at >= floor);
        }
    }

    /// Tasks that were made for these exist.
    pub(super) fn was_made_for(&mut self, causes: &[Cause], now: Timestamp) {
        for cause in causes {
            self.heard.remove(&cause.id);
            self.done.insert(cause.id, now);
        }
    }

    /// When what was heard is dealt with, if something was.
    pub(super) fn ripe(&self, gather: SignedDuration) -> Option<Timestamp> {
        self.first.map(|first| first.checked_add(gather).unwrap_or(first))
    }

    /// A window is dealt with. What is left of it waits for its device to be known, or is more than one task takes.
    pub(super) fn settle(&mut self, window: &Window, now: Timestamp) {
        for id in &window.ids {
            if let Some(heard) = self.heard.remove(id) {
                self.done.insert(*id, heard.at);
            }
        }
        if self.heard.is_empty() {
            self.first = None;
        } else if !window.more {
            self.first = Some(now);
        }
    }

    /// The status that tells is written; true if there is more to deal with now.
    pub(super) fn told(&mut self, now: Timestamp) -> bool {
        let Telling { made, dropped } = std::mem::take(&mut self.telling);
        if made {
            self.made = None;
        }
        if dropped > 0 {
            self.dropped -= dropped;
            self.wrote = Some(now);
        }
        made && !self.heard.is_empty()
    }

    /// Up to where all is dealt with, when the log was read up to `read`.
    pub(super) fn position(&self, read: Timestamp) -> Timestamp {
        let waits = self.heard.values().map(|heard| heard.at).min();
        let unread = self.unread.map(|(from, _)| from);
        waits.into_iter().chain(unread).fold(read, Timestamp::min)
    }
}

#[cfg(test)]
mod tests;
