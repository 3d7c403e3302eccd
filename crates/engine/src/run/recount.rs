//! Counts again what changes of ours moved.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{cluster::context::Shared, session::Session};

/// Changes so soon after each other are counted once.
const TOGETHER: Duration = Duration::from_secs(4);

/// Counts until the session ends.
pub(crate) fn follow(shared: &Arc<Shared>, session: &Arc<Session>) {
    let (counter, of) = (shared.clone(), session.clone());
    shared.tasks.of_session(session, "counts", async move {
        loop {
            of.counts.moved.notified().await;
            sleep(TOGETHER).await;
            counter.kinds().for_each(|kind| kind.recount(&of));
            of.counts.counted.send_replace(());
        }
    });
}
