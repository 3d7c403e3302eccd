//! A mirror as a pool that sets choose from.

use super::Mirror;
use crate::kind::{Id, Key, Managed, set::Pool};

impl<P: Managed> Pool<P> for Mirror<P> {
    fn each(&self, show: &mut dyn FnMut(&P::Row)) {
        Mirror::each(self, show);
    }
    fn find(&self, key: &Key) -> Vec<Id> {
        Mirror::find(self, key)
    }
    fn with(&self, id: i64, show: &mut dyn FnMut(&P::Row)) {
        if let Some(row) = self.row(&Id::Int(id)) {
            show(&row);
        }
    }
}
