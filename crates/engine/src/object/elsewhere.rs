//! What an object wants and another one here still has in emnify: who that is, and whether it is about to let go.

use kube::Resource;

use super::{Controller, decide::Observed};
use crate::{
    cluster::object::subject,
    decide::known::{Elsewhere, Seen},
    kind::{Id, Key, Managed, Status, decoded::Decoded, object_key::ObjectKey, spec::ManagementPolicy},
    session::{Session, claims::Right},
};

impl<K: Managed> Controller<K> {
    /// The first exclusive thing of `want` that another object of this kind has and no longer claims; the object is woken when
    /// a call for that one succeeds. One that still claims it is a rival, which is another matter.
    pub(super) fn elsewhere(&self, observed: &Observed<'_, K>) -> Option<Elsewhere> {
        let Observed { session, object, common, want, .. } = *observed;
        let want = want?;
        let mirror = &session.kind_state::<K>().mirror;
        let own = common.id.as_deref().map(Id::parse);
        for key in &K::exclusive(want) {
            let ids = mirror.find(key);
            if own.as_ref().is_some_and(|own| ids.contains(own)) {
                continue;
            }
            let owners = ids.iter().flat_map(|id| {
                let objects = self.bound_objects(session, id).into_iter();
                objects.map(move |owner_name| (id, owner_name))
            });
            // whoever only looks on has nothing to let go of
            let manages =
                |owner_name: &Decoded<K>| owner_name.common().management() != ManagementPolicy::Observe;
            let other = |owner_name: &Decoded<K>| owner_name.uid() != object.uid() && manages(owner_name);
            let what = format!("{} {}", key.name, key.value);
            let Some((id, owner_name)) = owners.into_iter().find(|(_, owner_name)| other(owner_name)) else {
                let going =
                    ids.iter().find_map(|id| Some((id, session.claims.letting_go(&Right::of::<K>(id))?)));
                let Some((id, set)) = going else { continue };
                self.waits(session, id, object);
                let exchange = observed.gives_up_what_others_want(want);
                return Some(Elsewhere { owner_name: set.to_string(), what, stays: false, exchange });
            };
            if session.claims.lists(&Right::natural::<K>(key), &owner_name.key()) {
                continue;
            }
            self.waits(session, id, object);
            return Some(Elsewhere {
                owner_name: owner_name.key().in_namespace(),
                what,
                stays: self.stays(&owner_name),
                exchange: observed.gives_up_what_others_want(want),
            });
        }
        None
    }

    /// The owner keeps what it has in emnify: nobody edits it, and it is not going.
    fn stays(&self, owner_name: &Decoded<K>) -> bool {
        let (status, _) = self.kube.newest(owner_name);
        let common = status.as_ref().map(|status| status.common().clone()).unwrap_or_default();
        let subject = subject(owner_name, &common);
        let settled =
            common.settled_generation.is_some() && common.settled_generation == owner_name.meta().generation;
        let idle = subject.suspended || owner_name.valid().is_none() || settled;
        !subject.deleting && (idle || owner_name.common().management() != ManagementPolicy::Manage)
    }

    /// The object is woken when something of this one changes.
    fn waits(&self, session: &Session, id: &Id, object: &Decoded<K>) {
        let place = (session.place(), id.clone());
        self.waiting.lock().entry(place).or_default().insert(object.key());
    }

    /// Something of the object with this id changed: whoever waits for what it has looks again.
    pub(super) fn wake_waiting(&self, session: &Session, id: &Id) {
        let waiting = self.waiting.lock().remove(&(session.place(), id.clone()));
        for who in waiting.into_iter().flatten() {
            self.kube.shared.trigger(&who, "another object changed that has what it wants");
        }
    }

    /// The object is gone and waits for nothing.
    pub(super) fn waits_no_more(&self, who: &ObjectKey) {
        self.waiting.lock().retain(|_, waiting| {
            waiting.remove(who);
            !waiting.is_empty()
        });
    }
}

impl<K: Managed> Observed<'_, K> {
    /// Something exclusive that it has in emnify and does not want any more, and that somebody else here claims.
    fn gives_up_what_others_want(&self, want: &K::Want) -> Option<Key> {
        let Seen::Present(found) = self.seen else { return None };
        let uid = self.object.uid();
        let wanted = K::exclusive(want);
        let mut gives = None;
        K::keys(&found.have.row, &mut |key| {
            let kept = wanted.contains(&key);
            if !kept && gives.is_none() && self.session.claims.wanted(&Right::natural::<K>(&key), uid) {
                gives = Some(key);
            }
        });
        gives
    }
}
