//! One kind at work: watch, decide, write, send.
//!
//! `decide` gathers what is known and asks the plan; `reconcile` does the Kubernetes side of the step and queues the
//! emnify side; `dispatch` decides again when the turn has come and sends; `sweep` keeps the mirror.

mod crd;
mod decide;
mod dispatch;
mod erased;
mod memory;
pub(crate) mod object;
mod reconcile;
pub(crate) mod resolve;
mod sweep;
mod watch;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use kube::{
    ResourceExt,
    runtime::{
        controller::{ReconcileReason, ReconcileRequest},
        reflector::{ObjectRef, Store},
    },
};
use tokio::sync::mpsc;

pub(crate) use self::erased::Handle;
use self::{
    memory::Memory,
    object::{item, named},
};
use crate::{
    decoded::Decoded,
    kind::{Id, Managed},
    shared::Shared,
    status::Overlay,
};

/// The watch of one namespace, or of all.
struct Watch<K: Managed> {
    namespace: Option<String>,
    store: Store<Decoded<K>>,
    trigger: mpsc::UnboundedSender<ReconcileRequest<Decoded<K>>>,
    /// Taken when the watch starts.
    parts: Mutex<Option<watch::Parts<K>>>,
}

/// One kind at work.
pub struct Controller<K: Managed> {
    shared: Arc<Shared>,
    watches: Vec<Watch<K>>,
    memory: Memory,
    overlay: Overlay<K>,
    /// The kind's definition is being deleted.
    terminating: AtomicBool,
    /// Who holds which emnify object: (organisation, id) to the object's place.
    holders: Mutex<HashMap<(String, Id), (String, String)>>,
}

impl<K: Managed> Controller<K> {
    /// A controller that watches nothing yet.
    pub fn new(shared: Arc<Shared>) -> Arc<Self> {
        let namespaces = &shared.settings.namespaces;
        let scopes: Vec<Option<String>> =
            if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
        let watches = scopes.into_iter().map(watch::prepare).collect();
        Arc::new(Self {
            shared,
            watches,
            memory: Memory::default(),
            overlay: Overlay::default(),
            terminating: AtomicBool::new(false),
            holders: Mutex::default(),
        })
    }

    /// The object of that name, as last seen.
    fn object(&self, namespace: &str, name: &str) -> Option<Arc<Decoded<K>>> {
        let key = ObjectRef::<Decoded<K>>::new(name).within(namespace);
        self.watch_of(namespace)?.store.get(&key)
    }

    /// Every object, as last seen.
    fn objects(&self) -> Vec<Arc<Decoded<K>>> {
        self.watches.iter().flat_map(|w| w.store.state()).collect()
    }

    fn watch_of(&self, namespace: &str) -> Option<&Watch<K>> {
        self.watches.iter().find(|w| w.namespace.as_deref().is_none_or(|n| n == namespace))
    }

    fn poke(&self, namespace: &str, name: &str, why: &str) {
        let Some(watch) = self.watch_of(namespace) else { return };
        let request = ReconcileRequest {
            obj_ref: ObjectRef::new(name).within(namespace),
            reason: ReconcileReason::Custom { reason: why.to_owned() },
        };
        // the receiver only goes away on shutdown, when dropping the request is right
        let _sent = watch.trigger.send(request).is_ok();
    }

    /// Wakes whoever holds an emnify object.
    fn poke_holder(&self, organisation: &str, id: &Id, why: &str) {
        let key = (organisation.to_owned(), id.clone());
        let place = self.holders.lock().expect("nobody panics while holding the holders").get(&key).cloned();
        if let Some((namespace, name)) = place {
            self.poke(&namespace, &name, why);
        }
    }

    fn hold(&self, organisation: &str, id: Id, object: &Decoded<K>) {
        let place = (object.namespace().unwrap_or_default(), object.name_any());
        self.holders
            .lock()
            .expect("nobody panics while holding the holders")
            .insert((organisation.to_owned(), id), place);
    }

    fn unhold(&self, organisation: &str, id: &Id) {
        self.holders
            .lock()
            .expect("nobody panics while holding the holders")
            .remove(&(organisation.to_owned(), id.clone()));
    }
}

impl<K: Managed> fmt::Debug for Controller<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("kind", &K::KIND).finish_non_exhaustive()
    }
}
