//! The guard at work: how many devices are counted, what always passes, and what a restart keeps.

use std::time::Duration;

use emnify_engine::session::guard::{GuardLimit, GuardState};
use serde_json::json;

use crate::support::{Stage, clock, emnify::Fault, named};

fn limit(stage: &Stage, devices: u64) {
    let limit = GuardLimit { devices, window: Duration::from_secs(600) };
    stage.caller.guard.set_limit(limit, "Workspace ns/default");
}

fn disabled(stage: &Stage) -> usize {
    stage.emnify.devices().iter().filter(|d| d["status"]["id"] == 1).count()
}

/// A state is one call, and the end of the device another.
async fn enabled(stage: &Stage, names: &[&str]) {
    for name in names {
        stage.cluster.apply(name, json!({"name": name, "state": "Enabled"}));
        stage.ready(name).await;
    }
}

fn state() -> impl Fn(&Stage, &str, &str) {
    |stage, name, state| stage.cluster.apply(name, json!({"name": name, "state": state}))
}

#[tokio::test(start_paused = true)]
async fn refused_calls_count_nothing_and_hold_up_nobody() {
    let stage = Stage::new().await;
    enabled(&stage, &["a", "b", "c"]).await;
    limit(&stage, 1);
    let refusal = Fault::Answer(422, json!({"error_code": 1400, "message": "no"}));
    stage.emnify.fail("PATCH /api/v1/endpoint/1", 9, refusal);
    state()(&stage, "a", "Disabled");
    stage.until("it is refused", |s| s.condition("a", "Stalled").1 == "Rejected").await;
    state()(&stage, "b", "Disabled");
    stage.ready("b").await;
    assert_eq!(disabled(&stage), 1, "the limit is one device, and one was disturbed");
    state()(&stage, "c", "Disabled");
    stage.until("the next is too many", |s| s.condition("c", "Stalled").1 == "GuardTripped").await;
    assert_eq!(disabled(&stage), 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_changed_and_deleted_is_one_device() {
    let stage = Stage::new().await;
    enabled(&stage, &["a", "b"]).await;
    limit(&stage, 1);
    state()(&stage, "a", "Disabled");
    stage.ready("a").await;
    stage.cluster.delete("a");
    stage.until("it goes", |s| s.cluster.toy("a").is_none()).await;
    stage.cluster.delete("b");
    stage.until("another one is too many", |s| s.condition("b", "Stalled").1 == "GuardTripped").await;
    assert_eq!(stage.emnify.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_disturbs_nobody_passes_a_tripped_guard() {
    let stage = Stage::new().await;
    enabled(&stage, &["a", "b"]).await;
    limit(&stage, 1);
    state()(&stage, "a", "Disabled");
    stage.ready("a").await;
    state()(&stage, "b", "Disabled");
    stage.until("the guard trips", |s| s.condition("b", "Stalled").1 == "GuardTripped").await;
    stage.cluster.apply("b", json!({"name": "renamed", "state": "Disabled"}));
    stage
        .until("what comes before the disturbing change is sent", |s| {
            s.emnify.devices().iter().any(|d| d["name"] == "renamed")
        })
        .await;
    stage.until("the rest still waits", |s| s.condition("b", "Stalled").1 == "GuardTripped").await;
    assert_eq!(disabled(&stage), 1);
}

/// Writes down what the guard counts, as a Workspace does.
fn books(stage: &Stage) -> tokio::task::JoinHandle<()> {
    let (caller, mut moves) = (stage.caller.clone(), stage.caller.guard.moves());
    tokio::spawn(async move {
        while moves.changed().await.is_ok() {
            caller.guard.kept(caller.guard.state().1);
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_restart_allows_no_second_limit() {
    let stage = Stage::new().await;
    stage.caller.guard.restore(None, clock::now());
    enabled(&stage, &["a", "b"]).await;
    limit(&stage, 1);
    let keeper = books(&stage);
    state()(&stage, "a", "Disabled");
    stage.ready("a").await;
    let kept: Option<GuardState> = stage.caller.guard.state().0;
    keeper.abort();
    let stage = stage.restart().await;
    limit(&stage, 1);
    stage.caller.guard.restore(kept.as_ref(), clock::now());
    state()(&stage, "b", "Disabled");
    stage.until("the window goes on", |s| s.condition("b", "Stalled").1 == "GuardTripped").await;
    assert_eq!(disabled(&stage), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_disturbed_while_the_count_cannot_be_written() {
    let stage = Stage::new().await;
    enabled(&stage, &["a"]).await;
    stage.caller.guard.restore(None, clock::now());
    state()(&stage, "a", "Disabled");
    stage.pass(120).await;
    assert_eq!(disabled(&stage), 0, "a crash now would forget it");
    let asked = stage.emnify.asked("PATCH").len();
    assert_eq!(asked, 0, "nothing was sent");
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_begins_no_new_window_of_activations() {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=6);
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [1, 2, 3, 4, 5, 6], "perMinute": 2}));
    stage.until("the first are there", |s| s.emnify.devices().len() == 2).await;
    let stage = stage.restart().await;
    stage.pass(20).await;
    assert_eq!(stage.emnify.devices().len(), 2, "the window goes on");
    stage.until("the others follow", |s| s.emnify.devices().len() == 6).await;
}

#[tokio::test(start_paused = true)]
async fn a_tripped_guard_is_a_stall_in_the_counts_of_objects_and_sets_alike() {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=3);
    enabled(&stage, &["a", "b"]).await;
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [1, 2, 3]}));
    stage.until("the set is there", |s| s.condition_of("ToySet", "h", "Ready").0 == "True").await;
    limit(&stage, 0);
    stage.cluster.delete("a");
    stage.cluster.delete_a("ToySet", "h");
    let stalled = |s: &Stage, kind, name| s.condition_of(kind, name, "Stalled").1 == "GuardTripped";
    stage.until("both are held up", |s| stalled(s, "Toy", "a") && stalled(s, "ToySet", "h")).await;
    let looks = stage.engine.shared.metrics.snapshot().looks;
    for kind in ["Toy", "ToySet"] {
        let tripped: Vec<_> =
            looks.keys().filter(|l| l.kind == kind && l.reason == "GuardTripped").map(|l| l.step).collect();
        assert_eq!(tripped, ["Stall"], "{kind}: a person must act, which is no wait");
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_could_not_be_counted_is_not_spent() {
    let stage = Stage::new().await;
    enabled(&stage, &["a"]).await;
    stage.emnify.fail("PATCH", 1, Fault::Forbidden);
    state()(&stage, "a", "Disabled");
    stage.until("the login is known to lack it", |s| !s.caller.lacks().is_empty()).await;
    // its turn comes while the count cannot be written
    stage.caller.guard.restore(None, clock::now());
    stage.pass(340).await;
    assert_eq!(disabled(&stage), 0, "a crash now would forget it");
    let keeper = books(&stage);
    stage.pass(60).await;
    assert_eq!(disabled(&stage), 1, "the next turn does not wait for another five minutes");
    assert!(stage.caller.lacks().is_empty(), "it is allowed by now");
    keeper.abort();
}
