//! Rows of a listing that is not a sweep.

use tokio::time::Instant;

use super::Mirror;
use crate::kind::{Id, Managed};

impl<K: Managed> Mirror<K> {
    /// Stores rows of a page that was asked for at `sent`; returns what changed. As in a sweep, a listing cannot
    /// contradict what we wrote a moment ago; what the page does not show says nothing.
    pub fn put_listed(&self, rows: Vec<K::Row>, sent: Instant) -> Vec<Id> {
        let mut inner = self.write();
        let sent = inner.moment(sent);
        let mut changed = Vec::new();
        for row in rows {
            let id = K::id(&row);
            let settled = inner.rows.get(&id).is_some_and(|e| e.settles(sent));
            if !settled && inner.put(row, sent, false) {
                changed.push(id);
            }
        }
        changed
    }
}
