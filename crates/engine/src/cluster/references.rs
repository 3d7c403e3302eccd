//! Who refers to whom, so that a change of the target wakes the referrer and deletion knows who is in the way.

use crate::kind::object_key::ObjectKey;
use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

#[derive(Debug, Default)]
struct Inner {
    to: HashMap<ObjectKey, BTreeSet<ObjectKey>>,
    from: HashMap<ObjectKey, Vec<ObjectKey>>,
}

/// References by name between objects of this cluster.
#[derive(Debug, Default)]
pub struct References(Mutex<Inner>);

impl References {
    /// Replaces what `from` refers to; returns what it no longer refers to, which may have waited for that.
    pub fn set(&self, from: &ObjectKey, targets: Vec<ObjectKey>) -> Vec<ObjectKey> {
        let mut inner = self.0.lock();
        let old = match inner.from.get(from) {
            Some(old) if *old == targets => return Vec::new(),
            Some(old) => old.clone(),
            None => Vec::new(),
        };
        for target in &old {
            if let Some(set) = inner.to.get_mut(target) {
                set.remove(from);
                if set.is_empty() {
                    inner.to.remove(target);
                }
            }
        }
        for target in &targets {
            inner.to.entry(target.clone()).or_default().insert(from.clone());
        }
        let freed = old.into_iter().filter(|t| !targets.contains(t)).collect();
        if targets.is_empty() {
            inner.from.remove(from);
        } else {
            inner.from.insert(from.clone(), targets);
        }
        freed
    }

    /// Everyone who refers to `target`.
    pub fn referrers(&self, target: &ObjectKey) -> Vec<ObjectKey> {
        let inner = self.0.lock();
        inner.to.get(target).map(|set| set.iter().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> ObjectKey {
        ObjectKey { kind: "Toy", namespace: "d".into(), name: name.into() }
    }

    #[test]
    fn a_reference_that_moved_leaves_nothing_behind() {
        let refs = References::default();
        refs.set(&named("a"), vec![named("x"), named("y")]);
        assert_eq!(
            refs.set(&named("a"), vec![named("y")]),
            vec![named("x")],
            "x may have waited to be let go"
        );
        assert!(refs.referrers(&named("x")).is_empty());
        assert_eq!(refs.referrers(&named("y")), vec![named("a")]);
        refs.set(&named("a"), vec![]);
        assert!(refs.referrers(&named("y")).is_empty());
    }
}
