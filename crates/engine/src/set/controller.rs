//! Sets at work: their watches, what is remembered of each, and their part in what all kinds share.

use std::{collections::HashMap, fmt, sync::Arc};

use emnify::Api;
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use kube::Resource;
use parking_lot::Mutex;
use tokio::sync::watch::Receiver;

use super::{
    claims::{ChangedMembers, SetClaims},
    state::SetState,
};
use crate::{
    cluster::{
        context::{Alerted, AnyKind, Shared},
        object::{home_of, rank},
        reconcile::KindContext,
        watch::{self, Reconciled, Reconciler},
    },
    kind::{
        Id, Kind, Managed, Warning, decoded::Decoded, object_key::ObjectKey, relations::RefState,
        set::ObjectSet, spec::WorkspaceKey,
    },
    metrics::snapshot::ObjectsSnapshot,
    session::{Access, Session, caller::Caller, claims::ClaimSource, queue::Ticket},
};

/// What is kept of one set, by uid.
pub(super) struct SetEntry<F: ObjectSet> {
    pub(super) session: Arc<Session>,
    /// Who acts for the set in that session.
    pub(super) caller: Arc<Caller>,
    pub(super) claims: Arc<SetClaims<F>>,
    pub(super) touched: Arc<ChangedMembers>,
    pub(super) set: Arc<Mutex<SetState<F>>>,
    key: ObjectKey,
}

impl<F: ObjectSet> Clone for SetEntry<F> {
    fn clone(&self) -> Self {
        Self {
            session: self.session.clone(),
            caller: self.caller.clone(),
            claims: self.claims.clone(),
            touched: self.touched.clone(),
            set: self.set.clone(),
            key: self.key.clone(),
        }
    }
}

/// All sets of one kind.
pub(crate) struct SetController<F: ObjectSet> {
    pub(super) kube: KindContext<F>,
    entry: Mutex<HashMap<String, SetEntry<F>>>,
}

impl<F: ObjectSet> SetController<F> {
    /// A controller that watches nothing yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { kube: KindContext::new(shared), entry: Mutex::default() })
    }

    /// Watches and reconciles until `shutdown` says true.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Receiver<bool>) {
        watch::run(self, shutdown).await;
    }

    /// What is kept of a set in a session; another session means that nothing is known yet.
    pub(super) fn keep(&self, object: &Decoded<F>, access: &Access) -> SetEntry<F> {
        let uid = object.uid();
        let Access { session, caller } = access;
        let mut all = self.entry.lock();
        if let Some(entry) = all.get_mut(uid).filter(|entry| Arc::ptr_eq(&entry.session, session)) {
            if !Arc::ptr_eq(&entry.caller, caller) {
                // another workspace of the same organisation: what is known stays
                entry.caller.guard.withdraw(uid);
                entry.caller = caller.clone();
            }
            return entry.clone();
        }
        let entry = SetEntry {
            session: session.clone(),
            caller: caller.clone(),
            claims: Arc::new(SetClaims::new(object.key(), rank(object), session)),
            touched: Arc::default(),
            set: Arc::new(Mutex::new(SetState::new())),
            key: object.key(),
        };
        session.claims.add_source(uid, entry.claims.clone());
        let before = all.insert(uid.to_owned(), entry.clone());
        drop(all);
        if let Some(before) = before {
            self.release(&before, uid);
        }
        entry
    }

    /// The set that an existing object is a member of, and what it holds.
    fn member(&self, session: &Session, id: &Id) -> Option<(SetEntry<F>, i64)> {
        let all = self.entry.lock();
        let mut sets =
            all.values().filter(|entry| Arc::as_ptr(&entry.session) == std::ptr::from_ref(session));
        sets.find_map(|entry| {
            let pool = F::pool_entry(&*entry.session.kind_state::<F::Member>().mirror.row(id)?)?;
            (Some(entry.claims.member(pool)?) == id.int()).then(|| (entry.clone(), pool))
        })
    }

    /// Who else may claim what a set holds.
    pub(super) fn sharers(&self, uid: &str) -> Vec<ObjectKey> {
        let Some(entry) = self.entry.lock().get(uid).cloned() else { return Vec::new() };
        let mut all = entry.session.claims.claimants(&|right| entry.claims.rank(right).is_some());
        all.retain(|who| who != entry.claims.claimant());
        all
    }

    fn release(&self, entry: &SetEntry<F>, uid: &str) {
        entry.caller.guard.finish(uid);
        for next in entry.session.claims.release(uid) {
            self.kube.shared.trigger(&next, "a claim was released");
        }
    }

    /// The set is gone or let go.
    pub(super) fn forget(&self, uid: &str) {
        let entry = self.entry.lock().remove(uid);
        if let Some(entry) = entry {
            self.release(&entry, uid);
        }
        self.kube.forget(uid);
    }
}

impl<F: ObjectSet> fmt::Debug for SetController<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetController").field("kind", &F::KIND).finish_non_exhaustive()
    }
}

impl<F: ObjectSet> Reconciler<F> for SetController<F> {
    fn kube(&self) -> &KindContext<F> {
        &self.kube
    }

    async fn reconcile(self: &Arc<Self>, object: &Decoded<F>) -> Result<Reconciled, kube::Error> {
        self.reconcile_object(object).await
    }

    fn deleted(&self, object: &Decoded<F>) {
        self.kube.drop_references(object);
        self.forget(object.uid());
    }
}

/// A controller of sets behind [`AnyKind`].
pub(crate) struct SetHandle<F: ObjectSet>(pub(crate) Arc<SetController<F>>);

impl<F: ObjectSet> AnyKind for SetHandle<F> {
    fn reference(&self, namespace: &str, name: &str) -> RefState {
        let Some(object) = self.0.kube.watches.object(namespace, name) else { return RefState::Missing };
        match object.meta().deletion_timestamp {
            // a set that leaves still uses what it refers to
            Some(_) => RefState::Deleting,
            None => match home_of(&self.0.kube.shared, &object, &self.0.kube.common(&object)) {
                Some((organisation, host)) => {
                    RefState::Bound { id: Id::Text(name.to_owned()), organisation, host }
                }
                None => RefState::Unbound,
            },
        }
    }

    /// Read off the marks, which are there before the set was looked at.
    fn members(&self, session: &Session, namespace: &str, name: &str) -> Option<Vec<Id>> {
        self.0.kube.watches.object(namespace, name)?;
        let mark = format!("{}/{namespace}/{name}", self.0.kube.shared.settings.installation);
        let mut found = Vec::new();
        session.kind_state::<F::Member>().mirror.each(&mut |row| {
            if F::marks(row).and_then(|marks| marks.set) == Some(&*mark) {
                found.push(F::Member::id(row));
            }
        });
        Some(found)
    }

    fn holder(&self, session: &Session, kind: &str, id: &Id) -> Option<ObjectKey> {
        if kind != F::Member::KIND {
            return None;
        }
        let row = session.kind_state::<F::Member>().mirror.row(id)?;
        let own = F::marks(&row)?.set?.strip_prefix(self.0.kube.shared.settings.installation.as_str())?;
        let (namespace, name) = own.strip_prefix('/')?.split_once('/')?;
        Some(ObjectKey { kind: F::KIND, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    fn sets(&self, key: &ObjectKey, pointer: &str) -> bool {
        self.0.kube.sets(key, pointer)
    }

    fn trigger(&self, key: &ObjectKey, why: &str) {
        self.0.kube.trigger(key, why);
    }

    fn trigger_all(&self, workspace: &WorkspaceKey) {
        self.0.kube.trigger_all(workspace);
    }

    fn allowed_again(&self, workspace: &WorkspaceKey) {
        for object in self.0.kube.watches.objects() {
            if let Some(access) = self.0.kube.access(&object).ok().filter(|a| a.caller.key == *workspace) {
                let entry = self.0.keep(&object, &access);
                let mut set = entry.set.lock();
                set.roster.failures.retain(|_, trouble| trouble.refused.is_none());
                set.forgiven = true;
            }
        }
        self.trigger_all(workspace);
    }

    /// Sets are asked what they hold from the moment their session is used.
    fn claim_all(&self, access: &Access) {
        for object in self.0.kube.watches.objects() {
            if self.0.kube.lives_in(&object, &access.session) {
                self.0.keep(&object, access);
            }
        }
    }

    fn dispatch(&self, session: Arc<Session>, api: Api, ticket: Ticket) -> BoxFuture<'static, Ticket> {
        self.0.clone().dispatch(session, api, ticket).boxed()
    }

    fn alerted(&self, alerted: &Alerted<'_>) {
        let Alerted { kind, session, id, alert, at } = *alerted;
        if kind != F::Member::KIND {
            return;
        }
        let Some((entry, pool)) = self.0.member(session, id) else { return };
        let Some(object) = self.0.kube.object(&entry.key) else { return };
        let entry = entry.session.kind_state::<F::Pool>().mirror.row(&Id::Int(pool));
        let called = entry.map_or_else(|| pool.to_string(), |row| F::display_name(&row));
        let note = format!("{called}: {}", alert.note);
        self.0.kube.shared.events.say_once(&*object, &Warning { note: &note, ..alert.into() }, at);
    }

    fn name(&self) -> &'static str {
        F::KIND
    }

    fn row_changed(&self, kind: &str, session: &Session, id: &Id) {
        if kind != F::Member::KIND {
            return;
        }
        let all = self.0.entry.lock();
        for entry in all.values().filter(|entry| Arc::as_ptr(&entry.session) == std::ptr::from_ref(session)) {
            let row = entry.session.kind_state::<F::Member>().mirror.row(id);
            let pool = row.as_ref().and_then(|row| F::pool_entry(row));
            let ours = pool.is_some_and(|pool| entry.claims.member(pool).is_some());
            let marked = row.as_ref().and_then(|row| F::marks(row)?.set).is_some();
            // without a row only the sets themselves know whose it was
            if (ours || marked || row.is_none()) && entry.touched.add(pool.filter(|_| ours), id.int()) {
                self.0.kube.trigger(&entry.key, "members changed");
            }
        }
    }

    fn objects(&self, now: Timestamp) -> ObjectsSnapshot {
        ObjectsSnapshot::count(&self.0.kube.watches.objects(), now, |_| None)
    }

    fn dependents(&self, workspace: &WorkspaceKey) -> Vec<String> {
        self.0.kube.dependents(workspace, |common| common.organisation_id.is_some())
    }

    fn listed(&self) -> BoxFuture<'_, ()> {
        self.0.kube.watches.listed().boxed()
    }
}
