//! The watch of a kind: pruned objects in a store, and a queue fed by changes that matter and by triggers.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, ResourceExt,
    runtime::{
        Predicate, PredicateConfig, WatchStreamExt, applier,
        controller::{Action, Config, ReconcileRequest, trigger_self},
        predicates, reflector, watcher,
    },
};
use tokio::sync::{mpsc, watch};

use super::{Controller, Watch};
use crate::{decoded::Decoded, kind::Managed};

/// Reconciles at once per kind; they wait for nothing but the API server.
const CONCURRENCY: u16 = 64;

/// What a running watch owns.
pub(super) struct Parts<K: Managed> {
    writer: reflector::store::Writer<Decoded<K>>,
    requests: mpsc::UnboundedReceiver<ReconcileRequest<Decoded<K>>>,
}

pub(super) fn prepare<K: Managed>(namespace: Option<String>) -> Watch<K> {
    let (trigger, requests) = mpsc::unbounded_channel();
    let (store, writer) = reflector::store();
    Watch { namespace, store, trigger, parts: std::sync::Mutex::new(Some(Parts { writer, requests })) }
}

/// Drops what is never read before it reaches the cache.
fn prune<K: Managed>(object: &mut Decoded<K>) {
    object.managed_fields_mut().clear();
    object.annotations_mut().remove("kubectl.kubernetes.io/last-applied-configuration");
}

impl<K: Managed> Controller<K> {
    /// Watches and reconciles until `shutdown` says true; running reconciles are finished.
    pub async fn run(self: Arc<Self>, shutdown: watch::Receiver<bool>) {
        let running = (0..self.watches.len()).map(|i| self.clone().run_one(i, shutdown.clone()));
        futures::future::join_all(running).await;
    }

    async fn run_one(self: Arc<Self>, index: usize, mut shutdown: watch::Receiver<bool>) {
        let watch = &self.watches[index];
        let taken = watch.parts.lock().expect("nobody panics while taking the parts").take();
        let Some(Parts { writer, requests }) = taken else { return };
        let client = self.shared.client.clone();
        let api: Api<Decoded<K>> = match &watch.namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        };
        let changed = predicates::generation
            .combine(predicates::finalizers)
            .combine(predicates::annotations)
            .combine(predicates::labels);
        let gone = self.clone();
        let events = watcher(api, watcher::Config::default())
            .modify(prune)
            .default_backoff()
            .inspect_ok(move |event| {
                if let watcher::Event::Delete(object) = event {
                    gone.gone(object);
                }
            })
            .reflect(writer)
            .touched_objects()
            .predicate_filter(changed, PredicateConfig::default());
        let own = trigger_self(events, ());
        let foreign = stream::unfold(requests, |mut rx| async { rx.recv().await.map(|r| (Ok(r), rx)) });
        let end = async move {
            // an error means that the sender is gone, which is a shutdown too
            let _ended = shutdown.wait_for(|s| *s).await.is_ok();
        };
        let queue = stream::select(own.boxed(), foreign.boxed()).take_until(Box::pin(end));
        applier(
            |object, context: Arc<Self>| Box::pin(async move { context.reconcile(&object).await }),
            |_, error, _| {
                tracing::warn!(kind = K::KIND, %error, "reconcile failed");
                Action::requeue(Duration::from_secs(5))
            },
            self.clone(),
            watch.store.clone(),
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

    /// The object left the cluster: its claims, references and memory go with it.
    fn gone(&self, object: &Decoded<K>) {
        let uid = object.uid().unwrap_or_default();
        let who = super::named(object);
        for target in self.shared.refs.set(&who, Vec::new()) {
            self.shared.poke(&target, "an object that referred to it is gone");
        }
        self.forget(object, &uid);
        for referrer in self.shared.refs.referrers(&who) {
            self.shared.poke(&referrer, "the object it refers to is gone");
        }
    }
}
