//! What no listing shows (quotas, blocklists, details of profiles, rate zones, first-time connectivity) is read again in
//! slow rotation: one walk per session over the bound objects of all kinds, one read at a time, within a small share of
//! the budget. What an edit or a person needs is read at once and does not come through here.
//!
//! Objects do not wait in the queue for their turn: the rotation picks the next when the budget allows one.

mod rotation;

use std::{sync::Arc, time::Duration};

use emnify::Lane;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

pub(crate) use self::rotation::{Due, Turn};
use self::rotation::{Next, Rotation};
use crate::{queue::Item, session::Session, shared::Shared};

/// How the rotation stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScrubSnapshot {
    /// Pieces that are read in turn.
    pub pieces: usize,
    /// How old a piece may become until it is read again.
    pub rotation: Duration,
    /// Requests per second that it may make.
    pub share: f64,
}

/// The rotation of one session.
#[derive(Debug)]
pub struct Scrub {
    rotation: Mutex<Rotation>,
    changed: Notify,
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

    fn lock(&self) -> MutexGuard<'_, Rotation> {
        self.rotation.lock()
    }
}

/// Queues one object after another, until the session is stopped.
pub(crate) fn follow(shared: &Shared, session: &Arc<Session>) {
    shared.tasks.of_session(session, "rotation", rotate(session.clone()));
}

async fn rotate(session: Arc<Session>) {
    let scrub = &session.scrub;
    loop {
        let busy = Lane::ALL.into_iter().any(|lane| lane < Lane::Scrub && session.queue.len(lane) > 0);
        let next = scrub.lock().next(Instant::now(), busy);
        match next {
            Next::Take(item) => session.queue.push(item, Lane::Scrub, None, None),
            Next::At(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = scrub.changed.notified() => {}
            },
            Next::Changed => scrub.changed.notified().await,
        }
    }
}
