//! How many use a thing, and how many things there are: counted here after a change of ours. emnify's listings would show
//! it within minutes, and nobody wants to be told 0 of 5 so long.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use crate::{kind::Managed, session::Session, shared::Shared};

/// Changes so soon after each other are counted once.
const TOGETHER: Duration = Duration::from_secs(4);

/// What is to be counted in a session, and that it was.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    moved: Notify,
    counted: watch::Sender<()>,
}

impl Counts {
    /// Hears of every count.
    pub(crate) fn heard(&self) -> watch::Receiver<()> {
        self.counted.subscribe()
    }

    /// Something was made or deleted, or uses something else.
    pub(crate) fn moved(&self) {
        self.moved.notify_one();
    }
}

/// What a row uses of other kinds.
pub(crate) fn uses<K: Managed>(row: Option<&K::Row>) -> Vec<Option<crate::kind::Id>> {
    K::USES.iter().map(|kind| row.and_then(|row| K::uses(row, kind))).collect()
}

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
