//! One process with every kind, and what it works on.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use emnify::{BaseUrl, Client, Config, Credentials, HostLimits, Transport, wire::event::Record};
use emnify_apiserver::Cluster;
use emnify_engine::{
    cluster::{context::EngineSettings, tasks::Ended, workspaces::Entry},
    kind::{
        Managed,
        message::{Heard, Message},
        set::ObjectSet,
        spec::WorkspaceKey,
        task::Task,
        trigger::Trigger,
    },
    run::{Builder, Engine},
    session::{Access, caller::Caller, chance},
};
use emnify_harness::seed::of_this_test;
use emnify_operator::kinds::{self, Visitor};
use emnify_simulator::{Options, Seed, Simulator, state::Usage};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{clock, deeds::PEOPLE, wire::Wire};

/// Longest time, by the paused clock, that anything here may take.
const PATIENCE: Duration = Duration::from_secs(40_000);

/// The names of every kind that is kept in step.
pub(crate) fn registered() -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        fn visit<K: Managed>(&mut self) {
            self.0.insert(K::KIND.to_owned());
        }
        fn visit_set<F: ObjectSet>(&mut self) {
            self.0.insert(F::KIND.to_owned());
        }
        // tried in a way of their own: operations.rs
        fn visit_task<T: Task>(&mut self) {}
        // and triggers.rs
        fn visit_trigger<T: Trigger>(&mut self) {}
    }
    let mut names = Names(BTreeSet::new());
    kinds::for_each(&mut names);
    names.0
}

/// What the simulator holds.
pub(crate) const SEED: &str = include_str!("../e2e/seed.yaml");

/// Where the Secret with a signing key lies.
pub(crate) const SIGNING: &str = "/api/v1/namespaces/ns/secrets/signing";

/// The Secret with this signing key.
pub(crate) fn secret(key: &str) -> Value {
    let data = json!({"key": data_encoding::BASE64.encode(key.as_bytes())});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "signing", "namespace": "ns"}, "data": data})
}

/// One process.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) wire: Wire,
    engine: Engine,
    access: Access,
    stop: watch::Sender<bool>,
    tasks: JoinSet<Ended>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with_sims(0).await
    }

    /// With so many SIMs more that nobody uses.
    pub(crate) async fn with_sims(sims: u64) -> Self {
        let now = clock::now();
        chance::follow(of_this_test());
        let seed = Seed::from_yaml(SEED).unwrap();
        let seed = seed.with_fleet(1001, sims).unwrap();
        let wire = Wire::to(Simulator::start(Options { seed, start: Some(now), ..Options::default() }));
        let cluster = Cluster::new(clock::now);
        cluster.put(SIGNING, secret("correct horse battery staple"));
        Self::on(cluster, wire).await
    }

    /// The process ends, and another one starts.
    pub(crate) async fn restart(self) -> Self {
        let (cluster, wire) = (self.cluster.clone(), self.wire.clone());
        self.stop().await;
        Self::on(cluster, wire).await
    }

    /// A process on what is there.
    pub(crate) async fn on(cluster: Cluster, wire: Wire) -> Self {
        let (kubernetes, emnify) = (cluster.client(), Arc::new(wire.clone()));
        Self::between(kubernetes, emnify, cluster, wire).await
    }

    /// A process with these ways to Kubernetes and to emnify.
    pub(crate) async fn between(
        kubernetes: kube::Client,
        emnify: Arc<dyn Transport>,
        cluster: Cluster,
        wire: Wire,
    ) -> Self {
        let settings = EngineSettings { installation: "prod".into(), ..EngineSettings::default() };
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let builder = kinds::register(Builder::new(kubernetes, settings).clock(clock::now));
        let engine = builder.start(&mut tasks, &stopped);
        let key = WorkspaceKey { namespace: Some("ns".into()), name: "default".into() };
        let client = operator(emnify, &wire).await;
        let access = Access::begin(Caller::new(key.clone(), client), "1001".into());
        // the Workspace keeps it
        access.caller.set_salt("salt".to_owned().into());
        engine.listed().await;
        engine.serve(&access.session);
        let entry = Entry { state: Ok(access.clone()), allows: None, generation: Some(1) };
        engine.shared.publish(&key, entry);
        engine.open();
        Self { cluster, wire, engine, access, stop, tasks }
    }

    /// What the workspace gives its objects.
    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// Another Workspace of the organisation, which logs in with this token.
    pub(crate) async fn admit(&self, name: &str, token: &str) -> Arc<Caller> {
        let key = WorkspaceKey { namespace: Some("ns".into()), name: name.into() };
        let session = self.access.session.clone();
        let caller = session.admit(Caller::new(key.clone(), self.client(token).await));
        let access = Access { session, caller: caller.clone() };
        self.engine.shared.workspaces.lives_on(&key, access.session.host.clone());
        self.engine.shared.publish(&key, Entry { state: Ok(access), allows: None, generation: Some(1) });
        caller
    }

    /// A client of another workspace, logged in with this token.
    pub(crate) async fn client(&self, token: &str) -> Client {
        logged_in(Arc::new(self.wire.clone()), token).await
    }

    /// An object is `Ready` for its generation.
    pub(crate) fn is_ready(&self, kind: &str, name: &str) -> bool {
        let object = self.cluster.object(kind, name).unwrap_or_default();
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| {
            let current = c["observedGeneration"] == object["metadata"]["generation"];
            c["type"] == "Ready" && c["status"] == "True" && current
        })
    }

    /// Waits until it is.
    pub(crate) async fn ready(&self, kind: &str, name: &str) {
        let started = tokio::time::Instant::now();
        while !self.is_ready(kind, name) {
            let object = self.cluster.object(kind, name).unwrap_or_default();
            assert!(started.elapsed() < PATIENCE, "{kind} {name} is never Ready: {:#}", object["status"]);
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// The workspace wants to know what each device uses.
    pub(crate) fn want_usage(&self, every: Duration) {
        if self.access.caller.set_usage_every(Some(every)) {
            let kinds = self.engine.shared.kinds();
            kinds.for_each(|kind| kind.trigger_all(&self.access.caller.key));
        }
    }

    /// Each device of the organisation has used so many MB today.
    pub(crate) fn use_up(&self, megabytes: f64) {
        let edited = self.wire.simulator.edit(|state| {
            for device in state.organisations.get_mut(&1001).unwrap().endpoints.values_mut() {
                device.count(clock::now(), Usage { data_tx: megabytes, ..Usage::default() });
            }
        });
        edited.unwrap();
    }

    /// A data stream tells of something in the organisation.
    pub(crate) fn push(&self) {
        self.engine.shared.on_records(&[Record { organisation: Some(1001), ..Record::default() }]);
    }

    /// A callback tells of a message.
    pub(crate) fn call_back(&self, message: &Message) -> Heard {
        self.engine.shared.on_message(message)
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
    }

    /// The process is gone from one moment to the next.
    pub(crate) async fn kill(mut self) {
        self.access.session.stop();
        self.tasks.shutdown().await;
    }

    /// Ends the process.
    pub(crate) async fn stop(mut self) {
        self.access.session.stop();
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// As the person of the tests where emnify knows them, else as an application.
async fn operator(emnify: Arc<dyn Transport>, wire: &Wire) -> Client {
    let known = wire.simulator.inspect(|state| state.users.values().any(|user| user.username == PEOPLE.0));
    if !known {
        return logged_in(emnify, "metering-token").await;
    }
    let credentials = Credentials::User {
        username: PEOPLE.0.to_owned(),
        password: PEOPLE.1.to_owned().into(),
        totp_key: None,
        trusted_device: None,
        mfa_code: None,
    };
    log_in(emnify, credentials).await
}

async fn logged_in(emnify: Arc<dyn Transport>, token: &str) -> Client {
    log_in(emnify, Credentials::ApplicationToken(token.to_owned().into())).await
}

async fn log_in(emnify: Arc<dyn Transport>, credentials: Credentials) -> Client {
    let client = Client::new(Config::new(
        BaseUrl::parse("https://emnify.example").unwrap(),
        credentials,
        emnify,
        HostLimits::new(1.0),
    ));
    client.login().await.unwrap();
    client
}
