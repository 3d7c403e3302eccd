//! One kind at work: watch, decide, write, send.
//!
//! `decide` gathers what is known and asks the plan, `ahead` asks on where a step only has to be written down; `reconcile`
//! does the Kubernetes side of the step and queues the emnify side; `dispatch` decides again when the turn has come and
//! sends; `sweep` keeps the mirror.

mod ahead;
mod any_kind;
mod decide;
mod dispatch;
mod draft;
mod elsewhere;
mod hints;
mod listing;
mod reconcile;
mod scrub;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use futures::{FutureExt, future::BoxFuture};
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::watch::Receiver;

pub(crate) use self::any_kind::Handle;
use crate::{
    cluster::{
        context::Shared,
        memory::Memory,
        object::{fallback_status, item, lives_in, named, workspace_of},
        status::Overlay,
        watch::{Reconciled, Reconciler, Watches},
        workspaces::Served,
    },
    kind::{Id, Managed, Status, decoded::Decoded, object_key::Named},
    session::Session,
};
use std::sync::atomic::Ordering;

/// Namespace and name of an object.
type Place = (String, String);

/// One kind at work.
pub(crate) struct Controller<K: Managed> {
    shared: Arc<Shared>,
    watches: Watches<K>,
    memory: Memory,
    overlay: Overlay<K>,
    /// The kind's definition is being deleted.
    terminating: AtomicBool,
    /// Who is bound to which emnify object: (organisation, id) to the places of one manager and of whoever looks on, on
    /// whatever host.
    owners: Mutex<HashMap<(String, Id), Vec<Place>>>,
    /// Who waits for something that another object has, by that one's session and id.
    waiting: Mutex<HashMap<(String, Id), BTreeSet<Named>>>,
}

impl<K: Managed> Controller<K> {
    /// A controller that watches nothing yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        let watches = Watches::new(&shared.settings.namespaces);
        Arc::new(Self {
            shared,
            watches,
            memory: Memory::default(),
            overlay: Overlay::default(),
            terminating: AtomicBool::new(false),
            owners: Mutex::default(),
            waiting: Mutex::default(),
        })
    }

    /// Watches and reconciles until `shutdown` says true; running reconciles are finished.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Receiver<bool>) {
        self.watches.run(&self.shared.client, &self, &shutdown).await;
    }

    /// The definition of the kind is being deleted.
    fn terminating(&self) -> bool {
        self.terminating.load(Ordering::Relaxed)
    }

    /// The object of that name, as last seen.
    fn object(&self, namespace: &str, name: &str) -> Option<Arc<Decoded<K>>> {
        self.watches.object(namespace, name)
    }

    /// Every object, as last seen.
    fn objects(&self) -> Vec<Arc<Decoded<K>>> {
        self.watches.objects()
    }

    fn trigger(&self, namespace: &str, name: &str, why: &str) {
        self.watches.trigger(namespace, name, why);
    }

    /// Wakes whoever holds an emnify object.
    fn trigger_owner(&self, session: &Session, id: &Id, why: &str) {
        self.trigger_sets(session, id);
        for object in self.bound_objects(session, id) {
            self.trigger(&object.namespace().unwrap_or_default(), &object.name_any(), why);
        }
    }

    /// The objects that are bound to an emnify object.
    fn bound_objects(&self, session: &Session, id: &Id) -> Vec<Arc<Decoded<K>>> {
        let key = (session.organisation.clone(), id.clone());
        let places = self.owners.lock().get(&key).cloned().unwrap_or_default();
        let objects = places.into_iter().filter_map(|(namespace, name)| self.object(&namespace, &name));
        // the organisation of another host may have the same id
        let ours = |object: &Arc<Decoded<K>>| {
            let status = self.overlay.newest(object).0;
            let fallback = fallback_status(object);
            let common = status.as_ref().map_or(&fallback, Status::common);
            lives_in(&self.shared, object, common, session)
        };
        objects.filter(ours).collect()
    }

    /// Sets hear of every change of what may be a member.
    fn trigger_sets(&self, session: &Session, id: &Id) {
        self.shared.kinds().for_each(|kind| kind.row_changed(K::KIND, session, id));
    }

    fn note_owner(&self, organisation: &str, id: Id, object: &Decoded<K>) {
        let place = (object.namespace().unwrap_or_default(), object.name_any());
        let mut owners = self.owners.lock();
        let places = owners.entry((organisation.to_owned(), id)).or_insert_with(|| Vec::with_capacity(1));
        if !places.contains(&place) {
            places.push(place);
        }
    }

    fn drop_owner(&self, organisation: &str, id: &Id, object: &Decoded<K>) {
        let place = (object.namespace().unwrap_or_default(), object.name_any());
        let key = (organisation.to_owned(), id.clone());
        let mut owners = self.owners.lock();
        let Some(places) = owners.get_mut(&key) else { return };
        places.retain(|known| *known != place);
        if places.is_empty() {
            owners.remove(&key);
        }
    }
}

impl<K: Managed> fmt::Debug for Controller<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("kind", &K::KIND).finish_non_exhaustive()
    }
}

impl<K: Managed> Reconciler<K> for Controller<K> {
    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn served(&self, object: &Decoded<K>) -> Served {
        let (status, _) = self.overlay.newest(object);
        let common = status.as_ref().map_or_else(|| fallback_status(object), |s| s.common().clone());
        workspace_of(&self.shared, object, &common).served
    }

    fn overlay(&self) -> &Overlay<K> {
        &self.overlay
    }

    fn reconcile(
        self: Arc<Self>,
        object: Arc<Decoded<K>>,
    ) -> BoxFuture<'static, Result<Reconciled, kube::Error>> {
        async move { self.reconcile_object(&object).await }.boxed()
    }

    fn settled(&self, object: &Decoded<K>) -> bool {
        let (status, _) = self.overlay.newest(object);
        status.is_some_and(|s| s.common().settled_generation == object.meta().generation)
    }

    fn arrived(self: &Arc<Self>, object: &Decoded<K>) {
        self.hurry(object);
    }

    /// The object left the cluster: its claims, references and memory go with it.
    fn deleted(&self, object: &Decoded<K>) {
        let uid = object.uid().unwrap_or_default();
        let who = named(object);
        for target in self.shared.references.set(&who, Vec::new()) {
            self.shared.trigger(&target, "an object that referred to it is gone");
        }
        self.forget(object, &uid);
        for referrer in self.shared.references.referrers(&who) {
            self.shared.trigger(&referrer, "the object it refers to is gone");
        }
    }
}
