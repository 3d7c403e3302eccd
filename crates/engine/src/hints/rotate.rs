//! Reads again, in slow rotation, what no listing shows.

use std::sync::Arc;

use emnify::Lane;
use tokio::time::Instant;

use crate::{
    cluster::context::Shared,
    session::{Session, scrub::rotation::Next},
};

/// Queues one object after another, until the session is stopped.
pub(crate) fn follow(shared: &Shared, session: &Arc<Session>) {
    shared.tasks.of_session(session, "rotation", rotate(session.clone()));
}

async fn rotate(session: Arc<Session>) {
    let scrub = &session.scrub;
    loop {
        let busy = Lane::ALL.into_iter().any(|lane| lane < Lane::Scrub && session.queue.len(lane) > 0);
        let next = scrub.lock().next(Instant::now(), busy);
        match next {
            Next::Take(item) => session.queue.push(item, Lane::Scrub, None, None),
            Next::At(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = scrub.changed.notified() => {}
            },
            Next::Changed => scrub.changed.notified().await,
        }
    }
}
