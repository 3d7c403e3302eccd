//! Where we are in the event log: pure. What to read next, when to stop, and which events nobody has heard of.
//!
//! Time is the server's. Windows overlap, because events may appear late; each event counts once, by id. A window is read
//! newest first, until the number of events we know of in it is the number that the API says it holds. What would take
//! too many pages is jumped over: it becomes a [`Gap`], to be made up for by sweeps and by reading only what the network
//! said in it.

use std::{collections::HashMap, collections::HashSet};

use emnify::{
    Cursor, Page,
    wire::event::{Event, EventWindow},
};
use jiff::{SignedDuration, Timestamp};

/// Events may appear this long after they happened.
pub(crate) const OVERLAP: SignedDuration = SignedDuration::from_secs(60);
/// What happened before the first start is read this far back; connectivity older than that is in the status.
pub(crate) const LOOK_BACK: SignedDuration = SignedDuration::from_mins(10);
/// The log keeps 30 days [P]; what may be gone while it is read is not asked for.
pub(crate) const RETENTION: SignedDuration = SignedDuration::from_hours(29 * 24);
/// A window with more pages of new events than this is jumped over.
pub(crate) const MOST_PAGES: usize = 10;

/// A part of the log that was jumped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// It may begin here.
    pub from: Timestamp,
    /// It ends here.
    pub until: Timestamp,
}

/// How the reading of a window goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// With this page.
    Read(Cursor),
    /// It is over.
    Done,
}

/// One window while it is read. Nothing counts before [`Log::close`], so a failure in between loses nothing.
#[derive(Debug)]
pub(crate) struct Reading {
    window: EventWindow,
    /// The part of the log that is made up for; otherwise the window is read for the first time.
    fills: Option<Gap>,
    most: usize,
    pages: usize,
    shown: HashSet<i64>,
    news: Vec<(Event, Timestamp)>,
    server_time: Option<Timestamp>,
    jumped: bool,
}

impl Reading {
    /// What to ask for.
    pub(crate) fn window(&self) -> EventWindow {
        self.window
    }
}

/// Position and memory of one reader of one log.
#[derive(Debug)]
pub(crate) struct Log {
    /// Everything before was read or jumped over, but for what appears late.
    next: Timestamp,
    /// Nothing before is read again: it was jumped over.
    floor: Timestamp,
    seen: HashMap<i64, Timestamp>,
    gap: Option<Gap>,
}

impl Log {
    /// Continues at `position`, or begins a little before `now`.
    pub(crate) fn resume(position: Option<Timestamp>, now: Timestamp) -> Self {
        let next = position.map_or_else(|| before(now, LOOK_BACK), |position| position.min(now));
        Self { next, floor: Timestamp::MIN, seen: HashMap::new(), gap: None }
    }

    /// Where a later process may continue without missing anything.
    pub(crate) fn position(&self) -> Timestamp {
        self.gap.map_or(self.next, |gap| gap.from.min(self.next))
    }

    /// What was jumped over and not made up for.
    pub(crate) fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// Begins to read what is new at `now`; more than `most` pages of it are jumped over.
    pub(crate) fn begin(&mut self, now: Timestamp, most: usize) -> Reading {
        let oldest = before(now, RETENTION);
        if self.next < oldest {
            // an outage longer than the log remembers
            self.open_gap(Gap { from: oldest, until: oldest });
            self.next = oldest;
            self.floor = oldest;
        }
        let from = before(self.next, OVERLAP).max(self.floor).min(now);
        self.reading(EventWindow { from, until: now }, None, most)
    }

    /// Begins to read the gap, where there is one. The caller narrows the window to what matters of it.
    pub(crate) fn begin_gap(&self, most: usize) -> Option<Reading> {
        let gap = self.gap?;
        Some(self.reading(EventWindow { from: gap.from, until: gap.until }, Some(gap), most))
    }

    #[allow(clippy::unused_self, reason = "a reading belongs to a log")]
    fn reading(&self, window: EventWindow, fills: Option<Gap>, most: usize) -> Reading {
        Reading {
            window,
            fills,
            most,
            pages: 0,
            shown: HashSet::new(),
            news: Vec::new(),
            server_time: None,
            jumped: false,
        }
    }

    /// Takes in a page, newest first.
    pub(crate) fn page(&self, reading: &mut Reading, page: Page<Event>) -> Next {
        let next = page.next();
        let (rows, total) = (page.items.len(), page.total);
        reading.server_time = reading.server_time.or(page.server_time);
        let mut new = 0usize;
        for event in page.items {
            if !reading.shown.insert(event.id) || self.seen.contains_key(&event.id) {
                continue;
            }
            new += 1;
            // one without a readable time says nothing that could be put in order
            let at = event.timestamp.unwrap_or(reading.window.until);
            reading.news.push((event, at));
        }
        reading.pages += usize::from(new > 0);
        let Some(next) = next else { return Next::Done };
        if reading.fills.is_some() {
            // the API's total is of the narrowed window, which we cannot compare with
            return if reading.pages < reading.most { Next::Read(next) } else { Next::Done };
        }
        let missing = match total {
            Some(total) => {
                let known = reading.shown.len() + self.known_besides(reading);
                usize::try_from(total).unwrap_or(usize::MAX).saturating_sub(known)
            }
            None => new,
        };
        if missing == 0 {
            return Next::Done;
        }
        if reading.pages + missing.div_ceil(rows.max(1)) > reading.most {
            reading.jumped = true;
            return Next::Done;
        }
        Next::Read(next)
    }

    /// Events of the window that were seen earlier and that the pages so far did not show.
    fn known_besides(&self, reading: &Reading) -> usize {
        let (from, until) = (seconds(reading.window.from), seconds(reading.window.until));
        let inside = |at: &Timestamp| (from..=until).contains(at);
        self.seen.iter().filter(|(id, at)| inside(at) && !reading.shown.contains(id)).count()
    }

    /// The reading is over: its events, oldest first, each for the only time.
    pub(crate) fn close(&mut self, reading: Reading) -> Vec<(Event, Timestamp)> {
        let Reading { window, fills, mut news, server_time, jumped, .. } = reading;
        // this machine's clock may be ahead of the server's until the first answer
        let until = server_time.map_or(window.until, |server| server.min(window.until));
        if let Some(filled) = fills {
            // what was added to the gap meanwhile is still open
            self.gap = self.gap.filter(|gap| *gap != filled);
        } else {
            if jumped {
                self.open_gap(Gap { from: window.from, until });
                self.floor = until;
            }
            self.next = self.next.max(until);
        }
        self.seen.extend(news.iter().map(|(event, at)| (event.id, *at)));
        let kept = before(self.position(), OVERLAP + OVERLAP);
        self.seen.retain(|_, at| *at >= kept);
        news.sort_by_key(|(event, at)| (*at, event.id));
        news
    }

    fn open_gap(&mut self, new: Gap) {
        self.gap = Some(
            self.gap.map_or(new, |old| Gap { from: old.from.min(new.from), until: old.until.max(new.until) }),
        );
    }
}

/// As the API is asked: by whole seconds.
fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

pub(super) fn before(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(at)
}

#[cfg(test)]
mod tests;
