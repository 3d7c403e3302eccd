//! One kind at work: watch, decide, write, send.
//!
//! `decide` gathers what is known and asks the plan, `ahead` asks on where a step only has to be written down; `reconcile`
//! does the Kubernetes side of the step and queues the emnify side; `dispatch` decides again when the turn has come and
//! sends; `sweep` keeps the mirror.

mod ahead;
mod any_kind;
mod companion;
mod decide;
mod dispatch;
mod elsewhere;
mod hints;
mod listing;
mod recognise;
mod reconcile;
mod scrub;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::sync::watch::Receiver;

pub(crate) use self::any_kind::Handle;
use crate::{
    cluster::{
        context::Shared,
        object::item,
        reconcile::KindContext,
        watch::{self, Reconciled, Reconciler},
    },
    kind::{Id, Managed, decoded::Decoded, object_key::ObjectKey},
    session::Session,
};

/// One kind at work.
pub(crate) struct Controller<K: Managed> {
    kube: KindContext<K>,
    /// Who is bound to which emnify object: (organisation, id) to one manager and whoever looks on, on whatever host.
    owners: Mutex<HashMap<(String, Id), Vec<ObjectKey>>>,
    /// Who waits for something that another object has, by that one's session and id.
    waiting: Mutex<HashMap<(String, Id), BTreeSet<ObjectKey>>>,
}

impl<K: Managed> Controller<K> {
    /// A controller that watches nothing yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { kube: KindContext::new(shared), owners: Mutex::default(), waiting: Mutex::default() })
    }

    /// Watches and reconciles until `shutdown` says true; running reconciles are finished.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Receiver<bool>) {
        watch::run(self, shutdown).await;
    }

    /// Wakes whoever holds an emnify object.
    fn trigger_owner(&self, session: &Session, id: &Id, why: &str) {
        self.trigger_sets(session, id);
        for object in self.bound_objects(session, id) {
            self.kube.trigger(&object.key(), why);
        }
    }

    /// The objects that are bound to an emnify object.
    fn bound_objects(&self, session: &Session, id: &Id) -> Vec<Arc<Decoded<K>>> {
        let key = (session.organisation.clone(), id.clone());
        let places = self.owners.lock().get(&key).cloned().unwrap_or_default();
        let objects = places.iter().filter_map(|key| self.kube.object(key));
        // the organisation of another host may have the same id
        objects.filter(|object| self.kube.lives_in(object, session)).collect()
    }

    /// Sets hear of every change of what may be a member.
    fn trigger_sets(&self, session: &Session, id: &Id) {
        self.kube.shared.kinds().for_each(|kind| kind.row_changed(K::KIND, session, id));
    }

    fn note_owner(&self, organisation: &str, id: Id, object: &Decoded<K>) {
        let place = object.key();
        let mut owners = self.owners.lock();
        let places = owners.entry((organisation.to_owned(), id)).or_insert_with(|| Vec::with_capacity(1));
        if !places.contains(&place) {
            places.push(place);
        }
    }

    fn drop_owner(&self, organisation: &str, id: &Id, object: &Decoded<K>) {
        let place = object.key();
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
    fn kube(&self) -> &KindContext<K> {
        &self.kube
    }

    async fn reconcile(self: &Arc<Self>, object: &Decoded<K>) -> Result<Reconciled, kube::Error> {
        self.reconcile_object(object).await
    }

    fn arrived(self: &Arc<Self>, object: &Decoded<K>) {
        self.hurry(object);
    }

    /// The object left the cluster: its claims, references and memory go with it.
    fn deleted(&self, object: &Decoded<K>) {
        self.kube.drop_references(object);
        self.forget(object);
        for referrer in self.kube.shared.references.referrers(&object.key()) {
            self.kube.shared.trigger(&referrer, "the object it refers to is gone");
        }
    }
}
