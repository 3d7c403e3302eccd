//! Every watch of a kind: of all namespaces at once, or of each that is served.

use std::sync::Arc;

use futures::{
    FutureExt,
    future::{join_all, select_all},
};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;

use super::follow::Followed;
use crate::kind::{Kind, decoded::Decoded};

/// The watch of one namespace, or of all.
pub(crate) struct Watch<K: Kind> {
    pub(super) namespace: Option<String>,
    pub(super) followed: Followed<Decoded<K>>,
    /// The API server does not let it begin.
    pub(super) refused: watch::Sender<bool>,
}

impl<K: Kind> Watch<K> {
    async fn listed_or_refused(&self) {
        let mut refused = self.refused.subscribe();
        tokio::select! {
            // also where the watch has ended
            _ = self.followed.store.wait_until_ready() => {}
            Ok(_) = refused.wait_for(|refused| *refused), if self.namespace.is_some() => {}
        }
    }
}

/// Every watch of a kind.
pub(crate) struct Watches<K: Kind>(pub(super) Vec<Watch<K>>);

impl<K: Kind> Watches<K> {
    /// Watches of these namespaces, or of all; nothing runs yet.
    pub(crate) fn new(namespaces: &[String]) -> Self {
        let scopes: Vec<Option<String>> =
            if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
        let watch =
            |namespace| Watch { namespace, followed: Followed::default(), refused: watch::Sender::default() };
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

    /// Waits until every object was listed. A namespace that is gone or forbidden does not hold up the others.
    pub(crate) async fn listed(&self) {
        join_all(self.0.iter().map(Watch::listed_or_refused)).await;
        let listed = self.0.iter().map(|watch| watch.followed.store.wait_until_ready().boxed());
        let _first = select_all(listed).await;
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
