//! Sets at work: their watches, what is remembered of each, and their part in what all kinds share.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use emnify::{
    Api,
    wire::event::{Event, Record},
};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::watch::Receiver;

use super::{
    Fleet,
    holder::{Holding, Touched},
    state::Set,
};
use crate::{
    caller::{Access, Caller},
    claims::{Claimant, Holder},
    controller::{
        memory::Memory,
        object::{claimant, fallback_status, home_of, lives_in, named, workspace_key, workspace_of},
        watch::{Looked, Looks, Watches},
    },
    decoded::Decoded,
    directory::{Served, WorkspaceKey},
    kind::{Alert, FINALIZER, Id, Key, Kind, Status},
    queue::Ticket,
    refs::Named,
    session::Session,
    shared::{AnyKind, Located, RefState, Shared},
    snapshot::ObjectsSnapshot,
    status::Overlay,
};

/// What is kept of one set, by uid.
pub(super) struct Kept<F: Fleet> {
    pub(super) session: Arc<Session>,
    /// Who acts for the set in that session.
    pub(super) caller: Arc<Caller>,
    pub(super) holding: Arc<Holding<F>>,
    pub(super) touched: Arc<Touched>,
    pub(super) set: Arc<Mutex<Set<F>>>,
    place: (String, String),
}

impl<F: Fleet> Clone for Kept<F> {
    fn clone(&self) -> Self {
        Self {
            session: self.session.clone(),
            caller: self.caller.clone(),
            holding: self.holding.clone(),
            touched: self.touched.clone(),
            set: self.set.clone(),
            place: self.place.clone(),
        }
    }
}

/// All sets of one kind.
pub(crate) struct FleetController<F: Fleet> {
    pub(super) shared: Arc<Shared>,
    watches: Watches<F>,
    pub(super) memory: Memory,
    pub(super) overlay: Overlay<F>,
    /// The kind's definition is being deleted.
    pub(super) terminating: AtomicBool,
    kept: Mutex<HashMap<String, Kept<F>>>,
}

impl<F: Fleet> FleetController<F> {
    /// A controller that watches nothing yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        let watches = Watches::new(&shared.settings.namespaces);
        Arc::new(Self {
            shared,
            watches,
            memory: Memory::default(),
            overlay: Overlay::default(),
            terminating: AtomicBool::new(false),
            kept: Mutex::default(),
        })
    }

    /// Watches and reconciles until `shutdown` says true.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Receiver<bool>) {
        self.watches.run(&self.shared.client, &self, &shutdown).await;
    }

    pub(super) fn object(&self, namespace: &str, name: &str) -> Option<Arc<Decoded<F>>> {
        self.watches.object(namespace, name)
    }

    pub(super) fn poke(&self, namespace: &str, name: &str, why: &str) {
        self.watches.poke(namespace, name, why);
    }

    /// What is kept of a set in a session; another session means that nothing is known yet.
    pub(super) fn keep(&self, object: &Decoded<F>, access: &Access) -> Kept<F> {
        let uid = object.uid().unwrap_or_default();
        let Access { session, caller } = access;
        let mut all = self.kept.lock();
        if let Some(kept) = all.get_mut(&uid).filter(|kept| Arc::ptr_eq(&kept.session, session)) {
            if !Arc::ptr_eq(&kept.caller, caller) {
                // another workspace of the same organisation: what is known stays
                kept.caller.guard.withdraw(&uid);
                kept.caller = caller.clone();
            }
            return kept.clone();
        }
        let created = object.creation_timestamp().map(|t| t.0.to_string()).unwrap_or_default();
        let kept = Kept {
            session: session.clone(),
            caller: caller.clone(),
            holding: Arc::new(Holding::new(claimant(object), created, uid.clone(), session)),
            touched: Arc::default(),
            set: Arc::new(Mutex::new(Set::new())),
            place: (object.namespace().unwrap_or_default(), object.name_any()),
        };
        session.claims.hold(&uid, kept.holding.clone());
        let before = all.insert(uid.clone(), kept.clone());
        drop(all);
        if let Some(before) = before {
            self.release(&before, &uid);
        }
        kept
    }

    /// The set that an existing object is a member of, and what it holds.
    fn member(&self, session: &Session, id: &Id) -> Option<(Kept<F>, i64)> {
        let all = self.kept.lock();
        let mut sets = all.values().filter(|kept| Arc::as_ptr(&kept.session) == std::ptr::from_ref(session));
        sets.find_map(|kept| {
            let pool = F::holds(&*kept.session.shelf::<F::Member>().mirror.row(id)?)?;
            (Some(kept.holding.member(pool)?) == id.int()).then(|| (kept.clone(), pool))
        })
    }

    /// Who else may claim what a set holds.
    pub(super) fn sharers(&self, uid: &str) -> Vec<Claimant> {
        let Some(kept) = self.kept.lock().get(uid).cloned() else { return Vec::new() };
        let mut all = kept.session.claims.claimants(&|right| kept.holding.rank(right).is_some());
        all.retain(|who| who != kept.holding.claimant());
        all
    }

    fn release(&self, kept: &Kept<F>, uid: &str) {
        kept.caller.guard.finish(uid);
        for next in kept.session.claims.release(uid) {
            self.shared.poke(&next.into(), "a claim was released");
        }
    }

    /// The set is gone or let go.
    pub(super) fn forget(&self, uid: &str) {
        let kept = self.kept.lock().remove(uid);
        if let Some(kept) = kept {
            self.release(&kept, uid);
        }
        self.memory.forget(uid);
        self.overlay.forget(uid);
    }

    fn common(&self, object: &Decoded<F>) -> crate::spec::CommonStatus {
        let (status, _) = self.overlay.newest(object);
        status.as_ref().map_or_else(|| fallback_status(object), |status| status.common().clone())
    }
}

impl<F: Fleet> fmt::Debug for FleetController<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetController").field("kind", &F::KIND).finish_non_exhaustive()
    }
}

impl<F: Fleet> Looks<F> for FleetController<F> {
    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn served(&self, object: &Decoded<F>) -> Served {
        workspace_of(&self.shared, object, &self.common(object)).served
    }

    fn overlay(&self) -> &Overlay<F> {
        &self.overlay
    }

    fn look(self: Arc<Self>, object: Arc<Decoded<F>>) -> BoxFuture<'static, Result<Looked, kube::Error>> {
        async move { self.reconcile(&object).await }.boxed()
    }

    fn settled(&self, object: &Decoded<F>) -> bool {
        self.common(object).settled_generation == object.meta().generation
    }

    fn gone(&self, object: &Decoded<F>) {
        for target in self.shared.refs.set(&named(object), Vec::new()) {
            self.shared.poke(&target, "an object that referred to it is gone");
        }
        self.forget(&object.uid().unwrap_or_default());
    }
}

/// A controller of sets behind [`AnyKind`].
pub(crate) struct FleetHandle<F: Fleet>(pub(crate) Arc<FleetController<F>>);

impl<F: Fleet> AnyKind for FleetHandle<F> {
    fn reference(&self, namespace: &str, name: &str) -> RefState {
        let Some(object) = self.0.object(namespace, name) else { return RefState::Missing };
        match object.meta().deletion_timestamp {
            // a set that leaves still uses what it refers to
            Some(_) => RefState::Deleting,
            None => match home_of(&self.0.shared, &object, &self.0.common(&object)) {
                Some((organisation, host)) => {
                    RefState::Bound { id: Id::Text(name.to_owned()), organisation, host }
                }
                None => RefState::Unbound,
            },
        }
    }

    fn locate(&self, _: &Arc<Session>, _: &Key, _: &Named) -> Located {
        Located::Nothing
    }

    fn poke(&self, namespace: &str, name: &str, why: &str) {
        self.0.poke(namespace, name, why);
    }

    fn poke_all(&self, workspace: &WorkspaceKey) {
        for object in self.0.watches.objects() {
            let namespace = object.namespace().unwrap_or_default();
            if workspace.namespace.as_ref().is_none_or(|n| *n == namespace) {
                self.0.poke(&namespace, &object.name_any(), "its workspace changed");
            }
        }
    }

    fn allowed_again(&self, workspace: &WorkspaceKey) {
        for object in self.0.watches.objects() {
            if let Some(access) = self.0.access_of(&object).ok().filter(|a| a.caller.key == *workspace) {
                let kept = self.0.keep(&object, &access);
                let mut set = kept.set.lock();
                set.roster.failures.retain(|_, trouble| trouble.refused.is_none());
                set.forgiven = true;
            }
        }
        self.poke_all(workspace);
    }

    /// Sets are asked what they hold from the moment their session is used.
    fn claim_all(&self, access: &Access) {
        for object in self.0.watches.objects() {
            if lives_in(&self.0.shared, &object, &self.0.common(&object), &access.session) {
                self.0.keep(&object, access);
            }
        }
    }

    fn dispatch(&self, session: Arc<Session>, api: Api, ticket: Ticket) -> BoxFuture<'static, Ticket> {
        self.0.clone().dispatch(session, api, ticket).boxed()
    }

    fn alerted(&self, kind: &str, session: &Session, id: &Id, alert: &Alert, at: Timestamp) {
        if kind != F::Member::KIND {
            return;
        }
        let Some((kept, pool)) = self.0.member(session, id) else { return };
        let Some(object) = self.0.object(&kept.place.0, &kept.place.1) else { return };
        let entry = kept.session.shelf::<F::Pool>().mirror.row(&Id::Int(pool));
        let called = entry.map_or_else(|| pool.to_string(), |row| F::called(&row));
        let note = format!("{called}: {}", alert.note);
        self.0.shared.events.say_once(&*object, alert.reason, &note, &alert.key, at);
    }

    fn name(&self) -> &'static str {
        F::KIND
    }

    /// Members are heard of through their own kind.
    fn listens(&self) -> bool {
        false
    }

    fn follow(&self, _: &Arc<Session>) {}

    fn hear(&self, _: &Arc<Session>, _: &[(Event, Timestamp)]) {}

    fn stale(&self, _: &Arc<Session>, _: &[Record]) {}

    fn sweep_since(&self, _: &Session, _: Timestamp) {}

    fn touched(&self, kind: &str, session: &Session, id: &Id) {
        if kind != F::Member::KIND {
            return;
        }
        let all = self.0.kept.lock();
        for kept in all.values().filter(|kept| Arc::as_ptr(&kept.session) == std::ptr::from_ref(session)) {
            let row = kept.session.shelf::<F::Member>().mirror.row(id);
            let pool = row.as_ref().and_then(|row| F::holds(row));
            let ours = pool.is_some_and(|pool| kept.holding.member(pool).is_some());
            let marked = row.as_ref().and_then(|row| F::marks(row)?.set).is_some();
            // without a row only the sets themselves know whose it was
            if (ours || marked || row.is_none()) && kept.touched.add(pool.filter(|_| ours), id.int()) {
                self.0.poke(&kept.place.0, &kept.place.1, "members changed");
            }
        }
    }

    fn count(&self, _: &Session) -> Option<usize> {
        None
    }

    fn objects(&self, now: Timestamp) -> ObjectsSnapshot {
        ObjectsSnapshot::count(&self.0.watches.objects(), now, |_| None)
    }

    fn dependents(&self, workspace: &WorkspaceKey) -> Vec<String> {
        let depends = |object: &Decoded<F>| {
            let common = self.0.common(object);
            common.organisation_id.is_some()
                && object.finalizers().iter().any(|f| f == FINALIZER)
                && workspace_key(&self.0.shared, object, &common) == *workspace
        };
        let told = |object: &Decoded<F>| {
            format!("{} {}/{}", F::KIND, object.namespace().unwrap_or_default(), object.name_any())
        };
        self.0.watches.objects().iter().filter(|o| depends(o)).map(|o| told(o)).collect()
    }

    fn listed(&self) -> bool {
        self.0.watches.listed()
    }
}

impl<F: Fleet> FleetController<F> {
    /// The session a set works in, and who acts for it there.
    pub(super) fn access_of(&self, object: &Decoded<F>) -> Result<Access, String> {
        workspace_of(&self.shared, object, &self.common(object)).state
    }
}
