//! One live organisation on one host: what every object of it shares.

pub(crate) mod batch;
pub mod caller;
pub(crate) mod census;
pub mod chance;
pub(crate) mod claims;
pub(crate) mod counts;
pub mod guard;
pub(crate) mod hints;
pub mod lookups;
pub(crate) mod mirror;
pub(crate) mod pace;
pub(crate) mod past;
pub(crate) mod pause;
pub(crate) mod queue;
pub(crate) mod response;
pub(crate) mod role;
pub mod scrub;

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use emnify::{Api, Error, Lane};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use self::{
    batch::{Pace, RetryGroups},
    caller::Caller,
    census::LastCensus,
    claims::Claims,
    counts::Counts,
    hints::Hints,
    lookups::Lookups,
    mirror::Mirror,
    queue::Queue,
    scrub::Scrub,
};
use crate::kind::{BatchKey, Managed, object_key::ObjectKey, spec::WorkspaceKey};

/// The mirror of one kind and the wish for a sweep of it.
#[derive(Debug)]
pub struct KindState<K: Managed> {
    /// What is known.
    pub mirror: Mirror<K>,
    /// Ask for a sweep before its time.
    pub sweep: Notify,
    /// Objects of any kind that look again after the next complete listing.
    pub(crate) waiting: Mutex<BTreeSet<ObjectKey>>,
    /// An object is bound to a row that the companion listing may tell of, and nothing is known from it yet.
    pub(crate) untold: Notify,
    /// Sweeping has been started.
    pub(crate) swept: AtomicBool,
    bulk: Mutex<Bulk>,
}

/// What was learnt of the bulk calls of one kind.
#[derive(Debug, Default)]
struct Bulk {
    paces: HashMap<BatchKey, Pace>,
    rooms: HashMap<BatchKey, (usize, Instant)>,
    /// When emnify last refused to tell a login how much room there is.
    refused_rooms: HashMap<WorkspaceKey, Instant>,
    /// A refused bulk create makes nothing (`Some(true)`), or some of it (`Some(false)`).
    whole: Option<bool>,
}

/// A capacity that was read is believed for so long.
const ROOM_KEPT: Duration = Duration::from_secs(600);
/// A lack of capacity is believed for so long.
const FULL_KEPT: Duration = Duration::from_secs(60);

impl<K: Managed> KindState<K> {
    /// How many changes with this key the next call may carry, while people edit or not.
    pub fn pace(&self, key: &BatchKey, most: usize, edits: bool) -> usize {
        self.bulk().paces.get(key).copied().unwrap_or_else(|| Pace::new(most)).size(edits)
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
        (caller, api): (&Caller, &Api),
        key: &BatchKey,
        create: &K::Change,
        wanted: usize,
    ) -> Option<usize> {
        if let Some(room) = self.room(key, wanted) {
            return Some(room);
        }
        let bulk = K::BULK?;
        if self.bulk().refused_rooms.get(&caller.key).is_some_and(|at| at.elapsed() < ROOM_KEPT) {
            return None;
        }
        let error = match (bulk.room)(api, create).await {
            Ok(room) => {
                self.bulk().refused_rooms.remove(&caller.key);
                return room.map(|room| self.set_room(key, room));
            }
            Err(error) => error,
        };
        // not knowing is no reason not to try
        let refused = matches!(error, Error::Unauthorized { .. } | Error::Rejected { .. });
        if !refused || self.bulk().refused_rooms.insert(caller.key.clone(), Instant::now()).is_none() {
            tracing::warn!(kind = K::KIND, workspace = %caller.key, %error, "capacity not read");
        }
        None
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
    /// Id of the organisation.
    pub organisation: String,
    /// Origin of the host. Another host may have an organisation of the same id.
    pub host: String,
    /// When this process began to act in it.
    pub(crate) began: Instant,
    /// What waits to be sent.
    pub queue: Queue,
    /// Lookup tables.
    pub lookups: Lookups,
    /// Who may act on what.
    pub claims: Claims,
    /// Slow re-reading of what no listing shows.
    pub scrub: Scrub,
    /// What says between listings that something changed.
    pub hints: Hints,
    /// Who shares calls after one failed.
    pub retry_groups: RetryGroups,
    /// Numbers that users are shown.
    pub(crate) counts: Counts,
    /// Its objects by what they are like, for metrics.
    pub(crate) census: LastCensus,
    kind_states: Mutex<HashMap<&'static str, Arc<dyn Any + Send + Sync>>>,
    factory_test: AtomicBool,
    blocked: AtomicBool,
    sweep_every: Mutex<Option<Duration>>,
    callers: RwLock<Callers>,
    stopped: watch::Sender<bool>,
}

/// Who acts in a session, by Workspace.
#[derive(Debug)]
struct Callers {
    by_key: BTreeMap<WorkspaceKey, Arc<Caller>>,
    /// The one that came or went last, for a session that is ending.
    last: Arc<Caller>,
}

impl Session {
    /// A session of `organisation`, which its first caller has logged in to.
    pub fn new(first: Arc<Caller>, organisation: String) -> Arc<Self> {
        let by_key = BTreeMap::from([(first.key.clone(), first.clone())]);
        let host = first.client.base_url().origin();
        Arc::new(Self {
            organisation,
            host,
            began: Instant::now(),
            queue: Queue::default(),
            lookups: Lookups::default(),
            claims: Claims::default(),
            scrub: Scrub::default(),
            hints: Hints::default(),
            retry_groups: RetryGroups::default(),
            counts: Counts::default(),
            census: LastCensus::default(),
            kind_states: Mutex::default(),
            factory_test: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            sweep_every: Mutex::new(None),
            callers: RwLock::new(Callers { by_key, last: first }),
            stopped: watch::Sender::new(false),
        })
    }

    /// Host and organisation, which no other session has.
    pub(crate) fn place(&self) -> String {
        format!("{} {}", self.host, self.organisation)
    }

    /// It is that of the organisation with this id; on this host, where that is known.
    pub(crate) fn is_at(&self, organisation: &str, host: Option<&str>) -> bool {
        self.organisation == organisation && host.is_none_or(|host| host == self.host)
    }

    /// The kind state of a kind, made on first use.
    pub fn kind_state<K: Managed>(&self) -> Arc<KindState<K>> {
        let mut kind_states = self.kind_states.lock();
        let any = kind_states
            .entry(K::KIND)
            .or_insert_with(|| {
                Arc::new(KindState::<K> {
                    mirror: Mirror::default(),
                    sweep: Notify::new(),
                    waiting: Mutex::default(),
                    untold: Notify::new(),
                    swept: AtomicBool::new(false),
                    bulk: Mutex::default(),
                })
            })
            .clone();
        drop(kind_states);
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

    /// emnify says that it blocks the organisation: no device has service.
    pub fn blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Sets what [`Session::blocked`] says.
    pub fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }

    /// Hears when something was made or deleted here, once its numbers are right.
    pub fn counted(&self) -> watch::Receiver<()> {
        self.counts.heard()
    }

    /// Objects are being made: most of what hints would tell is about them.
    pub fn creating(&self) -> bool {
        self.hints.creating(self.queue.len(Lane::Create))
    }

    /// Another Workspace of the organisation acts here too, with a login of its own.
    pub fn admit(&self, caller: Arc<Caller>) -> Arc<Caller> {
        let mut callers = self.callers.write();
        callers.last = caller.clone();
        callers.by_key.insert(caller.key.clone(), caller.clone());
        caller
    }

    /// The caller of a Workspace, if it acts here.
    pub fn caller(&self, key: &WorkspaceKey) -> Option<Arc<Caller>> {
        self.callers.read().by_key.get(key).cloned()
    }

    /// A Workspace acts here no more.
    pub fn dismiss(&self, key: &WorkspaceKey) {
        let mut callers = self.callers.write();
        if let Some(caller) = callers.by_key.remove(key) {
            callers.last = caller;
        }
    }

    /// Everybody who acts here.
    pub fn callers(&self) -> Vec<Arc<Caller>> {
        let callers = self.callers.read();
        callers.by_key.values().cloned().collect()
    }

    /// A caller for reading what all share: one whose login works, as long as there is one.
    pub fn reader(&self) -> Arc<Caller> {
        let callers = self.callers.read();
        let working = callers.by_key.values().find(|caller| caller.works());
        working.or_else(|| callers.by_key.values().next()).unwrap_or(&callers.last).clone()
    }

    /// A caller for listing a kind.
    pub(crate) fn lister<K: Managed>(&self) -> Arc<Caller> {
        self.reader_of(K::KIND)
    }

    /// A caller for reading what is called so: one that may, as long as there is one.
    pub(crate) fn reader_of(&self, what: &'static str) -> Arc<Caller> {
        let lists = self.callers.read().by_key.values().find(|c| c.works() && c.lists(what)).cloned();
        lists.unwrap_or_else(|| self.reader())
    }

    /// A handle for reading what all share.
    pub fn api(&self, lane: Lane) -> Api {
        self.reader().client.api(lane)
    }

    /// emnify's time, as far as its answers tell it.
    pub fn server_time(&self) -> Timestamp {
        self.reader().client.server_time()
    }

    /// Ids of the application tokens that callers log in with: whoever revoked one would lock a Workspace out.
    pub fn own_tokens(&self) -> Vec<i64> {
        self.callers().iter().filter_map(|caller| caller.own_token()).collect()
    }

    /// E-mail addresses, in lower case, of the people that callers log in as.
    pub fn own_users(&self) -> Vec<String> {
        self.callers().iter().filter_map(|caller| caller.own_user()).collect()
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

/// What a served Workspace gives its objects: the shared session of the organisation, and its own caller.
#[derive(Clone, Debug)]
pub struct Access {
    /// What is known, shared with other Workspaces of the organisation.
    pub session: Arc<Session>,
    /// Who acts for objects of this Workspace.
    pub caller: Arc<Caller>,
}

impl Access {
    /// The first caller of a session that is begun for it.
    pub fn begin(caller: Arc<Caller>, organisation: String) -> Self {
        Self { session: Session::new(caller.clone(), organisation), caller }
    }

    /// Both lead to the same login in the same session.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.session, &other.session) && Arc::ptr_eq(&self.caller, &other.caller)
    }
}
