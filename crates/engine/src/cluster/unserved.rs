//! Namespaces that are to be watched and cannot be: gone, or forbidden. The others are served meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use kube::runtime::watcher;
use parking_lot::Mutex;

type Tell = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Debug)]
struct Missing {
    kinds: BTreeSet<String>,
    message: String,
}

/// Namespaces with the kinds that cannot be watched in them.
#[derive(Default)]
pub struct Unserved {
    all: Mutex<BTreeMap<String, Missing>>,
    tell: Mutex<Option<Tell>>,
}

/// Why the API server does not let a watch begin or go on, in its words; `None` for what passes by itself.
pub fn refusal(error: &watcher::Error) -> Option<&str> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    let (InitialListFailed(kube::Error::Api(status))
    | WatchStartFailed(kube::Error::Api(status))
    | WatchFailed(kube::Error::Api(status))
    | WatchError(status)) = error
    else {
        return None;
    };
    matches!(status.code, 403 | 404).then_some(status.message.as_str())
}

impl Unserved {
    /// A kind cannot be watched in a namespace; said once for each namespace.
    pub fn refused(&self, namespace: &str, kind: &str, why: &str) {
        let mut all = self.all.lock();
        if let Some(missing) = all.get_mut(namespace) {
            missing.kinds.insert(kind.to_owned());
            return;
        }
        let message = format!(
            "namespace {namespace} is not served: {why}; create it, give the operator its Role there, or take it out of --namespaces"
        );
        tracing::warn!(namespace, "{message}");
        if let Some(tell) = &*self.tell.lock() {
            tell(&message);
        }
        let kinds = BTreeSet::from([kind.to_owned()]);
        all.insert(namespace.to_owned(), Missing { kinds, message });
    }

    /// A kind is watched in a namespace; true if it was not before.
    pub fn served(&self, namespace: &str, kind: &str) -> bool {
        let mut all = self.all.lock();
        let Some(missing) = all.get_mut(namespace) else { return false };
        let was = missing.kinds.remove(kind);
        if missing.kinds.is_empty() {
            all.remove(namespace);
            tracing::info!(namespace, "namespace is served");
        }
        was
    }

    /// Who else hears of each namespace, now and from now on.
    pub fn told_to(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        self.all.lock().values().for_each(|missing| tell(&missing.message));
        *self.tell.lock() = Some(Box::new(tell));
    }

    /// The namespaces.
    pub fn names(&self) -> Vec<String> {
        self.all.lock().keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_namespace_is_told_once_and_served_when_all_kinds_are() {
        let (unserved, told) = (Unserved::default(), Arc::<Mutex<Vec<String>>>::default());
        unserved.refused("a", "Toy", "forbidden");
        let to = told.clone();
        unserved.told_to(move |message| to.lock().push(message.to_owned()));
        unserved.refused("a", "ToySet", "forbidden");
        unserved.refused("b", "Toy", "forbidden");
        assert_eq!(told.lock().len(), 2, "one event for each, also for what was known before: {told:?}");
        assert!(told.lock()[0].starts_with("namespace a is not served: forbidden; "), "{told:?}");
        assert!(unserved.served("a", "Toy") && !unserved.served("a", "Toy"), "it is news once");
        assert_eq!(unserved.names(), ["a", "b"]);
        unserved.served("a", "ToySet");
        assert_eq!(unserved.names(), ["b"]);
    }
}
