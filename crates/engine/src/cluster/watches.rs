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

/// What a watch came to so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing, or an error that passes.
    #[default]
    Nothing,
    /// The API server does not let it begin.
    Refused,
    /// Every object was listed, once at least.
    Listed,
}

/// The watch of one namespace, or of all.
pub(crate) struct Watch<K: Kind> {
    pub(super) namespace: Option<String>,
    pub(super) followed: Followed<Decoded<K>>,
    /// The store's own signal wakes one waiter only, and the controller is that one.
    pub(super) heard: watch::Sender<Heard>,
}

impl<K: Kind> Watch<K> {
    async fn until(&self, enough: impl Fn(Heard) -> bool) {
        let heard = self.heard.subscribe().wait_for(|heard| enough(*heard)).await.is_ok();
        debug_assert!(heard, "the sender is our own");
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
            |namespace| Watch { namespace, followed: Followed::default(), heard: watch::Sender::default() };
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
        join_all(self.0.iter().map(|watch| watch.until(|heard| heard != Heard::Nothing))).await;
        let listed = self.0.iter().map(|watch| watch.until(|heard| heard == Heard::Listed).boxed());
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

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;
    use crate::toy::Toy;

    #[tokio::test]
    async fn everybody_who_waits_for_the_list_is_woken() {
        let watches = Watches::<Toy>::new(&[]);
        let (mut first, mut second) = (Box::pin(watches.listed()), Box::pin(watches.listed()));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        watches.0[0].heard.send_replace(Heard::Listed);
        assert!(poll!(&mut first).is_ready() && poll!(&mut second).is_ready());
    }

    #[tokio::test]
    async fn a_refused_namespace_does_not_hold_up_the_others_but_one_must_be_listed() {
        let watches = Watches::<Toy>::new(&["a".into(), "b".into()]);
        let mut listed = Box::pin(watches.listed());
        watches.0[0].heard.send_replace(Heard::Refused);
        assert!(poll!(&mut listed).is_pending(), "nothing is known of b");
        watches.0[1].heard.send_replace(Heard::Refused);
        assert!(poll!(&mut listed).is_pending(), "an operator that sees nothing is not ready");
        watches.0[0].heard.send_replace(Heard::Listed);
        assert!(poll!(&mut listed).is_ready());
    }
}
