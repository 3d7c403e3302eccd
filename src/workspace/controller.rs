//! The controller of workspaces: reads Secrets, does what [`super::decide`] says, publishes the session, writes status.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use emnify_engine::{
    cluster::{
        follow::{Followed, Follower, Trigger},
        object,
        refusal::{self, Line},
        status::WriteError,
        unserved,
    },
    kind::{FINALIZER, spec::WorkspaceKind},
    metrics::snapshot::readiness,
};
use futures::{FutureExt, future::BoxFuture};
use kube::{
    ResourceExt,
    runtime::{controller::Action, watcher},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    context::{WorkspaceController, WorkspaceState},
    event_position,
    reconcile::Reconcile,
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

/// Workspaces are few, and wait for emnify.
const ANY_NUMBER: u16 = 0;

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
        self.forget_state(&key);
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
        if self.forget_state(&key) {
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

    async fn follow<W: Served>(self: Arc<Self>, scope: Option<String>, shutdown: watch::Receiver<bool>) {
        let followed = Followed::<W>::default();
        let shown = followed.store.clone();
        self.shows
            .lock()
            .push(Box::new(move || shown.state().iter().map(|object| shown_as(&**object)).collect()));
        let api = W::api(self.engine.shared.client.clone(), scope.as_deref());
        let follower = Arc::new(OfScope {
            controller: self.clone(),
            scope,
            trigger: followed.trigger().clone(),
            listed: AtomicBool::new(false),
            line: Mutex::default(),
        });
        followed.run(api, follower, ANY_NUMBER, shutdown).await;
        for object in followed.store.state() {
            self.keep_position(&*object).await;
        }
    }

    /// The next process reads the event log from where this one ended.
    async fn keep_position<W: Served>(&self, object: &W) {
        if let Some(session) = self.sessions.of(&key_of(object)) {
            event_position::write(&self.engine.shared, object, &session).await;
        }
    }

    /// Namespaces to watch; cluster-scoped objects have none.
    fn scopes<W: Served>(&self) -> Vec<Option<String>> {
        match (&self.settings.namespaces, W::KIND) {
            (Namespaces::Only(names), WorkspaceKind::Workspace) => names.iter().cloned().map(Some).collect(),
            _ => vec![None],
        }
    }

    /// One look at one workspace; when to look again.
    async fn reconcile<W: Served>(&self, object: &W, trigger: &Trigger<W>) -> Action {
        if !self.lead.shard.serves(object.labels()) {
            self.hand_over(object);
            return Action::await_change();
        }
        let ours = object.finalizers().iter().any(|f| f == FINALIZER);
        if object.meta().deletion_timestamp.is_some() && !ours {
            return Action::await_change();
        }
        let key = key_of(object);
        let mut state = self.take_state(&key);
        let action = self.look(object, ours, &mut state, trigger).await;
        self.keep_state(&key, state);
        action
    }

    /// The look itself.
    async fn look<W: Served>(
        &self,
        object: &W,
        ours: bool,
        state: &mut WorkspaceState,
        trigger: &Trigger<W>,
    ) -> Action {
        let mut status = object.status().cloned().unwrap_or_default();
        let look = async {
            if ours {
                self.attend(object, state, &mut status, trigger).await
            } else {
                self.set_finalizer(object, true).await
            }
        };
        let Ok(done) = tokio::time::timeout(ENDLESS, look).await else {
            tracing::warn!(workspace = %object.name_any(), "a look did not end, and is taken anew");
            return Action::requeue(Duration::from_secs(1));
        };
        match done {
            Ok(action) => {
                state.failures = 0;
                action
            }
            Err(error) => self.failed(object, state, status, &error).await,
        }
    }

    async fn attend<W: Served>(
        &self,
        object: &W,
        state: &mut WorkspaceState,
        status: &mut WorkspaceStatus,
        trigger: &Trigger<W>,
    ) -> Result<Action, kube::Error> {
        Reconcile::take(self, object, state, status, trigger).await?.work(state, status).await
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
        let version = object.resource_version().unwrap_or_default();
        let api = W::api(self.engine.shared.client.clone(), object.namespace().as_deref());
        object::set_finalizer(&api, object, &version, present).await
    }

    pub(super) async fn write<W: Served>(
        &self,
        object: &W,
        status: &WorkspaceStatus,
    ) -> Result<(), kube::Error> {
        if object.status() == Some(status) {
            return Ok(());
        }
        let api = W::api(self.engine.shared.client.clone(), object.namespace().as_deref());
        match self.engine.shared.writer.write(&api, object, None, status).await {
            // a namesake or nothing: the watch tells
            Ok(_) | Err(WriteError::Changed) => Ok(()),
            Err(WriteError::Kube(error)) => Err(error),
        }
    }
}

/// Workspaces of one kind in one namespace, or in all.
struct OfScope<W: Served> {
    controller: Arc<WorkspaceController>,
    scope: Option<String>,
    trigger: Trigger<W>,
    /// Everything is known.
    listed: AtomicBool,
    line: Mutex<Line>,
}

impl<W: Served> OfScope<W> {
    /// Nobody waits for this scope any more.
    fn is_listed(&self) {
        if !self.listed.swap(true, Ordering::Relaxed) {
            self.controller.unlisted.send_modify(|n| *n -= 1);
        }
    }
}

impl<W: Served> Follower<W> for OfScope<W> {
    /// What is known of a workspace before its first look.
    fn heard(&self, event: &watcher::Event<W>) {
        let workspaces = &self.controller.engine.shared.workspaces;
        match event {
            watcher::Event::InitApply(object) if self.controller.lead.shard.serves(object.labels()) => {
                workspaces.expect(key_of(object));
                let base_url = object.access().base_url.as_deref();
                if let Ok(url) = self.controller.settings.hosts.admit(base_url) {
                    workspaces.lives_on(&key_of(object), url.origin());
                }
            }
            watcher::Event::InitApply(object) => {
                // nobody looks before everything is listed, so nobody has to be told
                let _was_ours = workspaces.leave(key_of(object));
            }
            watcher::Event::InitDone => {
                if let Some(namespace) = &self.scope {
                    self.controller.engine.shared.unserved.served(namespace, W::KIND.as_str());
                }
                self.is_listed();
            }
            watcher::Event::Init | watcher::Event::Apply(_) | watcher::Event::Delete(_) => {}
        }
    }

    /// A namespace that is gone or forbidden does not hold up the others.
    fn not_heard(&self, error: &watcher::Error) {
        if let Some((namespace, why)) = self.scope.as_deref().zip(unserved::refusal(error)) {
            self.controller.engine.shared.unserved.refused(namespace, W::KIND.as_str(), why);
            return self.is_listed();
        }
        let error = refusal::brief_watch(error);
        if self.line.lock().is_news(&error) {
            tracing::warn!(kind = W::KIND.as_str(), error, "not watched");
        }
    }

    fn gone(&self, object: &W) {
        self.controller.close(object);
    }

    fn reconcile(self: Arc<Self>, object: Arc<W>) -> BoxFuture<'static, Action> {
        async move { self.controller.reconcile(&*object, &self.trigger).await }.boxed()
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
