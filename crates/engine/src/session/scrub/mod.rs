//! What no listing shows (quotas, blocklists, details of profiles, rate zones, first-time connectivity) is read again in
//! slow rotation: one walk per session over the bound objects of all kinds, one read at a time, within a small share of
//! the budget. What an edit or a person needs is read at once and does not come through here.
//!
//! Objects do not wait in the queue for their turn: the rotation picks the next when the budget allows one.

pub(crate) mod rotation;

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

use self::rotation::Rotation;
pub use self::rotation::ScrubSnapshot;
pub(crate) use self::rotation::{Due, Turn};
use super::queue::Item;

/// The rotation of one session.
#[derive(Debug)]
pub struct Scrub {
    rotation: Mutex<Rotation>,
    pub(crate) changed: Notify,
}

impl Default for Scrub {
    fn default() -> Self {
        Self { rotation: Mutex::new(Rotation::new(Instant::now())), changed: Notify::new() }
    }
}

impl Scrub {
    /// How it stands.
    pub fn snapshot(&self) -> ScrubSnapshot {
        self.lock().snapshot()
    }

    /// The object has these pieces, and nothing of it is being read.
    pub(crate) fn put(&self, item: Item, dues: &[Due]) {
        if self.lock().put(item, dues) {
            self.changed.notify_one();
        }
    }

    /// The object is gone, or has nothing to read.
    pub(crate) fn remove(&self, uid: &str) {
        self.lock().remove(uid);
        self.changed.notify_one();
    }

    /// What the turn of this object is for, if it is its turn.
    pub(crate) fn turn(&self, uid: &str) -> Option<Turn> {
        self.lock().turn(uid)
    }

    /// The workspace wants listings so often; `None`: as the kinds say.
    pub(crate) fn set_sweep_every(&self, every: Option<Duration>) {
        self.lock().set_sweep_every(every);
        self.changed.notify_one();
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Rotation> {
        self.rotation.lock()
    }
}
