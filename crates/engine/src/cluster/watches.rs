//! Every watch of a kind: of all namespaces at once, or of each that is served.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::FutureExt;
use kube::runtime::reflector::ObjectRef;

use super::follow::Followed;
use crate::kind::{Kind, decoded::Decoded};

/// The watch of one namespace, or of all.
pub(crate) struct Watch<K: Kind> {
    pub(super) namespace: Option<String>,
    pub(super) followed: Followed<Decoded<K>>,
    /// The API server does not let it begin.
    pub(super) refused: Arc<AtomicBool>,
}

/// Every watch of a kind.
pub(crate) struct Watches<K: Kind>(pub(super) Vec<Watch<K>>);

impl<K: Kind> Watches<K> {
    /// Watches of these namespaces, or of all; nothing runs yet.
    pub(crate) fn new(namespaces: &[String]) -> Self {
        let scopes: Vec<Option<String>> =
            if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
        let watch = |namespace| Watch { namespace, followed: Followed::default(), refused: Arc::default() };
        Self(scopes.into_iter().map(watch).collect())
    }

    /// The object of that name, as last seen.
    pub(crate) fn object(&self, namespace: &str, name: &str) -> Option<Arc<Decoded<K>>> {
        let key = ObjectRef::<Decoded<K>>::new(name).within(namespace);
        self.of(namespace)?.followed.store.get(&key)
    }

    /// Every object, as last seen.
    pub(crate) fn objects(&self) -> Vec<Arc<Decoded<K>>> {
        self.0.iter().flat_map(|w| w.followed.store.state()).collect()
    }

    /// True once every object was listed. A namespace that is gone or forbidden does not hold up the others.
    pub(crate) fn listed(&self) -> bool {
        let ready = |w: &Watch<K>| w.followed.store.wait_until_ready().now_or_never().is_some();
        let missing = |w: &Watch<K>| w.namespace.is_some() && w.refused.load(Ordering::Relaxed);
        self.0.iter().all(|w| ready(w) || missing(w)) && self.0.iter().any(ready)
    }

    /// Asks for a look.
    pub(crate) fn trigger(&self, namespace: &str, name: &str, why: &str) {
        if let Some(watch) = self.of(namespace) {
            watch.followed.trigger().send(ObjectRef::new(name).within(namespace), why);
        }
    }

    fn of(&self, namespace: &str) -> Option<&Watch<K>> {
        self.0.iter().find(|w| w.namespace.as_deref().is_none_or(|n| n == namespace))
    }
}
