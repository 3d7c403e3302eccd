//! What emnify refused members, as the status of the set keeps it: like an object's, it outlives restarts.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{
    rejected::date,
    roster::{Departure, MemberKey, Roster, Slot, Trouble},
};
use crate::{
    kind::{
        Kind, reason,
        set::{Failure, ObjectSet, Pool},
        spec::{RefusedMember, Rejected},
    },
    session::pause,
};

/// So many refusals outlive a restart. Of more, the others are asked once more after it, one call per member or half a
/// batch, and remembered again: a status has no place for a hundred thousand.
pub const KEPT_REFUSALS: usize = 100;

/// The name of a member for people: that of what it holds; of one that leaves, its own.
pub(crate) fn display_name<F: ObjectSet>(pool: &dyn Pool<F::Pool>, key: MemberKey) -> String {
    match key {
        MemberKey::Departing(id) => format!("{} {id}", F::Member::KIND),
        MemberKey::Wanted(held) => {
            let mut called = None;
            pool.with(held, &mut |row| called = Some(F::display_name(row)));
            called.unwrap_or_else(|| format!("{} {held}", F::Pool::KIND))
        }
    }
}

impl Roster {
    /// What the status keeps.
    pub(crate) fn kept_refusals(&self) -> Vec<RefusedMember> {
        let kept = |(key, trouble): (&MemberKey, &Trouble)| {
            let digest = trouble.refused.clone().filter(|_| trouble.failure.reason == reason::REJECTED)?;
            let rejected = Rejected {
                digest,
                message: trouble.failure.message.clone(),
                tries: Some(trouble.tries.max(1).into()),
                not_before: trouble.until.map(date),
            };
            Some(RefusedMember { member: key.to_string(), rejected })
        };
        self.failures.iter().filter_map(kept).take(KEPT_REFUSALS).collect()
    }

    /// Takes up what the status keeps of those who are still members, or leave. `called`: their names.
    pub(crate) fn recall_refusals(
        &mut self,
        kept: &[RefusedMember],
        called: &dyn Fn(MemberKey) -> String,
        now: Timestamp,
    ) {
        if kept.is_empty() {
            return;
        }
        let slots = self.slots.iter().map(Slot::key);
        let here: HashSet<MemberKey> = slots.chain(self.departures.iter().map(Departure::key)).collect();
        for RefusedMember { member, rejected } in kept {
            let (Ok(key), Some(until)) = (member.parse(), rejected.until()) else { continue };
            if !here.contains(&key) {
                continue;
            }
            let tries = rejected.tries.and_then(|tries| u32::try_from(tries).ok()).unwrap_or(1);
            let failure =
                Failure { member: called(key), reason: reason::REJECTED, message: rejected.message.clone() };
            // a clock that was ahead holds nobody up for longer than the pause
            let until = until.min(pause::after(now, pause::slow_net(tries)));
            let trouble =
                Trouble { failure, refused: Some(rejected.digest.clone()), until: Some(until), tries };
            self.failures.entry(key).or_insert(trouble);
        }
    }
}
