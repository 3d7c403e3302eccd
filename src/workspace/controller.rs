//! The controller of workspaces: reads Secrets, does what [`super::decide`] says, publishes the session, writes status.

use std::{sync::Arc, time::Duration};

use emnify_engine::{
    cluster::{
        gap::Gap,
        refusal::{self, Line},
        status::patch_params,
        unserved,
    },
    kind::{FINALIZER, spec::WorkspaceKind},
    metrics::snapshot::readiness,
};
use futures::{FutureExt, StreamExt, TryStreamExt};
use kube::{
    ResourceExt,
    api::Patch,
    runtime::{
        Predicate, PredicateConfig, WatchStreamExt, applier,
        controller::{Action, Config, trigger_self},
        predicates, reflector,
        reflector::ObjectRef,
        watcher,
    },
};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{
    context::{WorkspaceController, WorkspaceState},
    event_position,
    reconcile::Reconcile,
    served::Alarm,
    served::{Served, key_of},
    session_store::SessionStore,
    spec::{WorkspaceObject, WorkspaceStatus},
    status,
};
use crate::{
    api::Date,
    settings::Namespaces,
    telemetry::metrics::{Snapshot, WorkspaceSnapshot},
};

/// A look ends by itself: each of its requests has a deadline, and a login waits five minutes for its turn at most. One
/// that does not is ended, or the workspace would never be looked at again.
const ENDLESS: Duration = Duration::from_secs(600);

/// The longest pause after looks that failed at the API server.
const LONGEST: Duration = Duration::from_secs(60);

impl WorkspaceController {
    /// Whether objects of every namespace are served.
    pub fn serves_all_namespaces(&self) -> bool {
        self.settings.namespaces == Namespaces::All
    }

    /// Waits until every workspace is known: ours, and those of other shards. Call it after [`WorkspaceController::run`] began.
    pub async fn listed(&self) {
        let mut unlisted = self.unlisted.subscribe();
        // the sender lives in self, so this only ends with none
        let _ended = unlisted.wait_for(|n| *n == 0).await.is_ok();
    }

    /// How everything stands, for metrics.
    pub fn snapshot(&self) -> Snapshot {
        let shows = self.shows.lock();
        let workspaces = shows.iter().flat_map(|show| show()).collect();
        let unserved = self.engine.shared.unserved.names();
        Snapshot { workspaces, unserved, lead: Some(self.lead.snapshot()), ..self.sessions.snapshot() }
    }

    fn close<W: Served>(&self, object: &W) {
        let key = key_of(object);
        self.states.lock().remove(&key);
        self.engine.shared.withdraw(&key);
        self.sessions.leave(&key);
        // usually gone already; not where somebody took the finalizer off by hand
        let store = SessionStore::new(&self.engine.shared.client, &self.settings.operator_namespace, object);
        self.engine.shared.tasks.errand("removal of a session Secret", async move {
            if let Err(error) = store.remove().await {
                let error = refusal::brief(&error);
                tracing::warn!(error, "session Secret of a deleted workspace not removed");
            }
        });
    }

    /// Another shard serves the workspace: first its objects are left alone, then its session ends, then the claim of its
    /// organisation is let go, so that the other one, which waits for that, never acts beside this one.
    fn hand_over<W: Served>(&self, object: &W) {
        let key = key_of(object);
        if self.states.lock().remove(&key).is_some() {
            tracing::info!(workspace = %object.name_any(), "left to another shard");
        }
        self.engine.shared.leave(&key);
        self.sessions.leave(&key);
    }

    /// Watches one kind of workspace until `shutdown` says true.
    pub fn run<W: Served>(
        self: Arc<Self>,
        shutdown: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + use<W> {
        let scopes = self.scopes::<W>();
        self.unlisted.send_modify(|n| *n += scopes.len());
        let running = scopes.into_iter().map(move |scope| self.clone().follow::<W>(scope, shutdown.clone()));
        futures::future::join_all(running).map(drop)
    }

    /// What is known of a workspace before its first look.
    fn heard<W: Served>(&self, event: &watcher::Event<W>, scope: Option<&str>, listed: &mut bool) {
        if let (watcher::Event::InitDone, Some(namespace)) = (event, scope) {
            self.engine.shared.unserved.served(namespace, W::KIND.as_str());
        }
        let workspaces = &self.engine.shared.workspaces;
        match event {
            watcher::Event::InitApply(object) if self.lead.shard.serves(object.labels()) => {
                workspaces.expect(key_of(object));
                if let Ok(url) = self.settings.hosts.admit(object.access().base_url.as_deref()) {
                    workspaces.lives_on(&key_of(object), url.origin());
                }
            }
            watcher::Event::InitApply(object) => {
                // nobody looks before everything is listed, so nobody has to be told
                let _was_ours = workspaces.leave(key_of(object));
            }
            watcher::Event::InitDone if !std::mem::replace(listed, true) => {
                self.unlisted.send_modify(|n| *n -= 1);
            }
            watcher::Event::Delete(object) => self.close(object),
            watcher::Event::Init | watcher::Event::InitDone | watcher::Event::Apply(_) => {}
        }
    }

    /// A namespace that is gone or forbidden does not hold up the others.
    fn not_heard<W: Served>(
        &self,
        error: &watcher::Error,
        scope: Option<&str>,
        listed: &mut bool,
        line: &mut Line,
    ) {
        let refusal = scope.zip(unserved::refusal(error));
        let Some((namespace, why)) = refusal else {
            let error = refusal::brief_watch(error);
            if line.is_news(&error) {
                tracing::warn!(kind = W::KIND.as_str(), error, "not watched");
            }
            return;
        };
        self.engine.shared.unserved.refused(namespace, W::KIND.as_str(), why);
        if !std::mem::replace(listed, true) {
            self.unlisted.send_modify(|n| *n -= 1);
        }
    }

    async fn follow<W: Served>(self: Arc<Self>, scope: Option<String>, mut shutdown: watch::Receiver<bool>) {
        let client = self.engine.shared.client.clone();
        let (store, writer) = reflector::store::<W>();
        let shown = store.clone();
        self.shows
            .lock()
            .push(Box::new(move || shown.state().iter().map(|object| shown_as(&**object)).collect()));
        let changed = predicates::generation
            .combine(predicates::annotations)
            .combine(predicates::labels)
            .combine(predicates::finalizers);
        let (hearing, mut listed, mut line) = (self.clone(), false, Line::default());
        let (closing, kept, mut gap) = (self.clone(), store.clone(), Gap::default());
        let (alarm, alarms) = mpsc::unbounded_channel::<ObjectRef<W>>();
        let look = alarm.clone();
        let events = watcher(W::api(client, scope.as_deref()), watcher::Config::default())
            .default_backoff()
            .inspect(move |event| match event {
                Ok(event) => hearing.heard(event, scope.as_deref(), &mut listed),
                Err(error) => hearing.not_heard::<W>(error, scope.as_deref(), &mut listed, &mut line),
            })
            .reflect(writer)
            .inspect_ok(move |event| {
                let Some(missed) = gap.observe(event, &kept) else { return };
                missed.gone.iter().for_each(|object| closing.close(&**object));
                for object in missed.changed {
                    // the receiver only goes away on shutdown
                    let _sent = look.send(ObjectRef::from_obj(&*object)).is_ok();
                }
            })
            .touched_objects()
            .predicate_filter(changed, PredicateConfig::default());
        let foreign =
            futures::stream::unfold(alarms, |mut rx| async { rx.recv().await.map(|r| (Ok(r.into()), rx)) });
        let end = async move {
            // an error means that the sender is gone, which is a shutdown too
            let _ended = shutdown.wait_for(|s| *s).await.is_ok();
        };
        let queue = futures::stream::select(trigger_self(events, ()).boxed(), foreign.boxed())
            .take_until(Box::pin(end));
        applier(
            move |object: Arc<W>, controller: Arc<Self>| {
                let alarm = alarm.clone();
                Box::pin(async move { controller.reconcile(&*object, &alarm).await })
            },
            |_, error: &kube::Error, _| {
                tracing::warn!(%error, "workspace not reconciled");
                Action::requeue(Duration::from_secs(5))
            },
            self.clone(),
            store.clone(),
            Box::pin(queue),
            Config::default(),
        )
        .for_each(|_| async {})
        .await;
        for object in store.state() {
            self.keep_position(&*object).await;
        }
    }

    /// The next process reads the event log from where this one ended.
    async fn keep_position<W: Served>(&self, object: &W) {
        let access = self.state(&key_of(object)).lock().await.access.clone();
        if let Some(access) = access {
            event_position::write(self.engine.shared.client.clone(), object, &access.session).await;
        }
    }

    /// Namespaces to watch; cluster-scoped objects have none.
    fn scopes<W: Served>(&self) -> Vec<Option<String>> {
        match (&self.settings.namespaces, W::KIND) {
            (Namespaces::Only(names), WorkspaceKind::Workspace) => names.iter().cloned().map(Some).collect(),
            _ => vec![None],
        }
    }

    async fn reconcile<W: Served>(&self, object: &W, alarm: &Alarm<W>) -> Result<Action, kube::Error> {
        if !self.lead.shard.serves(object.labels()) {
            self.hand_over(object);
            return Ok(Action::await_change());
        }
        let ours = object.finalizers().iter().any(|f| f == FINALIZER);
        if object.meta().deletion_timestamp.is_some() && !ours {
            return Ok(Action::await_change());
        }
        let state = self.state(&key_of(object));
        let mut state = state.lock().await;
        let mut status = object.status().cloned().unwrap_or_default();
        let look = async {
            if ours {
                self.attend(object, &mut state, &mut status, alarm).await
            } else {
                self.set_finalizer(object, true).await
            }
        };
        let Ok(done) = tokio::time::timeout(ENDLESS, look).await else {
            tracing::warn!(workspace = %object.name_any(), "a look did not end, and is taken anew");
            return Ok(Action::requeue(Duration::from_secs(1)));
        };
        match done {
            Ok(action) => {
                state.failures = 0;
                Ok(action)
            }
            Err(error) => Ok(self.failed(object, &mut state, status, &error).await),
        }
    }

    async fn attend<W: Served>(
        &self,
        object: &W,
        state: &mut WorkspaceState,
        status: &mut WorkspaceStatus,
        alarm: &Alarm<W>,
    ) -> Result<Action, kube::Error> {
        Reconcile::take(self, object, state, status, alarm).await?.work(state, status).await
    }

    /// A look failed at the API server: says why, and returns when to look again.
    async fn failed<W: Served>(
        &self,
        object: &W,
        state: &mut WorkspaceState,
        mut status: WorkspaceStatus,
        error: &kube::Error,
    ) -> Action {
        tracing::warn!(workspace = %object.name_any(), error = %refusal::brief(error), "workspace not reconciled");
        if let Some(told) = refusal::told(error) {
            let (serves, generation) = (state.access.is_some(), object.meta().generation);
            status::refused(&mut status, &told, serves, generation, self.engine.now());
            if let Err(error) = self.write(object, &status).await {
                tracing::debug!(error = %refusal::brief(&error), "a refusal is told by an event only");
            }
            self.engine.shared.events.say_refusal(object, error);
        }
        state.failures = state.failures.saturating_add(1);
        Action::requeue(refusal::pause(state.failures).min(LONGEST))
    }

    /// With the finalizer a deleted workspace stays until nothing lives in emnify through it.
    pub(super) async fn set_finalizer<W: Served>(
        &self,
        object: &W,
        present: bool,
    ) -> Result<Action, kube::Error> {
        let mut finalizers: Vec<String> =
            object.finalizers().iter().filter(|f| *f != FINALIZER).cloned().collect();
        finalizers.extend(present.then(|| FINALIZER.to_owned()));
        let version = object.resource_version();
        let patch =
            json!({"metadata": {"resourceVersion": version, "uid": object.uid(), "finalizers": finalizers}});
        let api = W::api(self.engine.shared.client.clone(), object.namespace().as_deref());
        match api.patch_metadata(&object.name_any(), &patch_params(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(Action::await_change()),
            Err(kube::Error::Api(e)) if e.code == 404 => Ok(Action::await_change()),
            Err(kube::Error::Api(e)) if e.code == 409 => Ok(Action::requeue(Duration::from_secs(1))),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn write<W: Served>(
        &self,
        object: &W,
        status: &WorkspaceStatus,
    ) -> Result<(), kube::Error> {
        if object.status() == Some(status) {
            return Ok(());
        }
        let patch = json!([
            {"op": "test", "path": "/metadata/uid", "value": object.uid()},
            {"op": "add", "path": "/status", "value": status},
        ]);
        let patch = Patch::<serde_json::Value>::Json(
            serde_json::from_value(patch).expect("these are JSON patch operations"),
        );
        let api = W::api(self.engine.shared.client.clone(), object.namespace().as_deref());
        match api.patch_status(&object.name_any(), &patch_params(), &patch).await {
            Ok(_) => Ok(()),
            // a namesake or nothing: the watch tells
            Err(kube::Error::Api(e)) if e.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn shown_as<W: WorkspaceObject>(object: &W) -> WorkspaceSnapshot {
    let (meta, status) = (object.meta(), object.status());
    let date = |date: &Date| date.as_str().parse().ok();
    WorkspaceSnapshot {
        kind: W::KIND.as_str(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: meta.name.clone().unwrap_or_default(),
        ready: readiness(status.map_or(&[], |status| &status.conditions)),
        deleted: meta.deletion_timestamp.as_ref().map(|at| at.0),
        token_expires: status.and_then(|status| status.token_expires_at.as_ref()).and_then(date),
    }
}

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
