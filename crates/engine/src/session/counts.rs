//! How many use a thing, and how many things there are: counted here after a change of ours. emnify's listings would show
//! it within minutes, and nobody wants to be told 0 of 5 so long.

use tokio::sync::{Notify, watch};

use crate::kind::Managed;

/// What is to be counted in a session, and that it was.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) moved: Notify,
    pub(crate) counted: watch::Sender<()>,
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
    K::USES.iter().map(|used| row.and_then(|row| (used.of)(row, None))).collect()
}
