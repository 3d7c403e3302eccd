//! What an object wants and another one here still has in emnify: who that is, and whether it is about to let go.

use kube::{Resource, ResourceExt};

use super::{
    Controller,
    decide::{natural_right, right_of},
    object::{claimant, named, subject},
};
use crate::{
    decoded::Decoded,
    kind::{Id, Key, Managed, Status},
    plan::{Elsewhere, Seen},
    refs::Named,
    session::Session,
    spec::{CommonStatus, ManagementPolicy},
};

impl<K: Managed> Controller<K> {
    /// The first exclusive thing of `want` that another object of this kind has and no longer claims; the object is woken when
    /// a call for that one succeeds. One that still claims it is a rival, which is another matter.
    pub(super) fn elsewhere(
        &self,
        session: &Session,
        object: &Decoded<K>,
        common: &CommonStatus,
        want: &K::Want,
        seen: &Seen<K>,
    ) -> Option<Elsewhere> {
        let mirror = &session.shelf::<K>().mirror;
        let own = common.id.as_deref().map(Id::parse);
        for key in &K::exclusive(want) {
            let ids = mirror.find(key);
            if own.as_ref().is_some_and(|own| ids.contains(own)) {
                continue;
            }
            let holders = ids.iter().flat_map(|id| {
                let objects = self.held_objects(session, id).into_iter();
                objects.map(move |holder| (id, holder))
            });
            // whoever only looks on has nothing to let go of
            let manages = |holder: &Decoded<K>| holder.common().management() != ManagementPolicy::Observe;
            let other = |holder: &Decoded<K>| holder.uid() != object.uid() && manages(holder);
            let what = format!("{} {}", key.name, key.value);
            let Some((id, holder)) = holders.into_iter().find(|(_, holder)| other(holder)) else {
                let going =
                    ids.iter().find_map(|id| Some((id, session.claims.letting_go(&right_of::<K>(id))?)));
                let Some((id, set)) = going else { continue };
                self.waits(session, id, object);
                let exchange = Self::gives_up_what_others_want(session, object, want, seen);
                return Some(Elsewhere { holder: set.to_string(), what, stays: false, exchange });
            };
            if session.claims.lists(&natural_right::<K>(key), &claimant(&holder)) {
                continue;
            }
            self.waits(session, id, object);
            return Some(Elsewhere {
                holder: named(&holder).to_string(),
                what,
                stays: self.stays(&holder),
                exchange: Self::gives_up_what_others_want(session, object, want, seen),
            });
        }
        None
    }

    /// The object is left as it is in emnify for now.
    fn stays(&self, holder: &Decoded<K>) -> bool {
        let (status, _) = self.overlay.newest(holder);
        let common = status.as_ref().map(|status| status.common().clone()).unwrap_or_default();
        let subject = subject(holder, &common);
        let settled =
            common.settled_generation.is_some() && common.settled_generation == holder.meta().generation;
        let idle = subject.suspended || holder.valid().is_none() || settled;
        !subject.deleting && (idle || holder.common().management() != ManagementPolicy::Manage)
    }

    /// Something exclusive that it has in emnify and does not want any more, and that somebody else here claims.
    fn gives_up_what_others_want(
        session: &Session,
        object: &Decoded<K>,
        want: &K::Want,
        seen: &Seen<K>,
    ) -> Option<Key> {
        let Seen::Present(found) = seen else { return None };
        let uid = object.uid().unwrap_or_default();
        let wanted = K::exclusive(want);
        let mut gives = None;
        K::keys(&found.have.row, &mut |key| {
            let kept = wanted.contains(&key);
            if !kept && gives.is_none() && session.claims.wanted(&natural_right::<K>(&key), &uid) {
                gives = Some(key);
            }
        });
        gives
    }

    /// The object is woken when something of this one changes.
    fn waits(&self, session: &Session, id: &Id, object: &Decoded<K>) {
        let place = (session.place(), id.clone());
        self.waiting.lock().entry(place).or_default().insert(named(object));
    }

    /// Something of the object with this id changed: whoever waits for what it has looks again.
    pub(super) fn wake_waiting(&self, session: &Session, id: &Id) {
        let waiting = self.waiting.lock().remove(&(session.place(), id.clone()));
        for who in waiting.into_iter().flatten() {
            self.shared.poke(&who, "another object changed that has what it wants");
        }
    }

    /// The object is gone and waits for nothing.
    pub(super) fn waits_no_more(&self, who: &Named) {
        self.waiting.lock().retain(|_, waiting| {
            waiting.remove(who);
            !waiting.is_empty()
        });
    }
}
