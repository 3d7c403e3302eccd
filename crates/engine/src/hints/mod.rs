//! Hints: what says between two listings that something changed. They mark entries of the mirror and never prove anything.
//!
//! [`tail`] reads the event log, [`recent`] what changed last, and whoever receives data streams hands over records with
//! [`Shared::stale`]. What would take more single reads than a listing becomes a wish for a sweep, which waits while
//! objects are being made: their events are our own.

pub(crate) mod log;
mod messages;
pub(crate) mod recent;
pub(crate) mod rotate;
mod tail;

use std::{sync::Arc, time::Duration};

use emnify::wire::event::Record;
use tokio::time::sleep;

use crate::{cluster::context::Shared, session::Session};

/// How often wishes for sweeps are looked at.
const LOOK: Duration = Duration::from_secs(5);

impl Shared {
    /// Records of a data stream: what they name in the live session of their organisation is read again before anything
    /// is decided about it. What nobody here knows is ignored.
    pub fn on_records(self: &Arc<Self>, records: &[Record]) {
        for session in self.workspaces.sessions() {
            let of = |record: &&Record| {
                record.organisation.is_some_and(|id| id.to_string() == session.organisation)
            };
            let its: Vec<Record> = records.iter().filter(of).copied().collect();
            if !its.is_empty() {
                self.kinds().for_each(|kind| kind.on_records(&session, &its));
            }
        }
    }
}

/// Reads all hints of a session until it is stopped.
pub(crate) fn follow(shared: &Arc<Shared>, session: &Arc<Session>) {
    shared.kinds().for_each(|kind| kind.follow(session));
    let tasks = &shared.tasks;
    tasks.of_session(session, "event log", tail::read_for_ever(shared.clone(), session.clone()));
    tasks.of_session(session, "wished listings", sweep_when_due(shared.clone(), session.clone()));
}

async fn sweep_when_due(shared: Arc<Shared>, session: Arc<Session>) {
    loop {
        sleep(LOOK).await;
        for (kind, since) in session.hints.due(session.creating()) {
            if let Some(kind) = shared.kind(kind) {
                kind.sweep_since(&session, since);
            }
        }
    }
}
