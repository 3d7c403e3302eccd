//! The event log as hints: read in overlapping windows of the server's time, each event handed on once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use emnify::{
    Cursor, Error, Lane,
    wire::{
        Listing,
        event::{Event, EventWindow},
    },
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::{session::Session, shared::Shared};

/// Time between two readings.
const EVERY: Duration = Duration::from_secs(10);
/// Events may appear this long after they happened.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);
/// What happened before the start is read this far back; connectivity older than that is in the status.
const LOOK_BACK: SignedDuration = SignedDuration::from_mins(10);
/// A window with more pages than this is given up: the next sweep shows what it would have said.
const MOST_PAGES: u32 = 10;

/// Reads the event log of a session until it is stopped.
pub fn follow(shared: Arc<Shared>, session: Arc<Session>) {
    tokio::spawn(async move {
        let stopped = session.clone();
        tokio::select! {
            () = stopped.stopped() => {}
            () = follow_for_ever(&shared, &session) => {}
        }
    });
}

async fn follow_for_ever(shared: &Shared, session: &Arc<Session>) {
    shared.opened().await;
    let mut from = before(session.client.server_time(), LOOK_BACK);
    let mut seen: BTreeMap<i64, Timestamp> = BTreeMap::new();
    let mut failures = 0u32;
    loop {
        let until = session.client.server_time();
        match read(session, EventWindow { from, until }).await {
            Ok(events) => {
                failures = 0;
                hand_on(shared, session, events, &mut seen);
                from = before(until, OVERLAP);
                seen.retain(|_, at| *at >= before(from, OVERLAP));
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(organisation = session.organisation, %error, "event log not read");
                from = from.max(before(until, LOOK_BACK));
            }
        }
        sleep(EVERY.saturating_mul(1 << failures.min(5))).await;
    }
}

/// All events of a window, oldest first.
async fn read(session: &Session, window: EventWindow) -> Result<Vec<(Event, Timestamp)>, Error> {
    let api = session.client.api(Lane::Hints);
    let mut events = Vec::new();
    let mut next = Some(Cursor::first());
    while let Some(at) = next {
        let page = api.list_events(at, Some(window), Listing::all()).await?;
        if page.pages > MOST_PAGES {
            tracing::info!(organisation = session.organisation, pages = page.pages, "event window skipped");
            return Ok(Vec::new());
        }
        next = page.next();
        events.extend(page.items.into_iter().filter_map(|e| e.timestamp.map(|at| (e, at))));
    }
    events.sort_by_key(|(event, at)| (*at, event.id));
    Ok(events)
}

fn hand_on(
    shared: &Shared,
    session: &Arc<Session>,
    events: Vec<(Event, Timestamp)>,
    seen: &mut BTreeMap<i64, Timestamp>,
) {
    for (event, at) in events {
        if seen.insert(event.id, at).is_some() {
            continue;
        }
        for kind in shared.kinds() {
            kind.hear(session, &event, at);
        }
    }
}

fn before(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(at)
}
