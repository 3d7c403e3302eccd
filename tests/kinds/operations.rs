//! Operations: every target once, whatever dies or is lost on the way.

use std::{collections::BTreeMap, time::Duration};

use emnify_engine::session::chance;
use emnify_harness::seed::of_this_test;
use emnify_simulator::{Options, Seed, Simulator, state::Organisation};
use serde_json::{Value, json};

use crate::{
    clock,
    cluster::Cluster,
    mortal::{Dies, Life},
    stage::{SEED, Stage},
    wire::{Asked, Wire, Wrong},
};

const KIND: &str = "Operation";
const DEVICES: [u64; 3] = [11_000_001, 11_000_002, 11_000_003];

/// One action, and how its effects are counted.
struct Deed {
    name: &'static str,
    action: fn() -> Value,
    /// How often it took effect for a device.
    effects: fn(&Wire, &Organisation, u64) -> usize,
    /// Twice is as good as once.
    again: bool,
    /// The requests that carry it out.
    sends: fn(&Asked) -> bool,
}

fn carried(wire: &Wire, method: &str, path: &str) -> usize {
    wire.carried().iter().filter(|asked| **asked == format!("{method} {path}")).count()
}

const DEEDS: &[Deed] = &[
    Deed {
        name: "sendSms",
        action: || json!({"sendSms": {"payload": "APN=em {name}", "sourceAddress": "12345"}}),
        effects: |_, org, id| org.endpoints[&id].sms.values().count(),
        again: false,
        sends: |asked| asked.method == "POST" && asked.path.ends_with("/sms"),
    },
    Deed {
        name: "resetConnectivity",
        action: || json!({"resetConnectivity": {"data": true}}),
        effects: |wire, _, id| carried(wire, "PATCH", &format!("/api/v1/endpoint/{id}/connectivity")),
        again: true,
        sends: |asked| asked.method == "PATCH" && asked.path.ends_with("/connectivity"),
    },
];

fn platform() -> (Cluster, Wire) {
    let now = clock::now();
    chance::follow(of_this_test());
    let devices: Vec<_> = DEVICES
        .iter()
        .zip([10_000_001, 10_000_003, 10_000_004])
        .map(|(id, sim)| {
            format!("      - {{id: {id}, name: meter-{id}, enabled: true, service_profile: 101, tariff_profile: 201, sim: {sim}}}\n")
        })
        .collect();
    let devices = devices.concat();
    let seed = SEED.replacen("  - id: 1002\n", &format!("    endpoints:\n{devices}  - id: 1002\n"), 1);
    let seed = Seed::from_yaml(&seed).unwrap();
    let wire = Wire::to(Simulator::start(Options { seed, start: Some(now), ..Options::default() }));
    (Cluster::default(), wire)
}

/// Two windows of two targets and one.
fn operation(action: &Value) -> Value {
    let endpoints: Vec<Value> = DEVICES.iter().map(|id| json!({"id": id.to_string()})).collect();
    json!({"target": {"endpoints": endpoints}, "action": action, "parallelism": 2})
}

impl Stage {
    fn op(&self) -> Value {
        self.cluster.object(KIND, "op").unwrap_or_default()
    }

    fn phase(&self) -> String {
        self.op()["status"]["phase"].as_str().unwrap_or_default().to_owned()
    }

    async fn finishes(&self, what: &str) -> Value {
        self.until_op(what, |stage| !stage.op()["status"]["finishedAt"].is_null()).await;
        self.op()["status"].clone()
    }

    async fn until_op(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = tokio::time::Instant::now();
        while !holds(self) {
            let status = self.op()["status"].clone();
            assert!(started.elapsed().as_secs() < 3_600, "{what}: {status:#}");
            self.pass(1).await;
        }
    }

    fn effects(&self, deed: &Deed) -> BTreeMap<u64, usize> {
        let state = self.wire.simulator.inspect(|state| state.organisations[&1001].clone());
        DEVICES.iter().map(|id| (*id, (deed.effects)(&self.wire, &state, *id))).collect()
    }
}

/// The requests around which a process dies: every write of the object and of its events, and every one to a device.
fn counts(method: &str, path: &str) -> bool {
    let kubernetes = method != "GET" && path.contains("/operations/");
    kubernetes || path.contains("/api/v1/endpoint/")
}

fn check(deed: &Deed, stage: &Stage, status: &Value, what: &str) {
    let unknown: Vec<_> =
        status["results"].as_array().into_iter().flatten().filter(|r| r["state"] == "Unknown").collect();
    for (id, times) in stage.effects(deed) {
        let id = id.to_string();
        let said = unknown.iter().any(|result| result["target"].as_str() == Some(&id));
        let once = if deed.again { times >= 1 } else { times == 1 };
        assert!(once || (said && times <= 1), "{}, {what}: {times} effects on {id}: {status:#}", deed.name);
    }
    let targets = &status["targets"];
    let all: i64 =
        ["succeeded", "failed", "unknown", "skipped"].iter().filter_map(|key| targets[*key].as_i64()).sum();
    assert_eq!(
        (all, targets["total"].as_i64()),
        (3, Some(3)),
        "{}, {what}: none is lost: {status:#}",
        deed.name
    );
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_around_any_request_does_nothing_twice_and_loses_nothing() {
    let mut points = 0;
    for deed in DEEDS {
        for dies in [Dies::Before, Dies::After] {
            for at in 1.. {
                let (cluster, wire) = platform();
                let life = Life::ends(at, dies, counts);
                let (kubernetes, emnify) = (life.kubernetes(&cluster), life.emnify(&wire));
                let stage = Stage::between(kubernetes, emnify, cluster.clone(), wire.clone()).await;
                cluster.apply_a(KIND, "op", operation(&(deed.action)()));
                let done = |stage: &Stage| {
                    stage.op()["metadata"]["finalizers"].as_array().is_some_and(Vec::is_empty)
                };
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
                assert_eq!(status["phase"], "Complete", "{}, {what}: {status:#}", deed.name);
                stage.stop().await;
            }
        }
    }
    println!("{points} points at which a process died");
    assert!(points > 12 * DEEDS.len(), "every request is a point: {points}");
}

#[tokio::test(start_paused = true)]
async fn whatever_is_answered_nothing_is_done_twice_and_nothing_is_lost() {
    for deed in DEEDS {
        for wrong in Wrong::all()
            .into_iter()
            .chain([Wrong::Slow(Duration::from_secs(5)), Wrong::Slow(Duration::from_secs(90))])
        {
            let (cluster, wire) = platform();
            wire.fail_once(deed.sends, wrong.clone());
            let stage = Stage::on(cluster.clone(), wire).await;
            cluster.apply_a(KIND, "op", operation(&(deed.action)()));
            let what = wrong.to_string();
            let status = stage.finishes(&what).await;
            let refused = status["targets"]["failed"].as_i64().unwrap_or_default();
            let effects: usize = stage.effects(deed).values().sum();
            let enough = if deed.again { effects >= 3 } else { effects == 3 };
            let lost = i64::try_from(effects).unwrap() + refused == 3 && refused == 1;
            assert!(enough || lost, "{}, {what}: {effects} effects, {refused} failed: {status:#}", deed.name);
            assert_eq!(
                status["phase"],
                if refused > 0 { "Failed" } else { "Complete" },
                "{}, {what}: {status:#}",
                deed.name
            );
            stage.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_sent_while_it_is_suspended_and_the_rest_after() {
    let deed = &DEEDS[0];
    let (cluster, wire) = platform();
    let stage = Stage::on(cluster.clone(), wire).await;
    let mut spec = operation(&(deed.action)());
    spec["suspend"] = json!(true);
    cluster.apply_a(KIND, "op", spec.clone());
    stage.until_op("it says so", |stage| stage.phase() == "Suspended").await;
    stage.pass(600).await;
    assert!(stage.effects(deed).values().all(|times| *times == 0), "nothing is sent");
    spec.as_object_mut().unwrap().remove("suspend");
    cluster.apply_a(KIND, "op", spec);
    let status = stage.finishes("it goes on").await;
    check(deed, &stage, &status, "resumed");
    stage.stop().await;
}
