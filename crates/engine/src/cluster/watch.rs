//! The watch of a kind: pruned objects in a store, and a queue fed by changes that matter and by triggers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use kube::{
    Api, Client, Resource, ResourceExt,
    runtime::{
        Predicate, PredicateConfig, WatchStreamExt, applier,
        controller::{Action, Config, ReconcileReason, ReconcileRequest, trigger_self},
        predicates,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tracing::{Instrument, Span, field::Empty};

use super::{
    context::Shared,
    gap::Gap,
    refusal::{self, Line},
    status::Overlay,
    tasks, unserved,
    workspaces::Served,
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
    /// What all kinds share.
    fn shared(&self) -> &Arc<Shared>;
    /// Who serves the object's workspace.
    fn served(&self, object: &Decoded<K>) -> Served;
    /// What was written last.
    fn overlay(&self) -> &Overlay<K>;
    /// One look at one object.
    fn reconcile(
        self: Arc<Self>,
        object: Arc<Decoded<K>>,
    ) -> BoxFuture<'static, Result<Reconciled, kube::Error>>;
    /// The object is in step as it is now specified, and its status says so.
    fn settled(&self, object: &Decoded<K>) -> bool;
    /// The object is new or changed in a way that matters; a look follows, in its turn.
    fn arrived(self: &Arc<Self>, _object: &Decoded<K>) {}
    /// The object left the cluster.
    fn deleted(&self, object: &Decoded<K>);
}

/// The watch of one namespace, or of all.
struct Watch<K: Kind> {
    namespace: Option<String>,
    store: Store<Decoded<K>>,
    trigger: mpsc::UnboundedSender<ReconcileRequest<Decoded<K>>>,
    /// The API server does not let it begin.
    refused: Arc<AtomicBool>,
    /// Taken when the watch starts.
    parts: Mutex<Option<Parts<K>>>,
}

/// What a running watch owns.
struct Parts<K: Kind> {
    writer: reflector::store::Writer<Decoded<K>>,
    requests: mpsc::UnboundedReceiver<ReconcileRequest<Decoded<K>>>,
}

/// Every watch of a kind.
pub(crate) struct Watches<K: Kind>(Vec<Watch<K>>);

impl<K: Kind> Watches<K> {
    /// Watches of these namespaces, or of all; nothing runs yet.
    pub(crate) fn new(namespaces: &[String]) -> Self {
        let scopes: Vec<Option<String>> =
            if namespaces.is_empty() { vec![None] } else { namespaces.iter().cloned().map(Some).collect() };
        let prepare = |namespace| {
            let (trigger, requests) = mpsc::unbounded_channel();
            let (store, writer) = reflector::store();
            let parts = Mutex::new(Some(Parts { writer, requests }));
            Watch { namespace, store, trigger, refused: Arc::default(), parts }
        };
        Self(scopes.into_iter().map(prepare).collect())
    }

    /// The object of that name, as last seen.
    pub(crate) fn object(&self, namespace: &str, name: &str) -> Option<Arc<Decoded<K>>> {
        let key = ObjectRef::<Decoded<K>>::new(name).within(namespace);
        self.of(namespace)?.store.get(&key)
    }

    /// Every object, as last seen.
    pub(crate) fn objects(&self) -> Vec<Arc<Decoded<K>>> {
        self.0.iter().flat_map(|w| w.store.state()).collect()
    }

    /// True once every object was listed. A namespace that is gone or forbidden does not hold up the others.
    pub(crate) fn listed(&self) -> bool {
        let ready = |w: &Watch<K>| w.store.wait_until_ready().now_or_never().is_some();
        let missing = |w: &Watch<K>| w.namespace.is_some() && w.refused.load(Ordering::Relaxed);
        self.0.iter().all(|w| ready(w) || missing(w)) && self.0.iter().any(ready)
    }

    /// Asks for a look.
    pub(crate) fn trigger(&self, namespace: &str, name: &str, why: &str) {
        let Some(watch) = self.of(namespace) else { return };
        let request = ReconcileRequest {
            obj_ref: ObjectRef::new(name).within(namespace),
            reason: ReconcileReason::Custom { reason: why.to_owned() },
        };
        // the receiver only goes away on shutdown, when dropping the request is right
        let _sent = watch.trigger.send(request).is_ok();
    }

    /// Watches until `shutdown` says true; looks under way are finished.
    pub(crate) async fn run<L: Reconciler<K>>(
        &self,
        client: &Client,
        reconciler: &Arc<L>,
        shutdown: &watch::Receiver<bool>,
    ) {
        let running = self.0.iter().map(|w| w.run(client.clone(), reconciler.clone(), shutdown.clone()));
        futures::future::join_all(running).await;
    }

    fn of(&self, namespace: &str) -> Option<&Watch<K>> {
        self.0.iter().find(|w| w.namespace.as_deref().is_none_or(|n| n == namespace))
    }
}

/// Drops what is never read before it reaches the cache.
fn prune<K: Kind>(object: &mut Decoded<K>) {
    let meta = object.meta_mut();
    // emptied collections keep their room, a kilobyte an object
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    meta.annotations = meta.annotations.take().filter(|annotations| !annotations.is_empty());
}

/// The object came in step with its present spec, as far as its status in the cluster tells.
fn seen_settled<K: Kind>(object: &Decoded<K>) -> bool {
    let status = object.valid().and_then(Kind::status);
    status.is_some_and(|s| s.common().settled_generation == object.meta().generation)
}

/// An object left the cluster.
fn leave<K: Kind, L: Reconciler<K>>(reconciler: &L, object: &Decoded<K>) {
    reconciler.shared().convergences.cancel(object);
    reconciler.shared().refusals.over(&object.uid().unwrap_or_default());
    reconciler.deleted(object);
}

/// A look at an object that is on its way; others leave no trace.
fn reconcile_span(root: &Span) -> Span {
    if root.is_none() {
        return Span::none();
    }
    tracing::info_span!(target: emnify::SPANS, parent: root, "reconcile", step = Empty, reason = Empty)
}

/// One look, counted; none at what another shard serves.
async fn counted<K: Kind, L: Reconciler<K>>(
    mut object: Arc<Decoded<K>>,
    store: &Store<Decoded<K>>,
    reconciler: Arc<L>,
) -> Result<Action, kube::Error> {
    let shared = reconciler.shared().clone();
    if !shared.is_open() {
        shared.opened().await;
        // a standby waits for hours: what counts is the object as it is now
        let Some(now) = store.get(&ObjectRef::from_obj(&*object)) else { return Ok(Action::await_change()) };
        object = now;
        if !seen_settled(&*object) {
            shared.convergences.begin(&*object, shared.now());
        }
    }
    if reconciler.served(&object) == Served::Elsewhere {
        shared.convergences.cancel(&*object);
        return Ok(Action::await_change());
    }
    if let Some(rest) = shared.refusals.rest(&*object) {
        return Ok(Action::requeue(rest));
    }
    let began = Instant::now();
    let span = reconcile_span(&shared.convergences.span(&object.uid().unwrap_or_default()));
    let looked = reconciler.clone().reconcile(object.clone()).instrument(span.clone()).await;
    let (step, reason) = looked.as_ref().map_or(("Failed", ""), |looked| looked.step);
    span.record("step", step).record("reason", reason);
    drop(span);
    shared.metrics.looked(Outcome { kind: K::KIND, step, reason }, began.elapsed());
    if shared.convergences.is_open(&*object) && reconciler.settled(&object) {
        shared.convergences.end(&*object, &shared.metrics);
    }
    match looked {
        Ok(looked) => {
            shared.refusals.over(&object.uid().unwrap_or_default());
            Ok(looked.action)
        }
        Err(error) => Ok(Action::requeue(failed(&*reconciler, &object, &error).await)),
    }
}

/// A look failed at the API server: says why, and returns when to look again.
async fn failed<K: Kind, L: Reconciler<K>>(
    reconciler: &L,
    object: &Decoded<K>,
    error: &kube::Error,
) -> Duration {
    let shared = reconciler.shared();
    let named = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
    tracing::warn!(kind = K::KIND, object = %named, error = %refusal::brief(error), "reconcile failed");
    let told = refusal::told(error);
    if let Some(told) = &told {
        shared.events.say(object, true, told.reason, &told.message);
        tell_refusal(reconciler, object, told).await;
    }
    shared.refusals.note(object, told.is_some())
}

/// Writes into the conditions what the API server refused, unless that is the status itself.
async fn tell_refusal<K: Kind, L: Reconciler<K>>(reconciler: &L, object: &Decoded<K>, told: &Explanation) {
    let (before, version) = reconciler.overlay().newest(object);
    if object.valid().is_none() {
        return;
    }
    let mut status = before.clone().unwrap_or_default();
    ready::refused(status.common_mut(), told, object.meta().generation, reconciler.shared().now());
    if before.as_ref() == Some(&status) {
        return;
    }
    match reconciler.shared().writer.write(object, &version, &status, false).await {
        Ok(stored) => reconciler.overlay().wrote(&stored),
        Err(error) => tracing::debug!(kind = K::KIND, %error, "a refusal is told by an event only"),
    }
}

impl<K: Kind> Watch<K> {
    async fn run<L: Reconciler<K>>(
        &self,
        client: Client,
        reconciler: Arc<L>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let taken = self.parts.lock().take();
        let Some(Parts { writer, requests }) = taken else { return };
        let api: Api<Decoded<K>> = match &self.namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let changed = predicates::generation
            .combine(predicates::finalizers)
            .combine(predicates::annotations)
            .combine(predicates::labels);
        let (gone, arrived) = (reconciler.clone(), reconciler.clone());
        let (store, trigger, mut gap) = (self.store.clone(), self.trigger.clone(), Gap::default());
        let (namespace, refused, shared, mut line) =
            (self.namespace.clone(), self.refused.clone(), reconciler.shared().clone(), Line::default());
        let events = watcher(api, watcher::Config::default())
            .modify(prune)
            .default_backoff()
            .reflect(writer)
            .inspect(move |event| match (event, &namespace) {
                (Err(error), namespace) => {
                    if let Some((namespace, why)) = namespace.as_ref().zip(unserved::refusal(error)) {
                        refused.store(true, Ordering::Relaxed);
                        return shared.unserved.refused(namespace, K::KIND, why);
                    }
                    let error = refusal::brief_watch(error);
                    if line.is_news(&error) {
                        tracing::warn!(kind = K::KIND, error, "not watched");
                    }
                }
                (Ok(watcher::Event::InitDone), Some(namespace)) => {
                    refused.store(false, Ordering::Relaxed);
                    if shared.unserved.served(namespace, K::KIND) {
                        shared.claim_anew();
                    }
                }
                (Ok(_), _) => {}
            })
            .inspect_ok(move |event| {
                if let watcher::Event::Delete(object) = event {
                    leave(&*gone, object);
                }
                let Some(missed) = gap.observe(event, &store) else { return };
                missed.gone.iter().for_each(|object| leave(&*gone, object));
                for object in missed.changed {
                    let reason = ReconcileReason::Custom { reason: "it changed while nobody watched".into() };
                    let request = ReconcileRequest { obj_ref: ObjectRef::from_obj(&*object), reason };
                    let _sent = trigger.send(request).is_ok();
                }
            })
            .touched_objects()
            .predicate_filter(changed, PredicateConfig::default())
            .inspect_ok(move |object| {
                // a standby only looks on: what is unfinished when it takes over begins then
                if arrived.shared().is_open() && !seen_settled(object) {
                    arrived.shared().convergences.begin(object, arrived.shared().now());
                }
                let span = arrived.shared().convergences.span(&object.uid().unwrap_or_default());
                span.in_scope(|| arrived.arrived(object));
            });
        let own = trigger_self(events, ());
        let foreign = stream::unfold(requests, |mut rx| async { rx.recv().await.map(|r| (Ok(r), rx)) });
        let end = async move {
            // an error means that the sender is gone, which is a shutdown too
            let _ended = shutdown.wait_for(|s| *s).await.is_ok();
        };
        let queue = stream::select(own.boxed(), foreign.boxed()).take_until(Box::pin(end));
        applier(
            |object, reconciler: Arc<L>| {
                let store = self.store.clone();
                async move { tasks::as_part_of(K::KIND, counted(object, &store, reconciler)).await }.boxed()
            },
            |_, error, _| {
                tracing::warn!(kind = K::KIND, %error, "reconcile failed");
                Action::requeue(Duration::from_secs(5))
            },
            reconciler,
            self.store.clone(),
            Box::pin(queue),
            Config::default().concurrency(CONCURRENCY),
        )
        .for_each(|result| async move {
            if let Err(error) = result {
                // a trigger for something just deleted is normal
                tracing::debug!(kind = K::KIND, %error, "not reconciled");
            }
        })
        .await;
    }
}
