//! What all kinds of one process share.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, OnceLock},
};

use emnify::{
    Api, Error,
    wire::event::{Event, Record},
};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::Client;
use tokio::{sync::watch, time::Instant};

use super::{
    events::Events,
    inputs::SecretInputs,
    observer::{Observer, Share},
    references::References,
    refusal::Refusals,
    status::StatusWriter,
    tasks::Tasks,
    unserved::Unserved,
    workspaces::Workspaces,
};
use crate::{
    decide::trigger::Made,
    kind::{
        Alert, Id, Key, Managed, Shown, Table,
        census::Census,
        message::Message,
        object_key::ObjectKey,
        relations::{Located, RefState, Users},
        spec::WorkspaceKey,
        task::Labels,
    },
    metrics::{Convergences, Metrics, snapshot::ObjectsSnapshot},
    session::{Access, Session, caller::Caller, claims::Owner, queue::Ticket, role::Doing},
};

/// Settings of the engine.
#[derive(Clone, Debug, Default)]
pub struct EngineSettings {
    /// Name of this installation, part of every mark.
    pub installation: String,
    /// Namespaces to watch; empty for all.
    pub namespaces: Vec<String>,
    /// Other processes serve some of the workspaces.
    pub sharded: bool,
}

/// An alert of emnify about one of its objects.
pub struct Alerted<'a> {
    /// The kind of that object.
    pub kind: &'static str,
    /// The session that it lives in.
    pub session: &'a Session,
    /// Its id.
    pub id: &'a Id,
    /// What happened.
    pub alert: &'a Alert,
    /// When.
    pub at: Timestamp,
}

/// A kind without its types, for what crosses kinds.
pub trait AnyKind: Send + Sync {
    /// What the named object says to referrers.
    fn reference(&self, namespace: &str, name: &str) -> RefState;
    /// Finds a key in the mirror of this kind; `who` is woken when that may have changed.
    fn locate(&self, _session: &Arc<Session>, _key: &Key, _who: &ObjectKey) -> Located {
        Located::Nothing
    }
    /// Starts listing this kind, if that has not begun; `who` is woken after each complete listing.
    fn demand(&self, _session: &Arc<Session>, _who: &ObjectKey) {}
    /// Which of its emnify objects use the object `id` of `kind`; `None` before they are listed, which wakes `who`.
    fn users(&self, _session: &Arc<Session>, _kind: &str, _id: &Id, _who: &ObjectKey) -> Option<Users> {
        Some(Users::default())
    }
    /// What the object has in emnify is what it wants; true of one that has nothing there.
    fn is_in_step(&self, _key: &ObjectKey) -> bool {
        true
    }
    /// Counts by what they use of `kind`; true if all of them are listed, `None` if this kind uses nothing of that one.
    fn users_of(&self, _session: &Session, _kind: &str, _counts: &mut HashMap<Id, i64>) -> Option<bool> {
        None
    }
    /// What the object with this id says of itself to those who refer to it, as far as the mirror knows.
    fn shown(&self, _session: &Session, _id: &Id) -> Option<Shown> {
        None
    }
    /// Its listing is this lookup table too.
    fn feeds(&self, _table: &Table) -> bool {
        false
    }
    /// Something was made or deleted: rows that say how many use them are set right.
    fn recount(&self, _session: &Session) {}
    /// An emnify object of `kind` changed, appeared or went: kinds that stand for many hear of all of theirs.
    fn row_changed(&self, _kind: &str, _session: &Session, _id: &Id) {}
    /// emnify raised an alert about an object that no Kubernetes object here is bound to.
    fn alerted(&self, _alerted: &Alerted<'_>) {}
    /// Ids of the emnify objects that objects of a namespace stand for whose labels pass, in a session.
    fn labelled(&self, _session: &Session, _namespace: &str, _passes: &dyn Fn(&Labels) -> bool) -> Vec<Id> {
        Vec::new()
    }
    /// Ids of the members of a set; `None` if there is no such set.
    fn members(&self, _session: &Session, _namespace: &str, _name: &str) -> Option<Vec<Id>> {
        None
    }
    /// Whose the emnify object of `kind` is, as its marks say.
    fn holder(&self, _session: &Session, _kind: &str, _id: &Id) -> Option<ObjectKey> {
        None
    }
    /// The object sets the field of its spec that this JSON pointer names.
    fn sets(&self, _key: &ObjectKey, _pointer: &str) -> bool {
        false
    }
    /// Asks for a look at one object.
    fn trigger(&self, key: &ObjectKey, why: &str);
    /// A Secret that the object uses has changed: what was refused or failed before is tried anew.
    fn inputs_changed(&self, key: &ObjectKey) {
        self.trigger(key, "a Secret that it uses changed");
    }
    /// Asks for a look at every object that may belong to a workspace.
    fn trigger_all(&self, workspace: &WorkspaceKey);
    /// What a workspace's login was not allowed is allowed now: its objects look again, and refusals are forgotten.
    fn allowed_again(&self, workspace: &WorkspaceKey) {
        self.trigger_all(workspace);
    }
    /// Registers the claims of every bound object of a workspace, before its session is used.
    fn claim_all(&self, _access: &Access) {}
    /// Sends what the object of a ticket needs.
    fn dispatch(&self, session: Arc<Session>, api: Api, ticket: Ticket) -> BoxFuture<'static, Ticket>;
    /// Its name.
    fn name(&self) -> &'static str;
    /// Events may tell of it.
    fn listens(&self) -> bool {
        false
    }
    /// Reads what changed last until the session is stopped, where the kind can be asked for it.
    fn follow(&self, _session: &Arc<Session>) {}
    /// Takes note of events of the emnify log, oldest first.
    fn on_events(&self, _session: &Arc<Session>, _events: &[(Event, Timestamp)]) {}
    /// Takes note that a part of the emnify log was jumped over, from one time to another.
    fn on_jump(&self, _session: &Arc<Session>, _from: Timestamp, _until: Timestamp) {}
    /// Tasks that the object of this uid made.
    fn made_by(&self, _owner: &str) -> Vec<Made> {
        Vec::new()
    }
    /// Takes note of records of a data stream, in a session of their organisation.
    fn on_records(&self, _session: &Arc<Session>, _records: &[Record]) {}
    /// Takes note of what became of messages, in a session that they may be of.
    fn on_messages(&self, _session: &Arc<Session>, _messages: &[Message]) {}
    /// Asks for a complete listing, if the last one began before `since` and any is wanted.
    fn sweep_since(&self, _session: &Session, _since: Timestamp) {}
    /// Number of objects in the mirror of a session; `None` before the first complete listing.
    fn count(&self, _session: &Session) -> Option<usize> {
        None
    }
    /// Counts the objects in the mirror of a session by what [`crate::kind::Managed::CENSUS`] says.
    fn census(&self, _session: &Session, _census: &mut Census) {}
    /// When the last complete listing began, if this kind is listed.
    fn listed_at(&self, _session: &Session) -> Option<Timestamp> {
        None
    }
    /// How the Kubernetes objects of this kind stand.
    fn objects(&self, now: Timestamp) -> ObjectsSnapshot;
    /// Objects that live, or may live, in emnify through a workspace.
    fn dependents(&self, workspace: &WorkspaceKey) -> Vec<String>;
    /// Waits until every object was listed.
    fn listed(&self) -> BoxFuture<'_, ()>;
}

/// Turns at emnify, from what is sent to what its answer means.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turns {
    pub(crate) under_way: usize,
    pub(crate) ending: bool,
}

/// One of them.
pub(crate) struct Turn(Arc<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.turns.send_modify(|turns| turns.under_way -= 1);
    }
}

/// Tells the time of day.
pub(crate) type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// What all kinds of one process share.
pub struct Shared {
    /// The cluster.
    pub client: Client,
    /// Settings.
    pub settings: EngineSettings,
    /// Workspaces.
    pub workspaces: Workspaces,
    /// References.
    pub references: References,
    /// Kubernetes Events.
    pub events: Events,
    /// What is counted as it goes.
    pub metrics: Arc<Metrics>,
    /// What runs beside the kinds.
    pub tasks: Tasks,
    pub(crate) convergences: Convergences,
    pub(crate) refusals: Refusals,
    /// Secrets whose values go to emnify.
    pub(crate) inputs: SecretInputs,
    /// Namespaces that cannot be watched.
    pub unserved: Unserved,
    /// Writes every status.
    pub writer: Arc<StatusWriter>,
    pub(crate) kinds: OnceLock<HashMap<&'static str, Arc<dyn AnyKind>>>,
    pub(crate) gate: watch::Sender<bool>,
    /// When reconciling began.
    pub(crate) opened: OnceLock<Instant>,
    /// Turns at emnify under way, and whether more may begin.
    pub(crate) turns: watch::Sender<Turns>,
    pub(crate) clock: OnceLock<Clock>,
    pub(crate) observer: OnceLock<Arc<dyn Observer>>,
}

impl Shared {
    /// The parts that exist before any kind.
    pub fn new(client: Client, settings: EngineSettings) -> Arc<Self> {
        let (metrics, tasks) = (Arc::<Metrics>::default(), Tasks::default());
        Arc::new(Self {
            events: Events::start(
                &tasks,
                client.clone(),
                crate::cluster::status::MANAGER.into(),
                metrics.clone(),
            ),
            metrics,
            tasks,
            convergences: Convergences::default(),
            refusals: Refusals::default(),
            inputs: SecretInputs::default(),
            unserved: Unserved::default(),
            writer: Arc::default(),
            client,
            settings,
            workspaces: Workspaces::default(),
            references: References::default(),
            kinds: OnceLock::new(),
            gate: watch::Sender::new(false),
            opened: OnceLock::new(),
            turns: watch::Sender::default(),
            clock: OnceLock::new(),
            observer: OnceLock::new(),
        })
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.get().map_or_else(Timestamp::now, |clock| clock())
    }

    /// A kind by name.
    pub fn kind(&self, name: &str) -> Option<&Arc<dyn AnyKind>> {
        self.kinds.get().and_then(|kinds| kinds.get(name))
    }

    /// All kinds.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<dyn AnyKind>> {
        self.kinds.get().into_iter().flat_map(HashMap::values)
    }

    /// Who in emnify uses the object `id` of `who`'s kind, of all kinds; `None` before everything is listed that might.
    pub fn users(&self, session: &Arc<Session>, id: &Id, who: &ObjectKey) -> Option<Users> {
        let mut all = Users::default();
        // a stable order of kinds, so that messages are the same
        let kinds: BTreeMap<_, _> = self.kinds().map(|kind| (kind.name(), kind)).collect();
        for kind in kinds.values() {
            let users = kind.users(session, who.kind, id, who)?;
            all.here.extend(users.here);
            all.nobodys.extend(users.nobodys);
        }
        Some(all)
    }

    /// Somebody may still use `id`, an object that another one has replaced: an object here that refers to `who` has not
    /// followed yet, or what is listed names it.
    pub(crate) fn holds_on(&self, session: &Arc<Session>, id: &Id, who: &ObjectKey) -> bool {
        let follows =
            |referrer: &ObjectKey| self.kind(referrer.kind).is_none_or(|kind| kind.is_in_step(referrer));
        let followed = self.references.referrers(who).iter().all(follows);
        let used = || {
            self.users(session, id, who)
                .is_none_or(|users| !users.here.is_empty() || !users.nobodys.is_empty())
        };
        !followed || used()
    }

    /// The object is being deleted.
    pub(crate) fn goes(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let state = self.kind(kind).map(|any| any.reference(namespace, name));
        state == Some(RefState::Deleting)
    }

    /// What a mark names is an object of this cluster, of whatever kind, that is being deleted.
    pub(crate) fn marked_goes(&self, mark: &str) -> bool {
        let own = mark.strip_prefix(self.settings.installation.as_str()).and_then(|r| r.strip_prefix('/'));
        let Some((namespace, name)) = own.and_then(|place| place.split_once('/')) else { return false };
        let mut states = self.kinds().map(|kind| kind.reference(namespace, name));
        states.any(|state| state == RefState::Deleting)
    }

    /// Who it is, and whether it goes.
    pub(crate) fn owner(&self, who: &ObjectKey) -> Owner {
        Owner { name: who.to_string(), goes: self.goes(who.kind, &who.namespace, &who.name) }
    }

    /// Asks for a look at an object of any kind.
    pub fn trigger(&self, who: &ObjectKey, why: &str) {
        if let Some(kind) = self.kind(who.kind) {
            kind.trigger(who, why);
        }
    }

    /// Publishes the state of a workspace and wakes everybody who may belong to it.
    pub fn publish(&self, key: &WorkspaceKey, entry: crate::cluster::workspaces::Entry) {
        // what an object is bound to later it claims itself
        if let Ok(access) = &entry.state
            && !self.workspaces.gives(key, &access.session)
        {
            self.kinds().for_each(|kind| kind.claim_all(access));
        }
        if self.workspaces.publish(key.clone(), entry) {
            self.kinds().for_each(|kind| kind.trigger_all(key));
        }
    }

    /// Objects of a namespace became known after the workspaces: what they are bound to is theirs.
    pub(crate) fn claim_anew(&self) {
        for access in self.workspaces.accesses() {
            self.kinds().for_each(|kind| kind.claim_all(&access));
        }
    }

    /// Objects of all kinds that live, or may live, in emnify through a workspace.
    pub fn dependents(&self, workspace: &WorkspaceKey) -> Vec<String> {
        self.kinds().flat_map(|kind| kind.dependents(workspace)).collect()
    }

    /// Another process serves the workspace: whoever belongs to it is left alone.
    pub fn leave(&self, key: &WorkspaceKey) {
        if self.workspaces.leave(key.clone()) {
            self.kinds().for_each(|kind| kind.trigger_all(key));
        }
    }

    /// The workspace object is gone.
    pub fn withdraw(&self, key: &WorkspaceKey) {
        self.workspaces.remove(key);
        self.kinds().for_each(|kind| kind.trigger_all(key));
    }

    /// A call was carried out. If the login was not allowed that until now, whoever waits for it tries again.
    pub(crate) fn allowed<K: Managed>(&self, caller: &Caller, doing: Doing) {
        if caller.role.allow(&(K::KIND, doing)) {
            tracing::info!(kind = K::KIND, workspace = %caller.key, "the login may do this again");
            caller.wake();
            self.kinds().for_each(|kind| kind.allowed_again(&caller.key));
        }
    }

    /// Begins a turn at emnify; `None` when the process is ending.
    pub(crate) fn begin_turn(self: &Arc<Self>) -> Option<Turn> {
        let mut began = false;
        self.turns.send_modify(|turns| {
            began = !turns.ending;
            turns.under_way += usize::from(began);
        });
        began.then(|| Turn(self.clone()))
    }

    /// When reconciling began, if it has.
    pub(crate) fn opened_at(&self) -> Option<Instant> {
        self.opened.get().copied()
    }

    /// Tells whoever listens of a call; what is told is only made up where somebody does.
    pub(crate) fn tell(&self, shares: impl FnOnce() -> Vec<Share>, error: Option<&Error>) {
        if let Some(observer) = self.observer.get() {
            observer.called(shares(), error);
        }
    }

    /// Reconciling has begun.
    pub(crate) fn is_open(&self) -> bool {
        *self.gate.borrow()
    }

    /// Resolves when reconciling may begin.
    pub(crate) async fn opened(&self) {
        let mut gate = self.gate.subscribe();
        // the sender lives in self, so this only ends with true
        let _ended = gate.wait_for(|open| *open).await.is_ok();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}
