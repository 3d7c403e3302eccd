//! Changes that emnify accepted and carries out later: until a read shows the effect nothing is known, and the same change is
//! not sent again. Kept in memory only: to send one again after a restart does no harm.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Mirror,
    accepted::{Accepted, PATIENCE, UnderWay, poll, what},
    table::{Moment, nanos},
};
use crate::{
    kind::{Id, Managed},
    session::pause,
};

impl<K: Managed> Mirror<K> {
    /// emnify accepted a change of the object; what was read before the answer says nothing of it. `ends`: with it the object
    /// goes.
    pub(crate) fn accepted(&self, id: &Id, change: &K::Change, ends: bool) {
        let mut inner = self.write();
        let (what, at) = (what(change), inner.moment(Instant::now()));
        let before = inner.under_way.get(id).filter(|before| what.is_subset(&before.what));
        let times = before.map_or(1, |before| before.times.saturating_add(1));
        let again = at + nanos(PATIENCE) + nanos(pause::slow_net(times));
        inner.under_way.insert(id.clone(), Accepted { what, at, times, again, ends });
        if let Some(entry) = inner.rows.get_mut(id) {
            entry.as_of = entry.as_of.max(at);
        }
    }

    /// How far emnify is with this change of the object, if it accepted it, alone or with more, and nothing shows its effect.
    pub(crate) fn under_way(&self, id: &Id, change: &K::Change) -> Option<UnderWay> {
        let inner = self.read();
        let accepted = inner.under_way.get(id)?;
        let now = inner.moment(Instant::now());
        let since = |from: Moment| Duration::from_nanos(u64::try_from(now - from).unwrap_or_default());
        if !what(change).is_subset(&accepted.what) || now >= accepted.again {
            return None;
        }
        let elapsed = since(accepted.at);
        Some(match PATIENCE.checked_sub(elapsed).filter(|left| !left.is_zero()) {
            Some(left) => UnderWay::Carrying(poll(elapsed).min(left)),
            None => UnderWay::Overdue(Duration::from_nanos((accepted.again - now).unsigned_abs())),
        })
    }

    /// The object is as it should be: whatever was accepted took effect.
    pub(crate) fn carried_out(&self, id: &Id) {
        if self.read().under_way.contains_key(id) {
            self.write().under_way.remove(id);
        }
    }

    /// After how long a change that was accepted and not carried out is sent once more.
    pub(crate) fn sent_again_in(&self, id: &Id) -> Option<Duration> {
        let inner = self.read();
        let again = inner.under_way.get(id)?.again - inner.moment(Instant::now());
        u64::try_from(again).ok().map(Duration::from_nanos)
    }

    /// How old the last read of the row is, or our last write of it.
    pub(crate) fn age(&self, id: &Id) -> Option<Duration> {
        let inner = self.read();
        let as_of = inner.rows.get(id)?.as_of;
        Some(Duration::from_nanos(u64::try_from(inner.moment(Instant::now()) - as_of).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Toy, ToyChange, ToyRow};

    const ID: Id = Id::Int(7);

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    fn rename(to: &str) -> ToyChange {
        ToyChange::Rename("a".into(), to.into())
    }

    fn there() -> Mirror<Toy> {
        let mirror = Mirror::default();
        mirror.put(ToyRow { id: 7, name: "a".into(), ..ToyRow::default() }, Instant::now());
        mirror
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_accepted_has_ten_minutes_and_is_sent_again_more_and_more_rarely() {
        let mirror = there();
        mirror.accepted(&ID, &rename("b"), false);
        let seconds = |mirror: &Mirror<Toy>| match mirror.under_way(&ID, &rename("b")) {
            Some(UnderWay::Carrying(poll)) => poll.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(seconds(&mirror), 2, "read soon");
        pass(3).await;
        assert_eq!(seconds(&mirror), 5);
        pass(60).await;
        assert_eq!(seconds(&mirror), 30);
        assert_eq!(mirror.under_way(&ID, &rename("c")), None, "another change is another matter");
        pass(540).await;
        let Some(UnderWay::Overdue(again)) = mirror.under_way(&ID, &rename("b")) else {
            panic!("ten minutes are over");
        };
        assert!((530..=660).contains(&again.as_secs()), "{again:?}");
        tokio::time::advance(again).await;
        assert_eq!(mirror.under_way(&ID, &rename("b")), None, "it is sent once more");
        mirror.accepted(&ID, &rename("b"), false);
        pass(600).await;
        let Some(UnderWay::Overdue(again)) = mirror.under_way(&ID, &rename("b")) else { panic!() };
        assert!(again.as_secs() > 1_000, "and after that twice as late: {again:?}");
        mirror.carried_out(&ID);
        assert_eq!(mirror.under_way(&ID, &rename("b")), None, "an object in step begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_from_before_the_answer_says_nothing_of_the_change() {
        let mirror = there();
        let before = Instant::now();
        pass(100).await;
        mirror.accepted(&ID, &rename("b"), false);
        assert_eq!(mirror.age(&ID), Some(Duration::ZERO), "the first poll counts from the answer");
        let late = ToyRow { id: 7, name: "older".into(), ..ToyRow::default() };
        assert!(!mirror.put(late, before));
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_accepted_deletion_one_answer_proves_absence() {
        let mirror = there();
        pass(1).await;
        mirror.accepted(&ID, &ToyChange::Delete, true);
        assert!(mirror.denied(&ID, Instant::now()), "it was asked to go");
        let mirror = there();
        mirror.accepted(&ID, &rename("b"), false);
        assert!(!mirror.denied(&ID, Instant::now()), "one answer is doubt otherwise");
    }
}
