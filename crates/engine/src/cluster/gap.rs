//! What happened while nobody watched. A watch that breaks begins with a listing again, and a listing shows what is
//! there: nobody says what has gone, and objects are announced one by one before the store shows the new listing.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use kube::{
    Resource, ResourceExt,
    runtime::{reflector::Store, watcher::Event},
};

use crate::kind::object_key::uid_of;

/// Compares the store before and after a listing. It has to hear every event after the store has taken it.
#[derive(Debug)]
pub(crate) struct Gap<K> {
    /// By uid, while a listing is read that follows on an earlier one.
    before: Option<HashMap<String, Arc<K>>>,
    listed: bool,
}

impl<K> Default for Gap<K> {
    fn default() -> Self {
        Self { before: None, listed: false }
    }
}

/// What a listing shows to have happened.
#[derive(Debug)]
pub(crate) struct Missed<K> {
    /// Objects that left the cluster.
    pub gone: Vec<Arc<K>>,
    /// Objects that are new or not as they were: what was announced of them may have been looked up in the old listing.
    pub changed: Vec<Arc<K>>,
}

impl<K> Gap<K>
where
    K: Resource<DynamicType: Default + Eq + Hash + Clone> + Clone + 'static,
{
    /// Takes note of an event; at the end of a listing that follows on an earlier one, what happened between the two.
    pub(crate) fn observe(&mut self, event: &Event<K>, store: &Store<K>) -> Option<Missed<K>> {
        let all = || store.state().into_iter().map(|object| (uid_of(object.meta()).to_owned(), object));
        match event {
            Event::Init => {
                self.before = self.listed.then(|| all().collect());
                None
            }
            Event::InitDone => {
                self.listed = true;
                let mut before = self.before.take()?;
                let mut changed = Vec::new();
                for (uid, object) in all() {
                    let known = before.remove(&uid).and_then(|known| known.resource_version());
                    if known != object.resource_version() {
                        changed.push(object);
                    }
                }
                Some(Missed { gone: before.into_values().collect(), changed })
            }
            Event::InitApply(_) | Event::Apply(_) | Event::Delete(_) => None,
        }
    }
}
