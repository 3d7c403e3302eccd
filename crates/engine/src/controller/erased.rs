//! The controller without its types.

use std::sync::Arc;

use emnify::{Api, wire::event::Event};
use futures::{FutureExt, future::BoxFuture};
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};

use super::{
    Controller,
    decide::right_of,
    object::{claimant, fallback_status, rank, workspace_key},
};
use crate::{
    decoded::Decoded,
    directory::WorkspaceKey,
    kind::{FINALIZER, Id, Key, Managed, Status},
    queue::Ticket,
    refs::Named,
    session::Session,
    shared::{AnyKind, Located, RefState},
};

/// News about one object is written at most this often.
const NEWS_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// A controller behind [`AnyKind`].
pub(crate) struct Handle<K: Managed>(pub(crate) Arc<Controller<K>>);

impl<K: Managed> AnyKind for Handle<K> {
    fn reference(&self, namespace: &str, name: &str) -> RefState {
        let Some(object) = self.0.object(namespace, name) else { return RefState::Missing };
        let (status, _) = self.0.overlay.newest(&object);
        let fallback = fallback_status(&object);
        let common = status.as_ref().map_or(&fallback, Status::common);
        match (&common.id, &common.organisation_id) {
            _ if object.meta().deletion_timestamp.is_some() => RefState::Deleting,
            (Some(id), Some(organisation)) => {
                RefState::Bound { id: Id::parse(id), organisation: organisation.clone() }
            }
            _ => RefState::Unbound,
        }
    }

    fn locate(&self, session: &Arc<Session>, key: &Key, who: &Named) -> Located {
        let shelf = self.0.demand(session);
        Controller::<K>::wait_on_sweep(session, who);
        let ids = shelf.mirror.find(key);
        match ids.as_slice() {
            [] if shelf.mirror.complete_since().is_some() => Located::Nothing,
            [] => Located::Unread,
            [id] => Located::One(id.clone()),
            several => Located::Several(several.to_vec()),
        }
    }

    fn poke(&self, namespace: &str, name: &str, why: &str) {
        self.0.poke(namespace, name, why);
    }

    fn poke_all(&self, workspace: &WorkspaceKey) {
        for object in self.0.objects() {
            let namespace = object.namespace().unwrap_or_default();
            if workspace.namespace.as_ref().is_none_or(|n| *n == namespace) {
                self.0.poke(&namespace, &object.name_any(), "its workspace changed");
            }
        }
    }

    fn claim_all(&self, session: &Arc<Session>) {
        for object in self.0.objects() {
            let (status, _) = self.0.overlay.newest(&object);
            let fallback = fallback_status(&object);
            let common = status.as_ref().map_or(&fallback, Status::common);
            if let (Some(id), Some(organisation)) = (&common.id, &common.organisation_id)
                && *organisation == session.organisation
            {
                let id = Id::parse(id);
                self.0.hold(organisation, id.clone(), &object);
                session.claims.set(&claimant(&object), &rank(&object, common), vec![right_of::<K>(&id)]);
            }
        }
    }

    fn dispatch(&self, session: Arc<Session>, api: Api, ticket: Ticket) -> BoxFuture<'static, Ticket> {
        self.0.clone().dispatch(session, api, ticket).boxed()
    }

    fn hear(&self, session: &Arc<Session>, event: &Event, at: Timestamp) {
        let Some(heard) = K::hear(event) else { return };
        let shelf = session.shelf::<K>();
        let fresh = match heard.news {
            Some(news) => shelf.mirror.hear(&heard.id, news, at),
            None => shelf.mirror.doubt_since(&heard.id, at, session.client.server_time()),
        };
        if fresh {
            self.0.tell(&session.organisation, &heard.id);
        }
    }

    fn count(&self, session: &Session) -> Option<usize> {
        let shelf = session.shelf::<K>();
        shelf.mirror.complete_since().map(|_| shelf.mirror.len())
    }

    fn dependents(&self, workspace: &WorkspaceKey) -> Vec<String> {
        let depends = |object: &Decoded<K>| {
            let (status, _) = self.0.overlay.newest(object);
            let fallback = fallback_status(object);
            let common = status.as_ref().map_or(&fallback, Status::common);
            let bound = common.id.is_some() || common.intent.is_some();
            bound
                && object.finalizers().iter().any(|f| f == FINALIZER)
                && workspace_key(&self.0.shared, object, common) == *workspace
        };
        let named = |object: &Decoded<K>| {
            format!("{} {}/{}", K::KIND, object.namespace().unwrap_or_default(), object.name_any())
        };
        self.0.objects().iter().filter(|o| depends(o)).map(|o| named(o)).collect()
    }

    fn listed(&self) -> bool {
        self.0.watches.listed()
    }
}

impl<K: Managed> Controller<K> {
    /// Wakes the holder of an object that an event spoke of, not more often than news may be written.
    fn tell(self: &Arc<Self>, organisation: &str, id: &Id) {
        let key = (organisation.to_owned(), id.clone());
        let place = self.holders.lock().expect("nobody panics while holding the holders").get(&key).cloned();
        let Some((namespace, name)) = place else { return };
        let uid = self.object(&namespace, &name).and_then(|o| o.uid()).unwrap_or_default();
        match self.memory.may_tell(&uid, self.shared.now(), NEWS_EVERY) {
            Ok(()) => self.poke(&namespace, &name, "an event spoke of it"),
            Err(wait) => {
                let controller = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    controller.poke(&namespace, &name, "an event spoke of it");
                });
            }
        }
    }
}
