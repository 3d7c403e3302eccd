//! What an object wants and another one here still has in emnify: who that is, and whether it is about to let go.

use kube::{Resource, ResourceExt};

use super::{
    Controller,
    decide::natural_right,
    object::{claimant, named, subject},
};
use crate::{
    decoded::Decoded,
    kind::{Find, Id, Key, Managed, Status},
    plan::{Elsewhere, Seen},
    session::Session,
    spec::{CommonStatus, ManagementPolicy},
};

impl<K: Managed> Controller<K> {
    /// The first natural key of `want` that another object of this kind has and no longer claims; the object is woken when
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
        for find in K::find(want, None).into_iter().filter(|find| matches!(find, Find::Natural(_))) {
            let key = find.key();
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
            let Some((id, holder)) = holders.into_iter().find(|(_, holder)| other(holder)) else {
                continue;
            };
            if session.claims.lists(&natural_right::<K>(key), &claimant(&holder)) {
                continue;
            }
            let place = (session.organisation.clone(), id.clone());
            self.waiting.lock().entry(place).or_default().insert(named(object));
            return Some(Elsewhere {
                holder: named(&holder).to_string(),
                what: format!("{} {}", key.name, key.value),
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

    /// A natural key that it has in emnify and does not want any more, and that somebody else here claims.
    fn gives_up_what_others_want(
        session: &Session,
        object: &Decoded<K>,
        want: &K::Want,
        seen: &Seen<K>,
    ) -> Option<Key> {
        let Seen::Present(found) = seen else { return None };
        let uid = object.uid().unwrap_or_default();
        let wanted = K::find(want, None);
        let mut gives = None;
        K::keys(&found.have.row, &mut |key| {
            let kept = wanted.iter().any(|find| *find.key() == key);
            if !kept && gives.is_none() && session.claims.wanted(&natural_right::<K>(&key), &uid) {
                gives = Some(key);
            }
        });
        gives
    }

    /// Something of the object with this id changed: whoever waits for what it has looks again.
    pub(super) fn wake_waiting(&self, session: &Session, id: &Id) {
        let waiting = self.waiting.lock().remove(&(session.organisation.clone(), id.clone()));
        for who in waiting.into_iter().flatten() {
            self.shared.poke(&who, "another object changed that has what it wants");
        }
    }
}
