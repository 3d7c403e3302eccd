//! Reads the event log as [`super::log`] says, and hands events on.

use std::{sync::Arc, time::Duration};

use emnify::{
    Cursor, Error, Lane,
    wire::{Listing, event::Event},
};
use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::log::{Gap, Log, MOST_PAGES, Next, Reading};
use crate::{
    cluster::{context::Shared, refusal::Line},
    session::{Session, caller::Caller, pace::Reader},
};

/// As many rows as the API gives; it clamps. [D]
const ROWS: u32 = 1000;
/// While objects are being made, what was jumped over is made up for this often.
const FILL_EVERY: Duration = Duration::from_secs(300);
/// What a data stream told of is read at once, but not more often than this.
const HURRIED: Duration = Duration::from_secs(2);
/// The log is asked for by whole seconds of emnify's clock, which is known to a second: what happened a moment ago is in it by then.
const SETTLED: Duration = Duration::from_secs(2);
/// What it is called where a login may not read it.
const LOG: &str = "event log";
/// What listings do not show comes from policy control and from the network: sources 1 and 0. [P]
const NOT_LISTED: [u8; 2] = [1, 0];

/// Never ends.
pub(super) async fn read_for_ever(shared: Arc<Shared>, session: Arc<Session>) {
    shared.opened().await;
    // until its objects are known, events would find nobody
    shared.workspaces.used(&session).await;
    let mut tail = Tail {
        log: Log::resume(session.hints.position(), session.server_time()),
        filled: Instant::now(),
        shared,
        session,
    };
    // the first listings come first: what they show is no news any more, and after a restart that is nearly everything
    let (mut failures, mut last) = (0u32, Instant::now());
    let mut line = Line::of_what_may_fail();
    let mut hurried = false;
    loop {
        let pause = Reader::Tail.pause(tail.session.creating(), failures);
        if last.elapsed() >= pause || std::mem::take(&mut hurried) {
            last = Instant::now();
            let reader = tail.session.reader_of(LOG);
            failures = match tail.step(&reader).await {
                Ok(()) => {
                    reader.heard(LOG);
                    line.over();
                    0
                }
                Err(error) => {
                    let organisation = &tail.session.organisation;
                    if line.is_news(&error.to_string()) {
                        tracing::warn!(organisation, %error, "event log not read");
                    }
                    reader.unheard(LOG, &error, tail.shared.now());
                    failures.saturating_add(1)
                }
            };
        }
        tokio::select! {
            () = sleep(Reader::Tail.tick()) => {}
            () = tail.session.hints.hurried(), if failures == 0 && !tail.session.creating() => {
                sleep_until((last + HURRIED).max(Instant::now() + SETTLED)).await;
                hurried = true;
            }
        }
    }
}

struct Tail {
    shared: Arc<Shared>,
    session: Arc<Session>,
    log: Log,
    /// When a gap was last made up for.
    filled: Instant,
}

impl Tail {
    /// Reads what is new, and what was jumped over when there is time.
    async fn step(&mut self, reader: &Caller) -> Result<(), Error> {
        let creating = self.session.creating();
        let gap = self.log.gap();
        let reading = self.log.begin(self.session.server_time(), if creating { 1 } else { MOST_PAGES });
        let events = self.read(reader, reading).await?;
        if let Some(gap) = self.log.gap().filter(|now| Some(*now) != gap) {
            self.jumped(gap);
        }
        self.hand_on(&events);
        if self.log.gap().is_some() && (!creating || self.filled.elapsed() >= FILL_EVERY) {
            let events = self.fill(reader).await?;
            self.filled = Instant::now();
            self.hand_on(&events);
        }
        self.session.hints.set_position(Some(self.log.position()));
        Ok(())
    }

    async fn read(
        &mut self,
        reader: &Caller,
        mut reading: Reading,
    ) -> Result<Vec<(Event, Timestamp)>, Error> {
        let newest_first = Listing::all().sort("-timestamp").per_page(ROWS);
        self.pages(reader, &mut reading, newest_first).await?;
        Ok(self.log.close(reading))
    }

    /// Of what was jumped over, reads what no listing shows.
    async fn fill(&mut self, reader: &Caller) -> Result<Vec<(Event, Timestamp)>, Error> {
        let Some(mut reading) = self.log.begin_gap(MOST_PAGES) else { return Ok(Vec::new()) };
        for source in NOT_LISTED {
            let listing = Listing::all().filter("source", source).sort("-timestamp").per_page(ROWS);
            match self.pages(reader, &mut reading, listing).await {
                Ok(()) => {}
                // a sweep has to do where the log cannot be narrowed
                Err(Error::Rejected { message, .. }) => {
                    tracing::warn!(message, "gap in the event log not read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.log.close(reading))
    }

    async fn pages(&self, reader: &Caller, reading: &mut Reading, listing: Listing) -> Result<(), Error> {
        let api = reader.client.api(Lane::Hints);
        let mut next = Next::Read(Cursor::first());
        while let Next::Read(at) = next {
            let page = api.list_events(at, Some(reading.window()), listing.clone()).await?;
            next = self.log.page(reading, page);
        }
        Ok(())
    }

    /// Listings show most of what was jumped over.
    fn jumped(&self, gap: Gap) {
        let organisation = &self.session.organisation;
        tracing::info!(organisation, from = %gap.from, until = %gap.until, "events jumped over");
        for kind in self.shared.kinds().filter(|kind| kind.listens()) {
            self.session.hints.wish(kind.name(), self.shared.now());
        }
        self.shared.kinds().for_each(|kind| kind.on_jump(&self.session, gap.from, gap.until));
    }

    fn hand_on(&self, events: &[(Event, Timestamp)]) {
        for (event, at) in events {
            self.session.hints.note(event, *at);
        }
        if !events.is_empty() {
            self.shared.kinds().for_each(|kind| kind.on_events(&self.session, events));
        }
    }
}
