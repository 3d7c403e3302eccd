//! The engine between an API server in memory and the copy, until nothing more happens.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use emnify::{Client, Config, Error, HostLimits, Identity, Lane};
use emnify_apiserver::Cluster;
use emnify_engine::{
    cluster::{
        context::EngineSettings,
        observer::{Observer, Share},
        tasks::Ended,
        workspaces::Entry,
    },
    kind::{secret, spec::WorkspaceKey},
    run::{Builder, Engine},
    session::{Access, caller::Caller, guard::GuardLimit},
};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    copy::{Copy, Original},
    live::Reader,
    outcome::{Held, Made, Outcome, Played},
};

/// What Secrets hold that are taken as there.
pub const ASSUMED: &str = "what a rehearsal does not know";

/// The kind whose objects ask emnify about single devices.
const OPERATION: &str = "Operation";

/// Keys the digests of a rehearsal; those of an operator have another.
const SALT: &str = "rehearsal";

/// The digest of [`ASSUMED`], as an object has it that sent it last: `who` is the object, as `Kind namespace/name`.
pub fn assumed_digest(who: &str) -> String {
    secret::digest(&SALT.to_owned().into(), secret::INPUT, [who, ASSUMED])
}

/// How often is looked whether anything happened.
const LOOK: Duration = Duration::from_secs(5);
/// Who waits for nothing longer than this is at rest: a listing that has to prove something, a pause after a refusal.
const REST: Duration = Duration::from_secs(90);
/// Lanes in which somebody waits.
const AWAITED: [Lane; 4] = [Lane::Safety, Lane::Interactive, Lane::Create, Lane::Repair];
/// So often a guard that trips is approved of, and no more.
const MOST_HELD: usize = 100;
/// Longest time, by the rehearsal's own clock.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

/// What is rehearsed, and where.
pub struct Scene {
    /// Objects by their path on the API server, as it would hold them.
    pub objects: Vec<(String, Value)>,
    /// What lies there beside them: Secrets, `ConfigMap`s.
    pub beside: Vec<(String, Value)>,
    /// Workspaces that all are of the one organisation, with what each may disturb.
    pub workspaces: Vec<(WorkspaceKey, Option<GuardLimit>)>,
    /// The operator logs in as a person, who may do more than an application.
    pub person: bool,
    /// Name of the installation, for marks.
    pub installation: String,
    /// When the rehearsal begins.
    pub now: Timestamp,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").field("objects", &self.objects.len()).finish_non_exhaustive()
    }
}

/// Writes down what is called.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<Made>>);

impl Observer for Notes {
    fn called(&self, shares: Vec<Share>, error: Option<&Error>) {
        self.0.lock().push(Made { shares, error: error.map(ToString::to_string) });
    }
}

/// Lets an engine with the kinds of `register` work on the scene until it is at rest.
///
/// # Errors
/// The copy cannot be logged in to.
pub async fn rehearse(
    scene: Scene,
    reader: &Reader,
    register: impl FnOnce(Builder) -> Builder,
) -> Result<Outcome, Error> {
    let began = Instant::now();
    let start = scene.now;
    let clock = move || {
        let passed = SignedDuration::try_from(began.elapsed()).unwrap_or(SignedDuration::MAX);
        start.saturating_add(passed).unwrap_or(Timestamp::MAX)
    };
    let original = original(&reader.identity, &scene);
    let copy = Copy::of(&original, reader.live.clone(), start);
    let cluster = Cluster::new(clock);
    for (path, object) in scene.beside.iter().chain(&scene.objects) {
        cluster.put(path, object.clone());
    }
    let client = Client::new(Config::new(
        reader.base_url.clone(),
        original.credentials(),
        copy.clone(),
        HostLimits::new(1.0),
    ));
    client.login().await?;
    let notes = Arc::new(Notes::default());
    let settings = EngineSettings { installation: scene.installation.clone(), ..EngineSettings::default() };
    let (stop, stopped) = watch::channel(false);
    let mut tasks: JoinSet<Ended> = JoinSet::new();
    let builder = Builder::new(cluster.client(), settings).clock(clock).observed(notes.clone());
    let engine = register(builder).start(&mut tasks, &stopped);
    engine.listed().await;
    let accesses = serve(&engine, &scene, (&client, &reader.identity));
    if let Some(access) = accesses.first() {
        let plan = client.api(Lane::Create).active_tariff_plan().await;
        let allowed = plan.ok().flatten().and_then(|plan| plan.factory_test_mode_allowed);
        access.session.set_factory_test(allowed == Some(true));
    }
    engine.open();
    let mut outcome = Outcome::default();
    if let Some(access) = accesses.first() {
        outcome.unfinished = !rest(access, (&copy, &cluster), &scene).await;
        while let Some(held) = approve(&engine, &accesses).filter(|_| outcome.held.len() < MOST_HELD) {
            let (made, requests) = (notes.0.lock().len(), copy.written());
            outcome.held.push(Held { made, requests, ..held });
            outcome.unfinished |= !rest(access, (&copy, &cluster), &scene).await;
        }
        access.session.stop();
    }
    stop.send_replace(true);
    tasks.shutdown().await;
    outcome.objects = scene
        .objects
        .into_iter()
        .map(|(path, before)| Played { after: cluster.get(&path), before })
        .collect();
    outcome.made = std::mem::take(&mut *notes.0.lock());
    outcome.requests = copy.requests();
    outcome.told = copy.told();
    Ok(outcome)
}

fn original(reader: &Identity, scene: &Scene) -> Original {
    Original {
        organisation: u64::try_from(reader.organisation_id).unwrap_or_default(),
        name: reader.organisation_name.clone(),
        token: reader.application_token_id.and_then(|id| u64::try_from(id).ok()),
        person: scene.person,
        // without one, reports about devices are nothing that is planned, and would be read one by one
        tasks: scene.objects.iter().any(|(_, object)| object["kind"] == *OPERATION),
    }
}

/// Gives every workspace of the scene the one session.
fn serve(engine: &Engine, scene: &Scene, (client, reader): (&Client, &Identity)) -> Vec<Access> {
    let mut accesses: Vec<Access> = Vec::new();
    let unique: BTreeMap<_, _> = scene.workspaces.iter().cloned().collect();
    for (key, guard) in unique {
        let caller = Caller::new(key.clone(), client.clone());
        caller.set_salt(SALT.to_owned().into());
        let access = match accesses.first() {
            None => Access::begin(caller, reader.organisation_id.to_string()),
            Some(first) => {
                let session = first.session.clone();
                Access { caller: session.admit(caller), session }
            }
        };
        if let Some(limit) = guard {
            access.caller.guard.set_limit(limit, &named(&key));
        }
        if accesses.is_empty() {
            engine.serve(&access.session);
        }
        engine.shared.workspaces.lives_on(&key, access.session.host.clone());
        engine.shared.publish(&key, Entry { state: Ok(access.clone()), allows: None, generation: Some(1) });
        accesses.push(access);
    }
    accesses
}

/// Releases what the guard of a workspace holds back, as a person would, and says what that is.
fn approve(engine: &Engine, accesses: &[Access]) -> Option<Held> {
    let tripped = |access: &Access| Some((access.caller.clone(), access.caller.guard.tripped()?));
    let (caller, trip) = accesses.iter().find_map(tripped)?;
    if !caller.guard.approve(trip.hash.as_deref()?) {
        return None;
    }
    engine.shared.kinds().for_each(|kind| kind.trigger_all(&caller.key));
    Some(Held { workspace: named(&caller.key), trip, made: 0, requests: 0 })
}

/// The workspace, for people.
fn named(key: &WorkspaceKey) -> String {
    match &key.namespace {
        Some(namespace) => format!("Workspace {namespace}/{}", key.name),
        None => format!("ClusterWorkspace {}", key.name),
    }
}

/// Waits until nothing more happens; false if that never comes.
async fn rest(access: &Access, (copy, cluster): (&Copy, &Cluster), scene: &Scene) -> bool {
    let began = Instant::now();
    let (mut last, mut since) = (0, Instant::now());
    while began.elapsed() < PATIENCE {
        sleep(LOOK).await;
        let written = copy.written();
        // readings that only reports need go on for ever
        let queued = AWAITED.iter().any(|lane| access.session.queue.len(*lane) > 0);
        if written != last || queued {
            (last, since) = (written, Instant::now());
            continue;
        }
        let decided = || scene.objects.iter().all(|(path, _)| cluster.get(path).is_none_or(|o| decided(&o)));
        if since.elapsed() >= REST && decided() {
            return true;
        }
    }
    false
}

/// Its status speaks of what its spec says.
fn decided(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let current = |condition: &Value| condition["observedGeneration"] == object["metadata"]["generation"];
    conditions.is_some_and(|all| all.iter().any(current))
}
