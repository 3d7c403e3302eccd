//! The API server in memory, in words of toys.

use std::ops::Deref;

use serde_json::Value;

use super::clock;

const TOY: &str = "Toy";

/// The API server.
#[derive(Clone)]
pub(crate) struct Cluster(emnify_apiserver::Cluster);

impl Default for Cluster {
    fn default() -> Self {
        Self(emnify_apiserver::Cluster::new(clock::now))
    }
}

impl Deref for Cluster {
    type Target = emnify_apiserver::Cluster;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Cluster {
    /// A user applies a toy; the generation moves when the spec differs.
    pub(crate) fn apply(&self, name: &str, spec: Value) {
        self.apply_a(TOY, name, spec);
    }

    /// A user applies a toy that is made now; others are an hour old.
    pub(crate) fn apply_new(&self, name: &str, spec: Value) {
        self.0.apply_new(TOY, name, spec);
    }

    /// A user sets an annotation.
    pub(crate) fn annotate(&self, name: &str, key: &str, value: &str) {
        self.annotate_a(TOY, name, key, value);
    }

    /// A user deletes a toy.
    pub(crate) fn delete(&self, name: &str) {
        self.delete_a(TOY, name);
    }

    /// A toy is replaced by a namesake without anybody seeing an event.
    pub(crate) fn replace_unseen(&self, name: &str, spec: Value) {
        self.0.replace_unseen(TOY, name, spec);
    }

    /// Something happens while the watches are broken; each begins with a listing again.
    pub(crate) fn gap(&self, happens: impl FnOnce(&Self)) {
        self.0.gap(|_| happens(self));
    }

    /// A toy, if it exists.
    pub(crate) fn toy(&self, name: &str) -> Option<Value> {
        self.object(TOY, name)
    }

    /// Writes to toys.
    pub(crate) fn toy_writes(&self) -> usize {
        self.wrote("").iter().filter(|w| w.what.contains("/toys/")).count()
    }
}
