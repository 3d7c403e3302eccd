//! One live organisation on one host: what every object of it shares.

use std::{
    any::Any,
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use emnify::{Client, Error, Lane};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    batch::{Cohorts, Pace},
    claims::Claims,
    guard::Guard,
    hints::Hints,
    kind::{BatchKey, Managed},
    mirror::Mirror,
    queue::Queue,
    refs::Named,
    scrub::Scrub,
    snapshot::LastCensus,
    tables::Tables,
};

/// The mirror of one kind and the wish for a sweep of it.
#[derive(Debug)]
pub struct Shelf<K: Managed> {
    /// What is known.
    pub mirror: Mirror<K>,
    /// Ask for a sweep before its time.
    pub sweep: Notify,
    /// Objects of any kind that look again after the next complete listing.
    pub(crate) waiting: Mutex<BTreeSet<Named>>,
    /// Sweeping has been started.
    pub(crate) swept: AtomicBool,
    bulk: Mutex<Bulk>,
}

/// What was learnt of the bulk calls of one kind.
#[derive(Debug, Default)]
struct Bulk {
    paces: HashMap<BatchKey, Pace>,
    rooms: HashMap<BatchKey, (usize, Instant)>,
    /// A refused bulk create makes nothing (`Some(true)`), or some of it (`Some(false)`).
    whole: Option<bool>,
}

/// A capacity that was read is believed for so long.
const ROOM_KEPT: Duration = Duration::from_secs(600);
/// A lack of capacity is believed for so long.
const FULL_KEPT: Duration = Duration::from_secs(60);

impl<K: Managed> Shelf<K> {
    /// How many changes with this key the next call may carry.
    pub fn pace(&self, key: &BatchKey, most: usize) -> usize {
        self.bulk().paces.get(key).copied().unwrap_or_else(|| Pace::new(most)).size()
    }

    /// A call of `items` changes took `time`; new objects took up room.
    pub fn took(&self, key: &BatchKey, most: usize, items: usize, time: Duration) {
        let mut bulk = self.bulk();
        bulk.paces.entry(key.clone()).or_insert_with(|| Pace::new(most)).took(items, time);
        if let Some((room, _)) = bulk.rooms.get_mut(key) {
            *room = room.saturating_sub(items);
        }
    }

    /// Room for `wanted` new objects, as far as it is known and still to be believed.
    pub fn room(&self, key: &BatchKey, wanted: usize) -> Option<usize> {
        let (room, at) = *self.bulk().rooms.get(key)?;
        let kept = if room >= wanted { ROOM_KEPT } else { FULL_KEPT };
        (at.elapsed() < kept).then_some(room)
    }

    /// Room for `wanted` new objects like the one that `create` makes, asked for unless it is known; `None` where the
    /// API has no such limit.
    pub(crate) async fn room_for(
        &self,
        api: &emnify::Api,
        key: &BatchKey,
        create: &K::Change,
        wanted: usize,
    ) -> Option<usize> {
        if let Some(room) = self.room(key, wanted) {
            return Some(room);
        }
        match K::room(api, create).await {
            Ok(room) => room.map(|room| self.set_room(key, room)),
            Err(error) => {
                // not knowing is no reason not to try
                tracing::warn!(kind = K::KIND, %error, "capacity not read");
                None
            }
        }
    }

    /// The API said for how many new objects it has room.
    pub fn set_room(&self, key: &BatchKey, room: usize) -> usize {
        self.bulk().rooms.insert(key.clone(), (room, Instant::now()));
        room
    }

    /// The API has less room than it said.
    pub fn forget_room(&self, key: &BatchKey) {
        self.bulk().rooms.remove(key);
    }

    /// A refused bulk create had made nothing, as far as a complete listing shows.
    pub(crate) fn learn_whole(&self) {
        self.bulk().whole.get_or_insert(true);
    }

    /// A refused bulk create had made some of its objects.
    pub(crate) fn learn_partial(&self) {
        self.bulk().whole = Some(false);
    }

    /// Refused bulk creates are known to make nothing.
    pub(crate) fn refuses_whole(&self) -> bool {
        self.bulk().whole == Some(true)
    }

    fn bulk(&self) -> parking_lot::MutexGuard<'_, Bulk> {
        self.bulk.lock()
    }
}

/// One live organisation on one host.
pub struct Session {
    /// The logged-in client.
    pub client: Client,
    /// Id of the organisation.
    pub organisation: String,
    /// What waits to be sent.
    pub queue: Queue,
    /// Lookup tables.
    pub tables: Tables,
    /// Who may act on what.
    pub claims: Claims,
    /// Limit on disturbed devices.
    pub guard: Guard,
    /// Slow re-reading of what no listing shows.
    pub scrub: Scrub,
    /// What says between listings that something changed.
    pub hints: Hints,
    /// Who shares calls after one failed.
    pub cohorts: Cohorts,
    /// Its objects by what they are like, for metrics.
    pub(crate) census: LastCensus,
    shelves: Mutex<HashMap<&'static str, Arc<dyn Any + Send + Sync>>>,
    factory_test: AtomicBool,
    sweep_every: Mutex<Option<Duration>>,
    own_token: AtomicI64,
    refused: watch::Sender<Option<Error>>,
    stopped: watch::Sender<bool>,
}

impl Session {
    /// A session of a client that has logged in to `organisation`.
    pub fn new(client: Client, organisation: String) -> Arc<Self> {
        let own = client.identity().and_then(|i| i.application_token_id).unwrap_or(0);
        Arc::new(Self {
            client,
            organisation,
            queue: Queue::default(),
            tables: Tables::default(),
            claims: Claims::default(),
            guard: Guard::default(),
            scrub: Scrub::default(),
            hints: Hints::default(),
            cohorts: Cohorts::default(),
            census: LastCensus::default(),
            shelves: Mutex::default(),
            factory_test: AtomicBool::new(false),
            sweep_every: Mutex::new(None),
            own_token: AtomicI64::new(own),
            refused: watch::Sender::new(None),
            stopped: watch::Sender::new(false),
        })
    }

    /// The shelf of a kind, made on first use.
    pub fn shelf<K: Managed>(&self) -> Arc<Shelf<K>> {
        let mut shelves = self.shelves.lock();
        let any = shelves
            .entry(K::KIND)
            .or_insert_with(|| {
                Arc::new(Shelf::<K> {
                    mirror: Mirror::default(),
                    sweep: Notify::new(),
                    waiting: Mutex::default(),
                    swept: AtomicBool::new(false),
                    bulk: Mutex::default(),
                })
            })
            .clone();
        drop(shelves);
        any.downcast().expect("a shelf is stored under the name of its own kind")
    }

    /// Whether the organisation activates SIMs into Factory Test.
    pub fn factory_test(&self) -> bool {
        self.factory_test.load(Ordering::Relaxed)
    }

    /// Sets what [`Session::factory_test`] says.
    pub fn set_factory_test(&self, on: bool) {
        self.factory_test.store(on, Ordering::Relaxed);
    }

    /// Objects are being made: most of what hints would tell is about them.
    pub fn creating(&self) -> bool {
        self.hints.creating(self.queue.len(Lane::Create))
    }

    /// Id of the application token that the session logs in with.
    pub fn own_token(&self) -> Option<i64> {
        let fresh = self.client.identity().and_then(|i| i.application_token_id);
        if let Some(id) = fresh {
            self.own_token.store(id, Ordering::Relaxed);
        }
        Some(self.own_token.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    /// Time between sweeps where the workspace sets one.
    pub fn sweep_every(&self) -> Option<Duration> {
        *self.sweep_every.lock()
    }

    /// Sets what [`Session::sweep_every`] says.
    pub fn set_sweep_every(&self, every: Option<Duration>) {
        self.scrub.set_sweep_every(every);
        *self.sweep_every.lock() = every;
    }

    /// A call was refused for the whole account; whoever owns the session looks into it.
    pub fn report_refusal(&self, error: &Error) {
        self.refused.send_replace(Some(error.clone()));
    }

    /// The credentials work (again).
    pub fn clear_refusal(&self) {
        self.refused.send_if_modified(|r| r.take().is_some());
    }

    /// Follows refusals.
    pub fn refusals(&self) -> watch::Receiver<Option<Error>> {
        self.refused.subscribe()
    }

    /// Ends every task of the session.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Resolves when the session is stopped.
    pub async fn stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        // the sender lives as long as the session, so this only ends with true
        let _ended = stopped.wait_for(|s| *s).await.is_ok();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("organisation", &self.organisation).finish_non_exhaustive()
    }
}
