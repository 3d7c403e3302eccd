//! What a companion listing tells of rows.

use jiff::Timestamp;

use super::Mirror;
use crate::kind::{Id, Managed};

impl<K: Managed> Mirror<K> {
    /// Nothing is known of the object but its row.
    pub(crate) fn is_untold(&self, id: &Id) -> bool {
        !self.read().news.contains_key(id)
    }

    /// Stores what was told of an object; true if that says something else than what was known.
    pub(crate) fn told(&self, id: &Id, news: K::News, now: Timestamp) -> bool {
        let mut inner = self.write();
        if inner.rows.get(id).is_none() {
            return false; // it went meanwhile
        }
        let changed = inner.news.get(id).is_none_or(|(known, _)| *known != news);
        inner.news.insert(id.clone(), (news, now));
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Toy, ToyRow};

    #[test]
    fn only_what_is_there_is_told_of_and_only_what_differs_is_news() {
        let (mirror, id, now) = (Mirror::<Toy>::default(), Id::Int(1), Timestamp::UNIX_EPOCH);
        assert!(!mirror.told(&id, true, now) && mirror.news(&id).is_none(), "it went meanwhile");
        mirror.put(ToyRow { id: 1, ..ToyRow::default() }, tokio::time::Instant::now());
        assert!(mirror.is_untold(&id) && mirror.told(&id, true, now) && !mirror.is_untold(&id));
        assert!(!mirror.told(&id, true, now), "it says the same");
        assert!(mirror.told(&id, false, Timestamp::MIN), "a clock that was set back hides nothing");
    }
}
