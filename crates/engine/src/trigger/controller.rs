//! Triggers at work: their watches, what each has heard, and their part in what all kinds share.

use std::{collections::HashMap, fmt, sync::Arc};

use emnify::{
    Api,
    wire::event::{Event, Record},
};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch::Receiver;

use super::listening::Listening;
use crate::{
    cluster::{
        context::{AnyKind, Shared},
        reconcile::KindContext,
        watch::{self, Reconciled, Reconciler},
    },
    kind::{
        decoded::Decoded,
        message::Message,
        object_key::ObjectKey,
        relations::RefState,
        spec::WorkspaceKey,
        trigger::{Heard, Trigger, What},
    },
    metrics::snapshot::ObjectsSnapshot,
    session::{Session, queue::Ticket},
};

/// All triggers of one kind.
pub(crate) struct TriggerController<T: Trigger> {
    pub(super) kube: KindContext<T>,
    /// By uid, those that listen.
    pub(super) listening: Mutex<HashMap<String, Listening>>,
}

impl<T: Trigger> TriggerController<T> {
    /// A controller that watches nothing yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { kube: KindContext::new(shared), listening: Mutex::default() })
    }

    /// Watches and reconciles until `shutdown` says true.
    pub(crate) async fn run(self: Arc<Self>, shutdown: Receiver<bool>) {
        watch::run(self, shutdown).await;
    }

    /// Does something with what a trigger has heard, if it listens.
    pub(super) fn with<R>(&self, uid: &str, does: impl FnOnce(&mut Listening) -> R) -> Option<R> {
        self.listening.lock().get_mut(uid).map(does)
    }

    /// It does not listen any more.
    pub(super) fn deafen(&self, uid: &str) {
        let mut listening = self.listening.lock();
        if listening.remove(uid).is_some() && listening.is_empty() {
            *listening = HashMap::new();
        }
    }

    /// Tells those who listen to a session; who heard something new looks.
    fn tell(&self, session: &Arc<Session>, mut tells: impl FnMut(&mut Listening) -> bool) {
        let mut listening = self.listening.lock();
        let mut woken = Vec::new();
        for one in listening.values_mut().filter(|one| one.hears(session)) {
            if tells(one) {
                woken.push(one.who.clone());
            }
        }
        drop(listening);
        for who in &woken {
            self.kube.trigger(who, "something was told");
        }
    }
}

impl<T: Trigger> fmt::Debug for TriggerController<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggerController").field("kind", &T::KIND).finish_non_exhaustive()
    }
}

impl<T: Trigger> Reconciler<T> for TriggerController<T> {
    fn kube(&self) -> &KindContext<T> {
        &self.kube
    }

    async fn reconcile(self: &Arc<Self>, object: &Decoded<T>) -> Result<Reconciled, kube::Error> {
        self.reconcile_object(object).await
    }

    fn deleted(&self, object: &Decoded<T>) {
        self.kube.drop_references(object);
        self.deafen(object.uid());
        self.kube.forget(object.uid());
    }
}

/// A controller of triggers behind [`AnyKind`]. Nobody refers to a trigger, and emnify has no object that it is.
pub(crate) struct TriggerHandle<T: Trigger>(pub(crate) Arc<TriggerController<T>>);

impl<T: Trigger> AnyKind for TriggerHandle<T> {
    fn reference(&self, namespace: &str, name: &str) -> RefState {
        match self.0.kube.watches.object(namespace, name) {
            Some(_) => RefState::Unbound,
            None => RefState::Missing,
        }
    }

    fn trigger(&self, key: &ObjectKey, why: &str) {
        self.0.kube.trigger(key, why);
    }

    fn trigger_all(&self, workspace: &WorkspaceKey) {
        self.0.kube.trigger_all(workspace);
    }

    fn dispatch(&self, session: Arc<Session>, api: Api, ticket: Ticket) -> BoxFuture<'static, Ticket> {
        self.0.clone().dispatch(session, api, ticket).boxed()
    }

    fn name(&self) -> &'static str {
        T::KIND
    }

    fn on_events(&self, session: &Arc<Session>, events: &[(Event, Timestamp)]) {
        let now = self.0.kube.now();
        self.0.tell(session, |one| {
            // each is told, whether or not one before it was news
            one.is_of_events()
                && events.iter().filter(|(event, at)| one.hear(Heard::event(event, *at), now)).count() > 0
        });
    }

    fn on_jump(&self, session: &Arc<Session>, from: Timestamp, until: Timestamp) {
        self.0.tell(session, |one| {
            if one.is_of_events() {
                one.missed(from, until);
            }
            one.is_of_events()
        });
    }

    fn on_records(&self, session: &Arc<Session>, _records: &[Record]) {
        // what they tell of is in the log a moment later
        if self.0.listening.lock().values().any(|one| one.hears(session) && one.is_of_events()) {
            session.hints.hurry();
        }
    }

    fn on_messages(&self, session: &Arc<Session>, messages: &[Message]) {
        let (now, at) = (self.0.kube.now(), session.server_time());
        self.0.tell(session, |one| {
            let hear = |message: &&Message| {
                let what = What::Message { news: message.news, dest_address: message.dest_address.clone() };
                one.hear(Heard { id: message.id, at, endpoint: message.endpoint, sim: None, what }, now)
            };
            messages.iter().filter(hear).count() > 0
        });
    }

    fn objects(&self, now: Timestamp) -> ObjectsSnapshot {
        ObjectsSnapshot::count(&self.0.kube.watches.objects(), now, |_| None)
    }

    fn dependents(&self, _workspace: &WorkspaceKey) -> Vec<String> {
        Vec::new()
    }

    fn listed(&self) -> BoxFuture<'_, ()> {
        self.0.kube.watches.listed().boxed()
    }
}
