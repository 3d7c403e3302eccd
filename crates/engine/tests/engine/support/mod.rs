//! The engine with a toy kind, between an API server and an emnify that live in memory under a paused clock.

pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod emnify;
#[path = "../../../../harness/src/seed.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared by all tests of the workspace")]
pub(crate) mod seed;
pub(crate) mod toy;
pub(crate) mod toy_set;

use std::{sync::Arc, time::Duration};

use emnify_engine::{
    cluster::{context::EngineSettings, tasks::Ended, workspaces::Entry},
    kind::spec::WorkspaceKey,
    run::{Builder, Engine},
    session::{Access, Session, caller::Caller, chance},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use self::{
    cluster::Cluster,
    emnify::Emnify,
    toy::Toy,
    toy_set::{Chip, ToySet},
};

/// Longest time, by the paused clock, that anything here may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// One process and what it works on.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) emnify: Emnify,
    pub(crate) engine: Engine,
    pub(crate) session: Arc<Session>,
    pub(crate) caller: Arc<Caller>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<Ended>,
}

impl Stage {
    /// A cluster without objects and an emnify without devices.
    pub(crate) async fn new() -> Self {
        Self::on(Cluster::default(), Emnify::default()).await
    }

    /// A process that starts on what is there.
    pub(crate) async fn on(cluster: Cluster, emnify: Emnify) -> Self {
        let stage = Self::closed(cluster, emnify).await;
        stage.engine.open();
        stage
    }

    /// A process that was told how far the event log was read.
    pub(crate) async fn resumed(cluster: Cluster, emnify: Emnify, position: Option<Timestamp>) -> Self {
        let stage = Self::built(cluster, emnify, position, &[]).await;
        stage.engine.open();
        stage
    }

    /// The same, up to where reconciling would begin.
    pub(crate) async fn closed(cluster: Cluster, emnify: Emnify) -> Self {
        Self::built(cluster, emnify, None, &[]).await
    }

    /// A process that watches these namespaces only.
    pub(crate) async fn watching(cluster: Cluster, namespaces: &[&str]) -> Self {
        let stage = Self::built(cluster, Emnify::default(), None, namespaces).await;
        stage.engine.open();
        stage
    }

    async fn built(
        cluster: Cluster,
        emnify: Emnify,
        position: Option<Timestamp>,
        namespaces: &[&str],
    ) -> Self {
        clock::now();
        chance::follow(seed::of_this_test());
        let settings = EngineSettings {
            installation: "prod".into(),
            namespaces: namespaces.iter().map(ToString::to_string).collect(),
            ..EngineSettings::default()
        };
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let builder = Builder::new(cluster.client(), settings)
            .clock(clock::now)
            .with::<Toy>()
            .with::<Chip>()
            .with_fleet::<ToySet>();
        let engine = builder.start(&mut tasks, &stopped);
        let Access { session, caller } = emnify.access(workspace()).await;
        engine.listed().await;
        session.hints.set_position(position);
        engine.serve(&session);
        // both are known from their specs, before either works
        engine.shared.workspaces.lives_on(&workspace(), session.host.clone());
        engine.shared.workspaces.lives_on(&elsewhere(), OTHER_HOST.to_owned());
        let entry = Entry {
            state: Ok(Access { session: session.clone(), caller: caller.clone() }),
            allows: None,
            generation: Some(1),
        };
        engine.shared.publish(&workspace(), entry);
        Self { cluster, emnify, engine, session, caller, stop, tasks }
    }

    /// What the workspace gives its objects.
    pub(crate) fn access(&self) -> Access {
        Access { session: self.session.clone(), caller: self.caller.clone() }
    }

    /// The process dies between two steps, and another one starts.
    pub(crate) async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }

    /// The same, and something happens while none runs.
    pub(crate) async fn restart_after(self, meanwhile: impl FnOnce(&Cluster)) -> Self {
        let (cluster, emnify) = (self.cluster.clone(), self.emnify.clone());
        self.stop().await;
        meanwhile(&cluster);
        Self::on(cluster, emnify).await
    }

    /// Ends the process.
    pub(crate) async fn stop(mut self) {
        self.session.stop();
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }

    /// Waits until a part of the process ends that nobody asked to.
    pub(crate) async fn failed(&mut self) -> Ended {
        let failed = async {
            tokio::select! {
                failed = self.engine.shared.tasks.first_failure() => failed,
                Some(part) = self.tasks.join_next() => part.expect("a part does not unwind"),
            }
        };
        tokio::time::timeout(PATIENCE, failed).await.expect("a part of the process ends")
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, rule: &str, mut so: impl FnMut(&Self) -> bool) {
        let started = tokio::time::Instant::now();
        while !so(self) {
            assert!(
                started.elapsed() < PATIENCE,
                "never came: {rule}\n{:#?}\n{:#?}\n{:#?}",
                self.cluster.toy("a"),
                self.cluster.wrote(""),
                self.emnify.asked("")
            );
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a toy is `Ready` for its generation.
    pub(crate) async fn ready(&self, name: &str) {
        self.until(&format!("{name} is Ready"), |s| {
            s.condition(name, "Ready") == ("True".into(), "UpToDate".into())
        })
        .await;
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
    }

    /// Status and reason of a condition that speaks of the current generation.
    pub(crate) fn condition(&self, name: &str, kind: &str) -> (String, String) {
        self.condition_of("Toy", name, kind)
    }

    /// The same of an object of any kind.
    pub(crate) fn condition_of(&self, of: &str, name: &str, kind: &str) -> (String, String) {
        let toy = self.cluster.object(of, name).unwrap_or_default();
        let all = toy["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let one = all
            .into_iter()
            .find(|c| c["type"] == kind && c["observedGeneration"] == toy["metadata"]["generation"]);
        let text = |key: &str| one.as_ref().and_then(|c| c[key].as_str()).unwrap_or_default().to_owned();
        (text("status"), text("reason"))
    }

    /// A field of a toy's status.
    pub(crate) fn status(&self, name: &str, key: &str) -> Value {
        self.cluster.toy(name).unwrap_or_default()["status"][key].clone()
    }
}

/// The default workspace of the namespace.
pub(crate) fn workspace() -> WorkspaceKey {
    WorkspaceKey { namespace: Some("ns".into()), name: "default".into() }
}

/// A workspace of the same namespace, whose organisation has the same id on another host.
pub(crate) fn elsewhere() -> WorkspaceKey {
    WorkspaceKey { namespace: Some("ns".into()), name: "other".into() }
}

/// That host.
pub(crate) const OTHER_HOST: &str = "https://second.example";

/// A spec with this name in emnify.
pub(crate) fn named(name: &str) -> Value {
    json!({"name": name})
}
