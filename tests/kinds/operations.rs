//! Operations: every target once, whatever dies or is lost on the way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use emnify_apiserver::Cluster;
use emnify_engine::{
    kind::FINALIZER,
    session::{chance, guard::GuardLimit},
};
use emnify_harness::seed::of_this_test;
use emnify_simulator::{Options, Seed, Simulator, state::Endpoint};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    clock,
    deeds::{Again, DEEDS, DEVICES, Deed, SIMS, TOKEN},
    mortal::{Dies, Life},
    stage::{SEED, SIGNING, Stage, secret},
    wire::{Wire, Wrong},
};

pub(crate) const KIND: &str = "Operation";
pub(crate) fn platform(deed: &Deed) -> (Cluster, Wire) {
    let now = clock::now();
    chance::follow(of_this_test());
    let devices: Vec<_> = DEVICES
        .iter()
        .zip(SIMS)
        .map(|(id, sim)| {
            format!("      - {{id: {id}, name: meter-{id}, enabled: true, service_profile: 101, tariff_profile: 201, sim: {sim}}}\n")
        })
        .collect();
    let devices = devices.concat();
    let seed = SEED.replacen("  - id: 1002\n", &format!("    endpoints:\n{devices}  - id: 1002\n"), 1);
    let seed = Seed::from_yaml(&seed).unwrap();
    let wire = Wire::to(Simulator::start(Options { seed, start: Some(now), ..Options::default() }));
    wire.simulator.edit(|state| deed.prepare(state)).unwrap();
    let cluster = Cluster::new(clock::now);
    cluster.put(SIGNING, secret(TOKEN));
    (cluster, wire)
}

/// Two windows, of two targets and one, where there are three.
fn operation(deed: &Deed) -> Value {
    with_action(deed, &(deed.action)())
}

pub(crate) fn with_action(deed: &Deed, action: &Value) -> Value {
    if deed.kind != KIND {
        return action.clone();
    }
    // of no effect but where it is needed
    let confirm = json!({"targets": deed.targets.len()});
    let mut spec = json!({"action": action, "parallelism": 2, "confirm": confirm});
    let target = (deed.target)();
    if !target.is_null() {
        spec["target"] = target;
    }
    spec
}

impl Stage {
    pub(crate) fn op(&self) -> Value {
        let of = |kind| self.cluster.object(kind, "op");
        of(KIND).or_else(|| of("SimBatch")).unwrap_or_default()
    }

    fn phase(&self) -> String {
        self.op()["status"]["phase"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn finishes(&self, what: &str) -> Value {
        self.until_op(what, |stage| !stage.op()["status"]["finishedAt"].is_null()).await;
        self.op()["status"].clone()
    }

    pub(crate) async fn until_op(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            let status = self.op()["status"].clone();
            assert!(started.elapsed().as_secs() < 3_600, "{what}: {status:#}");
            self.pass(1).await;
        }
    }

    fn effects(&self, deed: &Deed) -> BTreeMap<u64, usize> {
        let state = self.wire.simulator.inspect(|state| state.organisations[&1001].clone());
        deed.targets.iter().map(|id| (*id, (deed.effects)(&self.wire, &state, *id))).collect()
    }
}

/// The requests around which a process dies: every write of the object and of its events, and every one to a target.
pub(crate) fn counts(method: &str, path: &str) -> bool {
    let tasks = ["/operations/", "/simbatches/"];
    let kubernetes = method != "GET" && tasks.iter().any(|task| path.contains(task));
    let families = [
        "endpoint/",
        "sim/",
        "sim_batch/",
        "euicc",
        "data_stream/",
        "cnc/breakout/",
        "service_profile/",
        "user/",
        "organisation/my/inclusive",
        "automation/",
    ];
    let of_a_target = families.iter().any(|family| {
        path.strip_prefix("/api/v1/")
            .or(path.strip_prefix("/api/v2/"))
            .is_some_and(|rest| rest.starts_with(family))
    });
    kubernetes || of_a_target
}

fn check(deed: &Deed, stage: &Stage, status: &Value, what: &str) {
    let unknown: Vec<_> =
        status["results"].as_array().into_iter().flatten().filter(|r| r["state"] == "Unknown").collect();
    for (id, times) in stage.effects(deed) {
        let id = id.to_string();
        let only = deed.targets.len() == 1;
        let said = unknown.iter().any(|result| only || result["target"].as_str() == Some(&id));
        assert!(!said || deed.again == Again::Never, "{}, {what}: a reading tells: {status:#}", deed.name);
        let once = if deed.again == Again::Yes { times >= 1 } else { times == 1 };
        assert!(once || (said && times <= 1), "{}, {what}: {times} effects on {id}: {status:#}", deed.name);
    }
    let phase = if unknown.is_empty() { "Complete" } else { "Failed" };
    assert_eq!(status["phase"], phase, "{}, {what}: {status:#}", deed.name);
    let targets = &status["targets"];
    let all: i64 =
        ["succeeded", "failed", "unknown", "skipped"].iter().filter_map(|key| targets[*key].as_i64()).sum();
    assert_eq!(
        (all, targets["total"].as_i64()),
        (i64::try_from(deed.targets.len()).unwrap(), Some(all)),
        "{}, {what}: none is lost: {status:#}",
        deed.name
    );
}

/// The process dies around every request of every deed, one after another; another one finishes the work.
async fn around_every_request(dies: Dies) {
    let mut points = 0;
    for deed in DEEDS {
        for at in 1.. {
            let (cluster, wire) = platform(deed);
            let life = Life::ends(at, dies, counts);
            let (kubernetes, emnify) = (life.kubernetes(&cluster), life.emnify(&wire));
            let stage = Stage::between(kubernetes, emnify, cluster.clone(), wire.clone()).await;
            cluster.apply_a(deed.kind, "op", operation(deed));
            let done =
                |stage: &Stage| stage.op()["metadata"]["finalizers"].as_array().is_some_and(Vec::is_empty);
            stage.until_op("it dies or is done", |stage| life.is_over() || done(stage)).await;
            if !life.is_over() {
                stage.stop().await;
                break;
            }
            points += 1;
            stage.kill().await;
            let what = format!("it dies {dies:?} request {at}");
            let stage = Stage::on(cluster, wire).await;
            let status = stage.finishes(&what).await;
            check(deed, &stage, &status, &what);
            stage.stop().await;
        }
    }
    println!("{points} points at which a process died");
    assert!(points > 6 * DEEDS.len(), "every request is a point: {points}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_before_any_request_does_nothing_twice_and_loses_nothing() {
    around_every_request(Dies::Before).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_after_any_request_does_nothing_twice_and_loses_nothing() {
    around_every_request(Dies::After).await;
}

/// One call went wrong: either it was made up for, or what became of its target is said.
fn told(deed: &Deed, stage: &Stage, status: &Value, what: &str) {
    let count = |key: &str| usize::try_from(status["targets"][key].as_i64().unwrap_or_default()).unwrap();
    let (refused, unknown, all) = (count("failed"), count("unknown"), deed.targets.len());
    let effects: usize = stage.effects(deed).values().sum();
    let enough = if deed.again == Again::Yes { effects >= all } else { effects == all };
    let lost = refused == 1 && effects + 1 == all;
    let doubted = deed.again == Again::Never && unknown == 1 && effects <= all;
    assert!(
        (enough && refused == 0) || lost || doubted,
        "{}, {what}: {effects} effects, {refused} failed: {status:#}",
        deed.name
    );
    let phase = if refused + unknown > 0 { "Failed" } else { "Complete" };
    assert_eq!(status["phase"], phase, "{}, {what}: {status:#}", deed.name);
}

#[tokio::test(start_paused = true)]
async fn whatever_is_answered_nothing_is_done_twice_and_nothing_is_lost() {
    for deed in DEEDS {
        for wrong in Wrong::all()
            .into_iter()
            .chain([Wrong::Slow(Duration::from_secs(5)), Wrong::Slow(Duration::from_secs(90))])
        {
            let (cluster, wire) = platform(deed);
            wire.fail_once(deed.sends, wrong.clone());
            let stage = Stage::on(cluster.clone(), wire).await;
            cluster.apply_a(deed.kind, "op", operation(deed));
            let what = wrong.to_string();
            let status = stage.finishes(&what).await;
            told(deed, &stage, &status, &what);
            stage.stop().await;
        }
    }
}

/// An operation that is suspended, and its spec when it is not.
async fn suspended(deed: &Deed) -> (Stage, Value) {
    let (cluster, wire) = platform(deed);
    let stage = Stage::on(cluster.clone(), wire).await;
    let spec = operation(deed);
    let mut suspended = spec.clone();
    suspended["suspend"] = json!(true);
    cluster.apply_a(KIND, "op", suspended);
    stage.until_op("it says so", |stage| stage.phase() == "Suspended").await;
    (stage, spec)
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_sent_while_it_is_suspended_and_the_rest_after() {
    let deed = &DEEDS[0];
    let (stage, spec) = suspended(deed).await;
    stage.pass(600).await;
    assert!(stage.effects(deed).values().all(|times| *times == 0), "nothing is sent");
    stage.cluster.apply_a(KIND, "op", spec);
    let status = stage.finishes("it goes on").await;
    check(deed, &stage, &status, "resumed");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_the_echo_of_its_window_is_sent_once() {
    let deed = &DEEDS[0];
    let (stage, spec) = suspended(deed).await;
    stage.wire.fail(deed.sends, Wrong::Slow(Duration::from_secs(20)));
    let mut op = stage.op();
    op["metadata"]["finalizers"] = json!([FINALIZER]);
    op["metadata"]["generation"] = json!(3);
    op["spec"] = spec;
    stage.cluster.put("/apis/emnify.io/v1alpha1/namespaces/ns/operations/op", op);
    // the call begins with the object as it was before its window was written
    stage.cluster.mute(true);
    stage.until_op("it is being sent", |stage| !stage.wire.struck().is_empty()).await;
    stage.cluster.mute(false);
    stage.cluster.annotate_a(KIND, "op", "somebody", "looks");
    let status = stage.finishes("all are done").await;
    check(deed, &stage, &status, "an echo within a call");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_back_waits_for_the_right_number() {
    let deed = Deed::named("deleteSims");
    let (cluster, wire) = platform(deed);
    let stage = Stage::on(cluster.clone(), wire).await;
    let mut spec = operation(deed);
    for wrong in [json!(null), json!({"targets": 2})] {
        spec["confirm"] = wrong;
        cluster.apply_a(KIND, "op", spec.clone());
        stage.pass(600).await;
        let told = stage.op()["status"]["conditions"].to_string();
        assert!(told.contains("ConfirmationNeeded") && told.contains("confirm.targets: 3"), "{told}");
        assert!(stage.effects(deed).values().all(|times| *times == 0), "nothing is deleted");
    }
    spec["confirm"] = json!({"targets": 3});
    cluster.apply_a(KIND, "op", spec);
    let status = stage.finishes("it is confirmed").await;
    check(deed, &stage, &status, "confirmed");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_manifest_says_is_left_to_it_and_named() {
    let deed = Deed::named("setState");
    let (cluster, wire) = platform(deed);
    let stage = Stage::on(cluster.clone(), wire).await;
    let device = json!({"id": DEVICES[0].to_string(), "enabled": true, "adoptionPolicy": "IfUnowned"});
    cluster.apply_a("Endpoint", "meter", device);
    stage.ready("Endpoint", "meter").await;
    cluster.apply_a(KIND, "op", with_action(deed, &json!({"setState": {"enabled": false}})));
    let status = stage.finishes("the others are done").await;
    assert_eq!(
        (&status["targets"]["skipped"], &status["targets"]["succeeded"]),
        (&json!(1), &json!(2)),
        "{status:#}"
    );
    let left = &status["results"][0];
    assert_eq!(left["reason"], "ManagedElsewhere", "{status:#}");
    assert!(left["message"].to_string().contains("spec.enabled of Endpoint ns/meter"), "{left:#}");
    stage.stop().await;
}

/// So many devices that nobody manages carry the tag `fleet`.
pub(crate) fn furnish(wire: &Wire, fleet: u64) {
    let furnished = wire.simulator.edit(|state| {
        let org = state.organisations.get_mut(&1001).unwrap();
        "10.192.0.0/16".clone_into(&mut org.ip_address_spaces.get_mut(&31).unwrap().ip_address_space);
        let device = org.endpoints[&DEVICES[0]].clone();
        for id in 12_000_000..12_000_000 + fleet {
            let name = format!("meter-{id}");
            let device =
                Endpoint { id, name, sim: None, ip_address: None, tag_ids: vec![77], ..device.clone() };
            org.endpoints.insert(id, device);
        }
        org.tags.insert(77, serde_json::from_value(json!({"id": 77, "name": "fleet"})).unwrap());
    });
    furnished.unwrap();
}

/// How many of them have exactly one message.
pub(crate) fn reached(wire: &Wire) -> usize {
    wire.simulator.inspect(|state| {
        let fleet = state.organisations[&1001].endpoints.values().filter(|device| device.tag_ids == [77]);
        fleet.filter(|device| device.sms.len() == 1).count()
    })
}

#[tokio::test(start_paused = true)]
async fn a_fleet_takes_a_write_per_window_and_edits_overtake_it() {
    const FLEET: u64 = 1_000;
    let deed = &DEEDS[0];
    let (cluster, wire) = platform(deed);
    furnish(&wire, FLEET);
    let stage = Stage::on(cluster.clone(), wire).await;
    let limit = GuardLimit { devices: FLEET, ..GuardLimit::default() };
    stage.access().caller.guard.set_limit(limit, "ns/default");
    let slow_down = std::sync::atomic::AtomicUsize::new(0);
    let shut: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let shuts = shut.clone();
    let wrong = Wrong::Answer(429, json!({"error_code": 0, "message": "slow down"}));
    stage.wire.fail(
        move |asked| {
            let message = asked.method == "POST" && asked.path.ends_with("/sms");
            let strikes = message && slow_down.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 100 == 50;
            shuts.lock().unwrap().extend(strikes.then(Instant::now));
            strikes
        },
        wrong,
    );
    let device = json!({"id": DEVICES[0].to_string(), "name": "edit 0", "adoptionPolicy": "IfUnowned"});
    cluster.apply_a("Endpoint", "meter", device.clone());
    stage.ready("Endpoint", "meter").await;
    let action = (deed.action)();
    cluster.apply_a(KIND, "op", json!({"target": {"tag": "fleet"}, "action": action, "parallelism": 50}));
    stage.until_op("it is under way", |stage| stage.op()["status"]["cursor"].is_string()).await;
    let mut waits = Vec::new();
    for edit in 1..=20 {
        let mut edited = device.clone();
        edited["name"] = json!(format!("edit {edit}"));
        let began = Instant::now();
        cluster.apply_a("Endpoint", "meter", edited);
        while !stage.wire.sent(&format!("edit {edit}\"")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // emnify's door is closed for some seconds after each 429, for everybody
        let closed = |at: &Instant| *at + Duration::from_secs(10) >= began;
        if !shut.lock().unwrap().iter().any(closed) {
            waits.push(began.elapsed());
        }
        stage.pass(2).await;
    }
    assert!(waits.len() >= 5, "the door is open most of the time: {waits:?}");
    let longest = waits.iter().max().unwrap();
    assert!(*longest <= Duration::from_millis(500), "an edit overtakes it: {waits:?}");
    let status = stage.finishes("all are done").await;
    assert_eq!(status["targets"]["succeeded"], json!(FLEET), "{}", status["targets"]);
    assert_eq!(reached(&stage.wire), 1_000, "each device has one message");
    let writes = cluster.wrote("PATCH /apis/emnify.io/v1alpha1/namespaces/ns/operations/op/status");
    // a window each, one before the first, and the end
    assert!(writes.len() <= 23, "{} writes for 20 windows", writes.len());
    let largest = writes.iter().map(|write| write.body.to_string().len()).max().unwrap_or_default();
    assert!(largest < 64 * 1024, "{largest} bytes");
    stage.stop().await;
}
