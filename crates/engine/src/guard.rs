//! A limit on how many devices may be disturbed in a window of time.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// What a workspace allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardLimit {
    /// Devices that may be deleted, disabled, suspended, activated or re-tariffed.
    pub devices: u64,
    /// In this time.
    pub window: Duration,
}

impl Default for GuardLimit {
    fn default() -> Self {
        Self { devices: 100, window: Duration::from_secs(600) }
    }
}

/// What one object wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wish {
    /// Generation of the object that wants it: another edit is another wish, and so is a deletion.
    generation: i64,
    /// Devices that it disturbs.
    devices: u64,
}

/// Wishes by the uid of their object.
type Wishes = BTreeMap<String, Wish>;

#[derive(Debug, Default)]
struct Inner {
    limit: GuardLimit,
    done: VecDeque<(Instant, u64)>,
    pending: Wishes,
    /// Wishes frozen at the trip; the hash names this set.
    frozen: Option<Wishes>,
    released: Wishes,
}

/// Counts disturbances of one session: pending ones plus those done within the window.
#[derive(Debug, Default)]
pub struct Guard(Mutex<Inner>);

impl Guard {
    /// Changes the limit.
    pub fn set_limit(&self, limit: GuardLimit) {
        self.lock().limit = limit;
    }

    /// May the object disturb `devices` now, for what its `generation` says? Otherwise the text for people.
    pub fn ask(&self, uid: &str, generation: i64, devices: u64) -> Result<(), String> {
        let mut inner = self.lock();
        if devices == 0 {
            inner.pending.remove(uid);
            return Ok(());
        }
        let covers = |released: &Wish| released.generation == generation && released.devices >= devices;
        if inner.released.get(uid).is_some_and(covers) {
            return Ok(());
        }
        inner.pending.insert(uid.to_owned(), Wish { generation, devices });
        let window = inner.limit.window;
        while inner.done.front().is_some_and(|(at, _)| at.elapsed() > window) {
            inner.done.pop_front();
        }
        let done = inner.done.iter().map(|(_, n)| n).sum::<u64>();
        let total = done + inner.pending.values().map(|wish| wish.devices).sum::<u64>();
        if total <= inner.limit.devices && inner.frozen.is_none() {
            return Ok(());
        }
        let pending = inner.pending.clone();
        inner.frozen.get_or_insert_with(BTreeMap::new).extend(pending);
        let text = format!(
            "more than {} devices would be disturbed in {} s; the workspace's condition GuardTripped says how to approve",
            inner.limit.devices,
            inner.limit.window.as_secs(),
        );
        Err(text)
    }

    /// So much of the object's disturbance was sent.
    pub fn sent(&self, uid: &str, devices: u64) {
        if devices == 0 {
            return;
        }
        let mut inner = self.lock();
        let Inner { pending, released, .. } = &mut *inner;
        for set in [pending, released] {
            // what is left of a larger disturbance stays allowed, or asked for
            if let Some(left) = set.get_mut(uid) {
                left.devices = left.devices.saturating_sub(devices);
            }
            set.retain(|_, left| left.devices > 0);
        }
        inner.done.push_back((Instant::now(), devices));
    }

    /// The object wants nothing any more.
    pub fn withdraw(&self, uid: &str) {
        let mut inner = self.lock();
        inner.pending.remove(uid);
        if let Some(frozen) = &mut inner.frozen {
            frozen.remove(uid);
            if frozen.is_empty() {
                inner.frozen = None;
            }
        }
    }

    /// Releases the frozen set if `approval` names it; true if it did.
    pub fn approve(&self, approval: &str) -> bool {
        let mut inner = self.lock();
        let Some(frozen) = inner.frozen.take_if(|frozen| hash(frozen) == approval) else { return false };
        for uid in frozen.keys() {
            inner.pending.remove(uid);
        }
        inner.released.extend(frozen);
        true
    }

    /// Hash of the frozen set, while the guard is tripped.
    pub fn tripped(&self) -> Option<String> {
        self.lock().frozen.as_ref().map(hash)
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Inner> {
        self.0.lock()
    }
}

fn hash(set: &Wishes) -> String {
    let mut sha = Sha256::new();
    for (uid, Wish { generation, devices }) in set {
        sha.update(format!("{uid}@{generation}={devices}\n"));
    }
    data_encoding::HEXLOWER.encode(&sha.finalize()[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(devices: u64) -> Guard {
        let guard = Guard::default();
        guard.set_limit(GuardLimit { devices, window: Duration::from_secs(60) });
        guard
    }

    #[tokio::test(start_paused = true)]
    async fn pending_and_done_count_together_and_the_window_slides() {
        let guard = guard(2);
        assert!(guard.ask("a", 1, 1).is_ok());
        guard.sent("a", 1);
        assert!(guard.ask("b", 1, 1).is_ok());
        guard.sent("b", 1);
        assert!(guard.ask("c", 1, 1).is_err());
        guard.withdraw("c");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(guard.ask("c", 1, 1).is_ok(), "the window has passed");
    }

    #[tokio::test(start_paused = true)]
    async fn an_approval_covers_a_disturbance_that_is_sent_bit_by_bit() {
        let guard = guard(1);
        assert!(guard.ask("set", 1, 5).is_err());
        assert!(guard.approve(&guard.tripped().unwrap()));
        for left in (1..=5).rev() {
            assert!(guard.ask("set", 1, left).is_ok(), "{left} of five are left");
            guard.sent("set", 1);
        }
        assert!(guard.ask("set", 1, 1).is_err(), "a sixth was not approved");
    }

    #[tokio::test(start_paused = true)]
    async fn an_approval_releases_exactly_the_frozen_set() {
        let guard = guard(1);
        assert!(guard.ask("a", 1, 2).is_err());
        let hash = guard.tripped().unwrap();
        assert!(guard.ask("b", 1, 1).is_err(), "tripped holds everybody");
        assert!(!guard.approve(&hash), "the set grew since that hash was shown");
        let hash = guard.tripped().unwrap();
        assert!(guard.approve(&hash));
        assert!(guard.ask("a", 1, 2).is_ok() && guard.ask("b", 1, 1).is_ok());
        assert!(guard.ask("a", 1, 3).is_err(), "more than was approved");
    }

    #[tokio::test(start_paused = true)]
    async fn an_approval_that_stays_covers_no_later_edit() {
        let guard = guard(1);
        assert!(guard.ask("a", 1, 2).is_err());
        let hash = guard.tripped().unwrap();
        assert!(guard.approve(&hash) && guard.ask("a", 1, 2).is_ok());
        assert!(guard.ask("a", 2, 2).is_err(), "another edit, of as many devices");
        assert!(!guard.approve(&hash), "what was approved then is not what is asked now");
    }
}
