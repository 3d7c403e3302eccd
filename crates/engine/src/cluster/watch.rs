//! Kinds at work: what is watched of each, and one counted look after another at its objects.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use kube::{
    Api, Resource,
    runtime::{
        controller::Action,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};
use tracing::{Instrument, Span, field::Empty};

use super::{
    follow::Follower,
    reconcile::KindContext,
    refusal::{self, Line},
    tasks, unserved,
    watches::Heard,
    workspaces::NotServed,
};
use crate::{
    decide::{known::Explanation, ready},
    kind::{Kind, Status, decoded::Decoded},
    metrics::Outcome,
};

/// Reconciles at once per kind; they wait for nothing but the API server.
const CONCURRENCY: u16 = 64;

/// What a look came to.
pub(crate) struct Reconciled {
    /// When to look again.
    pub(crate) action: Action,
    /// Name of the step, and the reason that it tells.
    pub(crate) step: (&'static str, &'static str),
}

/// Looks at objects of a kind.
pub(crate) trait Reconciler<K: Kind>: Send + Sync + 'static {
    /// The kind in Kubernetes.
    fn kube(&self) -> &KindContext<K>;
    /// One look at one object.
    fn reconcile(
        self: &Arc<Self>,
        object: &Decoded<K>,
    ) -> impl Future<Output = Result<Reconciled, kube::Error>> + Send;
    /// The object is new or changed in a way that matters; a look follows, in its turn.
    fn arrived(self: &Arc<Self>, _object: &Decoded<K>) {}
    /// The object left the cluster.
    fn deleted(&self, object: &Decoded<K>);
}

/// Watches and reconciles a kind until `shutdown` says true; looks under way are finished.
pub(crate) async fn run<K: Kind, L: Reconciler<K>>(reconciler: Arc<L>, shutdown: watch::Receiver<bool>) {
    let client = &reconciler.kube().shared.client;
    let running = reconciler.kube().watches.0.iter().map(|watch| {
        let api: Api<Decoded<K>> = match &watch.namespace {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        };
        let follower = Arc::new(OfKind {
            reconciler: reconciler.clone(),
            namespace: watch.namespace.clone(),
            store: watch.followed.store.clone(),
            heard: watch.heard.clone(),
            line: Mutex::default(),
        });
        watch.followed.run(api, follower, CONCURRENCY, shutdown.clone())
    });
    futures::future::join_all(running).await;
}

/// A kind in one namespace, or in all.
struct OfKind<K: Kind, L> {
    reconciler: Arc<L>,
    namespace: Option<String>,
    store: Store<Decoded<K>>,
    heard: watch::Sender<Heard>,
    line: Mutex<Line>,
}

impl<K: Kind, L: Reconciler<K>> Follower<Decoded<K>> for OfKind<K, L> {
    fn prune(object: &mut Decoded<K>) {
        let meta = object.meta_mut();
        // emptied collections keep their room, a kilobyte an object
        meta.managed_fields = None;
        if let Some(annotations) = &mut meta.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
        meta.annotations = meta.annotations.take().filter(|annotations| !annotations.is_empty());
    }

    fn heard(&self, event: &watcher::Event<Decoded<K>>) {
        let watcher::Event::InitDone = event else { return };
        self.heard.send_replace(Heard::Listed);
        let Some(namespace) = &self.namespace else { return };
        let shared = &self.reconciler.kube().shared;
        if shared.unserved.served(namespace, K::KIND) {
            shared.claim_anew();
        }
    }

    fn not_heard(&self, error: &watcher::Error) {
        if let Some((namespace, why)) = self.namespace.as_ref().zip(unserved::refusal(error)) {
            self.heard.send_if_modified(|heard| {
                let first = *heard == Heard::Nothing;
                if first {
                    *heard = Heard::Refused;
                }
                first
            });
            return self.reconciler.kube().shared.unserved.refused(namespace, K::KIND, why);
        }
        let error = refusal::brief_watch(error);
        if self.line.lock().is_news(&error) {
            tracing::warn!(kind = K::KIND, error, "not watched");
        }
    }

    fn arrived(&self, object: &Decoded<K>) {
        let shared = &self.reconciler.kube().shared;
        // a standby only looks on: what is unfinished when it takes over begins then
        if shared.is_open() && !seen_settled(object) {
            shared.convergences.begin(object, shared.now());
        }
        let span = shared.convergences.span(object.uid());
        span.in_scope(|| self.reconciler.arrived(object));
    }

    fn overtakes(&self, object: &Decoded<K>) -> bool {
        let meta = object.meta();
        let settled =
            object.valid().and_then(Kind::status).and_then(|status| status.common().settled_generation);
        meta.deletion_timestamp.is_none() && settled.is_some() && settled != meta.generation
    }

    fn gone(&self, object: &Decoded<K>) {
        let shared = &self.reconciler.kube().shared;
        shared.convergences.cancel(object);
        shared.refusals.over(object.uid());
        self.reconciler.deleted(object);
    }

    fn reconcile(self: Arc<Self>, object: Arc<Decoded<K>>) -> BoxFuture<'static, Action> {
        async move { tasks::as_part_of(K::KIND, self.counted(object)).await }.boxed()
    }
}

impl<K: Kind, L: Reconciler<K>> OfKind<K, L> {
    /// One look, counted; none at what another shard serves.
    async fn counted(&self, mut object: Arc<Decoded<K>>) -> Action {
        let shared = &self.reconciler.kube().shared;
        if !shared.is_open() {
            shared.opened().await;
            // a standby waits for hours: what counts is the object as it is now
            let Some(now) = self.store.get(&ObjectRef::from_obj(&*object)) else {
                return Action::await_change();
            };
            object = now;
            if !seen_settled(&*object) {
                shared.convergences.begin(&*object, shared.now());
            }
        }
        if let Err(NotServed::Elsewhere(..)) = self.reconciler.kube().access(&object) {
            shared.convergences.cancel(&*object);
            return Action::await_change();
        }
        if let Some(rest) = shared.refusals.rest(&*object) {
            return Action::requeue(rest);
        }
        let began = Instant::now();
        let span = reconcile_span(&shared.convergences.span(object.uid()));
        let looked = self.reconciler.reconcile(&object).instrument(span.clone()).await;
        let (step, reason) = looked.as_ref().map_or(("Failed", ""), |looked| looked.step);
        span.record("step", step).record("reason", reason);
        drop(span);
        shared.metrics.looked(Outcome { kind: K::KIND, step, reason }, began.elapsed());
        let settled =
            || self.reconciler.kube().common(&object).settled_generation == object.meta().generation;
        if shared.convergences.is_open(&*object) && settled() {
            shared.convergences.end(&*object, &shared.metrics);
        }
        match looked {
            Ok(looked) => {
                shared.refusals.over(object.uid());
                looked.action
            }
            Err(error) => Action::requeue(failed(self.reconciler.kube(), &object, &error).await),
        }
    }
}

/// The object came in step with its present spec, as far as its status in the cluster tells.
fn seen_settled<K: Kind>(object: &Decoded<K>) -> bool {
    let status = object.valid().and_then(Kind::status);
    status.is_some_and(|s| s.common().settled_generation == object.meta().generation)
}

/// A look at an object that is on its way; others leave no trace.
fn reconcile_span(root: &Span) -> Span {
    if root.is_none() {
        return Span::none();
    }
    tracing::info_span!(target: emnify::SPANS, parent: root, "reconcile", step = Empty, reason = Empty)
}

/// A look failed at the API server: says why, and returns when to look again.
async fn failed<K: Kind>(kube: &KindContext<K>, object: &Decoded<K>, error: &kube::Error) -> Duration {
    let shared = &kube.shared;
    let named = format!("{}/{}", object.namespace(), object.name());
    tracing::warn!(kind = K::KIND, object = %named, error = %refusal::brief(error), "reconcile failed");
    let told = refusal::told(error);
    if let Some(told) = &told {
        shared.events.say(object, true, told.reason, &told.message);
        tell_refusal(kube, object, told).await;
    }
    shared.refusals.note(object, told.is_some())
}

/// Writes into the conditions what the API server refused, unless that is the status itself.
async fn tell_refusal<K: Kind>(kube: &KindContext<K>, object: &Decoded<K>, told: &Explanation) {
    if object.valid().is_none() {
        return;
    }
    let mut draft = kube.draft(object);
    ready::refused(draft.status.common_mut(), told, object.meta().generation, kube.now());
    if let Err(error) = kube.write(object, &draft).await {
        tracing::debug!(kind = K::KIND, %error, "a refusal is told by an event only");
    }
}
