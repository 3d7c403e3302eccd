//! Wiring, start-up and shutdown: the only file that knows every part.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use emnify::{HttpTransport, HttpTransportConfig};
use emnify_engine::{
    cluster::{
        context::EngineSettings,
        refusal::{self, Line},
        tasks::{Ended, Tasks, named},
    },
    kind::{reason, spec::WorkspaceKey},
    run::{Builder, Engine},
};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace};
use kube::{
    Api, Client, ResourceExt,
    core::{ObjectMeta, PartialObjectMeta},
    runtime::{WatchStreamExt, watcher},
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    admin::{self, Health},
    cluster::{self, Heard, Patience, versions::went_back},
    crd_skew::{self, Skew},
    kinds,
    leader::{self, Lead, fenced_client::guarded},
    push::{
        Push, Secret,
        sms::{Keys, Sms},
    },
    settings::{Namespaces, Settings},
    telemetry::{
        levels::Levels,
        metrics::{Metrics, Snapshot},
    },
    workspace::{
        ClusterWorkspace, Workspace, context::WorkspaceController, served::NamespaceLabels,
        sessions::Sessions,
    },
};

/// How long running reconciles and calls may take after a shutdown was asked for.
const DRAIN: Duration = Duration::from_millis(1500);

/// Runs the operator against `client`'s cluster until `shutdown` says true. Fails if the admin address is taken, a part ends
/// by itself, or what was seen of the cluster is no longer so.
pub async fn run(settings: Settings, client: Client, shutdown: watch::Receiver<bool>) -> Result<()> {
    let (client, heard) = cluster::bounded(client, Patience::default());
    let workspaces = match &settings.namespaces {
        Namespaces::Only(names) => names.iter().next().map(|name| Api::namespaced(client.clone(), name)),
        Namespaces::All => None,
    };
    let workspaces: Api<Workspace> = workspaces.unwrap_or_else(|| Api::all(client.clone()));
    tokio::select! {
        result = live(settings, client, heard, shutdown) => result,
        // a new process lists what is there; calls under way end with this one, as in a crash
        back = went_back(workspaces) => Err(back.into()),
    }
}

async fn live(
    settings: Settings,
    client: Client,
    heard: Heard,
    mut shutdown: watch::Receiver<bool>,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    let (health, metrics) = start_admin(&settings, &mut tasks, &shutdown).await?;
    let received = listen_for_push(&settings).await?;
    tokio::select! {
        () = established(&client, &settings) => {}
        _ = shutdown.wait_for(|s| *s) => return Ok(()),
    }
    let me = leader::identity();
    let (installation, shard) = (&settings.installation, settings.lead.shard.selector());
    tracing::info!(installation, identity = me, shard, "starting");
    let lead = Lead::new(&settings, &client, &me);
    let engine = start_engine(&settings, &guarded(client, lead.gate.clone()), &mut tasks, &shutdown);
    tokio::select! {
        () = engine.listed() => {}
        ended = ended(&mut tasks, &engine.shared.tasks, &shutdown) => return ended,
    }
    let (controller, labels) = workspaces(&settings, &engine, &lead, &me)?;
    let skew = Skew::default();
    tell(&metrics, &controller, received.as_ref(), &skew, heard);
    if let Some(received) = received {
        receive(received, &engine, &lead, &mut tasks, &shutdown);
    }
    health.set_ready(true);
    tokio::select! {
        () = lead.won() => {}
        ended = ended(&mut tasks, &engine.shared.tasks, &shutdown) => return ended,
    }
    tasks.spawn(named("definitions", definitions(&settings, &lead, &engine, skew, &shutdown)));
    tell_unserved(&settings, &lead, &engine);
    serve_workspaces(&controller, labels, &mut tasks, &shutdown);
    let result = tokio::select! {
        result = act(&controller, &engine, &mut tasks, &shutdown) => result,
        // calls under way end with the process; whoever leads now must not meet them
        lost = lead.lost() => return Err(lost.into()),
    };
    health.set_ready(false);
    drain(&engine, &lead, tasks).await;
    lead.release().await;
    result
}

/// Alive from now on, ready later.
async fn start_admin(
    settings: &Settings,
    tasks: &mut JoinSet<Ended>,
    shutdown: &watch::Receiver<bool>,
) -> Result<(Health, Metrics)> {
    let (health, metrics) = (Health::default(), Metrics::of_shard(&settings.lead.shard_name));
    let listener = TcpListener::bind(settings.admin_addr)
        .await
        .with_context(|| format!("--admin-addr: {} cannot be listened on", settings.admin_addr))?;
    tracing::info!(address = %listener.local_addr()?, "admin server");
    let admin =
        admin::admin(listener, health.clone(), metrics.clone(), Levels::installed(), shutdown.clone());
    tasks.spawn(named("admin server", admin));
    Ok((health, metrics))
}

/// Reconciles from the moment that every workspace is known, until the process is to end.
async fn act(
    controller: &WorkspaceController,
    engine: &Engine,
    tasks: &mut JoinSet<Ended>,
    shutdown: &watch::Receiver<bool>,
) -> Result<()> {
    tokio::select! {
        () = controller.listed() => {}
        ended = ended(tasks, &engine.shared.tasks, shutdown) => return ended,
    }
    engine.open();
    tracing::info!("running");
    ended(tasks, &engine.shared.tasks, shutdown).await
}

/// Says where the values of metrics come from.
fn tell(
    metrics: &Metrics,
    controller: &Arc<WorkspaceController>,
    received: Option<&Received>,
    skew: &Skew,
    heard: Heard,
) {
    let (controller, skew) = (controller.clone(), skew.clone());
    let pushed = received.map(|received| received.push.counters().clone());
    let called = received.and_then(|received| Some(received.sms.as_ref()?.counters().clone()));
    metrics.read_from(move || {
        let push = pushed.as_ref().map(|counters| counters.snapshot());
        let sms = called.as_ref().map(|counters| counters.snapshot());
        let hearing = Some(heard.hearing());
        let read = || Snapshot { push, sms, skew: skew.counts(), hearing, ..controller.snapshot() };
        controller.engine().shared.tasks.within("metrics", read)
    });
}

/// What emnify sends to, and where.
struct Received {
    listener: TcpListener,
    push: Push,
    sms: Option<Sms>,
}

/// Hands on what emnify sends, while this process leads.
fn receive(
    received: Received,
    engine: &Engine,
    lead: &Lead,
    tasks: &mut JoinSet<Ended>,
    shutdown: &watch::Receiver<bool>,
) {
    let (records, messages) = (engine.shared.clone(), engine.shared.clone());
    let push = received
        .push
        .taken_by(move |pushed| records.tasks.within("push receiver", || records.on_records(pushed)))
        .while_open(lead.gate.clone());
    let sms = received.sms.map(|sms| {
        sms.taken_by(move |message| messages.tasks.within("SMS receiver", || messages.on_message(message)))
            .while_open(lead.gate.clone())
    });
    let receiver = crate::push::receive(received.listener, push, sms, shutdown.clone());
    tasks.spawn(named("push receiver", receiver));
}

/// Address, secret and keys are checked before anything starts; who sends early waits.
async fn listen_for_push(settings: &Settings) -> Result<Option<Received>> {
    let Some(push) = &settings.push else { return Ok(None) };
    let secret = Secret::load(&push.secret_file).await?;
    let sms = match &push.sms_secret_file {
        Some(file) => Some(Sms::new(Keys::load(file).await?)),
        None => None,
    };
    let listener = TcpListener::bind(push.addr)
        .await
        .with_context(|| format!("--push-addr: {} cannot be listened on", push.addr))?;
    tracing::info!(address = %listener.local_addr()?, "push receiver");
    Ok(Some(Received { listener, push: Push::new(secret, push.header.clone()), sms }))
}

fn start_engine(
    settings: &Settings,
    client: &Client,
    tasks: &mut JoinSet<Ended>,
    shutdown: &watch::Receiver<bool>,
) -> Engine {
    let namespaces = match &settings.namespaces {
        Namespaces::All => Vec::new(),
        Namespaces::Only(names) => names.iter().cloned().collect(),
    };
    let engine_settings = EngineSettings {
        installation: settings.installation.clone(),
        namespaces,
        sharded: !settings.lead.shard.selects_all(),
    };
    kinds::register(Builder::new(client.clone(), engine_settings)).start(tasks, shutdown)
}

fn workspaces(
    settings: &Settings,
    engine: &Engine,
    lead: &Arc<Lead>,
    me: &str,
) -> Result<(Arc<WorkspaceController>, NamespaceLabels)> {
    // emnify sees which installation calls, and which of its processes
    let process = me.rsplit_once('_').map_or(me, |(_, process)| process);
    let caller = Some(format!("{}; {process}", settings.installation));
    let transport = HttpTransport::new(HttpTransportConfig { caller, ..HttpTransportConfig::default() })?;
    let sessions = Sessions::new(engine.clone(), Arc::new(transport), settings.ip_share, lead.clone());
    let labels = NamespaceLabels::default();
    let controller =
        WorkspaceController::new(engine.clone(), settings.clone(), sessions, labels.clone(), lead.clone());
    Ok((controller, labels))
}

fn serve_workspaces(
    controller: &Arc<WorkspaceController>,
    labels: NamespaceLabels,
    tasks: &mut JoinSet<Ended>,
    shutdown: &watch::Receiver<bool>,
) {
    tasks.spawn(named("workspaces", controller.clone().run::<Workspace>(shutdown.clone())));
    if controller.serves_all_namespaces() {
        // both need rights on the whole cluster
        tasks
            .spawn(named("cluster workspaces", controller.clone().run::<ClusterWorkspace>(shutdown.clone())));
        let namespaces = follow_namespaces(controller.engine().clone(), labels, shutdown.clone());
        tasks.spawn(named("namespaces", namespaces));
    }
}

/// The operator's lease, which is there whatever the rights: what concerns no object is told on it.
fn own_lease(settings: &Settings, lead: &Lead) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(lead.shard.lease().to_owned()),
            namespace: Some(settings.operator_namespace.clone()),
            ..ObjectMeta::default()
        },
        ..Lease::default()
    }
}

/// Namespaces that cannot be watched are told on the operator's lease.
fn tell_unserved(settings: &Settings, lead: &Lead, engine: &Engine) {
    let (lease, events) = (own_lease(settings, lead), engine.shared.events.clone());
    engine
        .shared
        .unserved
        .told_to(move |message| events.say(&lease, true, reason::NAMESPACE_NOT_SERVED, message));
}

/// Compares the cluster's definitions with this binary's; a difference is told on the operator's lease, which is there
/// whatever the rights.
fn definitions(
    settings: &Settings,
    lead: &Lead,
    engine: &Engine,
    skew: Skew,
    shutdown: &watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let lease = own_lease(settings, lead);
    let events = engine.shared.events.clone();
    let tell = move |told: &str| events.say(&lease, true, reason::DEFINITIONS_DIFFER, told);
    let whole_cluster = settings.namespaces == Namespaces::All;
    crd_skew::follow(engine.shared.client.clone(), whole_cluster, skew, tell, shutdown.clone())
}

/// Keeps the labels that cluster workspaces select namespaces by, and wakes the objects of a namespace that changed.
async fn follow_namespaces(engine: Engine, labels: NamespaceLabels, mut shutdown: watch::Receiver<bool>) {
    let set = |name: String, now: Option<BTreeMap<String, String>>| {
        if labels.set(&name, now) {
            let key = WorkspaceKey { namespace: Some(name), name: String::new() };
            engine.shared.kinds().for_each(|kind| kind.trigger_all(&key));
        }
    };
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(engine.shared.client.clone());
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut line = Line::default();
    loop {
        let event = tokio::select! {
            event = events.try_next() => event,
            _ = shutdown.wait_for(|s| *s) => return,
        };
        match event {
            Ok(Some(watcher::Event::Apply(n) | watcher::Event::InitApply(n))) => {
                set(n.name_any(), Some(n.labels().clone()));
            }
            Ok(Some(watcher::Event::Delete(n))) => set(n.name_any(), None),
            Ok(Some(watcher::Event::Init | watcher::Event::InitDone)) => {}
            Ok(None) => return,
            Err(error) => {
                let error = refusal::brief_watch(&error);
                if line.is_news(&error) {
                    tracing::warn!(kind = "Namespace", error, "not watched");
                }
            }
        }
    }
}

/// Waits until the API server serves every kind; discovery needs no rights of its own.
async fn established(client: &Client, settings: &Settings) {
    let mut wanted: BTreeSet<String> =
        crate::definitions::families().into_iter().map(|family| family.resource.plural).collect();
    if settings.namespaces != Namespaces::All {
        wanted.remove("clusterworkspaces");
    }
    let mut told = false;
    loop {
        let served = client.list_api_group_resources("emnify.io/v1alpha1").await;
        let served: BTreeSet<String> =
            served.map(|list| list.resources).unwrap_or_default().into_iter().map(|r| r.name).collect();
        let missing: Vec<&String> = wanted.difference(&served).collect();
        if missing.is_empty() {
            return;
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(
                ?missing,
                "waiting for the custom resource definitions; install the chart or apply crds/"
            );
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Waits for the first part to end, or a task of the engine to fail. What ends unasked takes the process with it, so that a
/// restart mends it.
async fn ended(parts: &mut JoinSet<Ended>, tasks: &Tasks, shutdown: &watch::Receiver<bool>) -> Result<()> {
    let ended = tokio::select! {
        ended = parts.join_next() => ended,
        failed = tasks.first_failure() => bail!("{failed}"),
    };
    if let Some(Ok(Ended { panic: None, .. })) = &ended
        && *shutdown.borrow()
    {
        return Ok(());
    }
    match ended {
        Some(Ok(ended)) => bail!("{ended}"),
        Some(Err(error)) => bail!("a part failed: {error}"),
        None => bail!("nothing runs"),
    }
}

/// Starts nothing any more and lets end what is under way, with the lease still ours for what it writes.
async fn drain(engine: &Engine, lead: &Lead, mut tasks: JoinSet<Ended>) {
    lead.gate.drain();
    let parts = async { while tasks.join_next().await.is_some() {} };
    let drained = tokio::time::timeout(DRAIN, async { tokio::join!(parts, engine.drained()) }).await;
    if drained.is_err() {
        tracing::warn!("some reconciles were cut short");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_the_process_with_its_name() {
        let (tasks, mut parts) = (Tasks::default(), JoinSet::new());
        parts.spawn(named("admin server", std::future::pending()));
        tasks.endless("sender of organisation 42", async { panic!("a row without an id") });
        let (_stop, shutdown) = watch::channel(false);
        let ended = ended(&mut parts, &tasks, &shutdown).await.expect_err("main turns it into exit code 1");
        assert_eq!(ended.to_string(), "sender of organisation 42 panicked: a row without an id");
    }

    #[tokio::test]
    async fn parts_may_end_when_they_were_asked_to_but_never_panic() {
        let (tasks, (stop, shutdown)) = (Tasks::default(), watch::channel(false));
        let mut parts = JoinSet::new();
        parts.spawn(named("Endpoint", async {}));
        let told = ended(&mut parts, &tasks, &shutdown).await.expect_err("nobody asked for it").to_string();
        assert_eq!(told, "Endpoint ended by itself");
        stop.send_replace(true);
        parts.spawn(named("Endpoint", async {}));
        assert!(ended(&mut parts, &tasks, &shutdown).await.is_ok(), "it was asked to");
        parts.spawn(named("Endpoint", async { panic!("no row") }));
        let told = ended(&mut parts, &tasks, &shutdown).await.expect_err("not that").to_string();
        assert_eq!(told, "Endpoint panicked: no row");
    }
}
