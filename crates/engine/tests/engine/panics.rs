//! A function of a kind panics: whoever owns its task hears of it, by name, and nothing is left behind.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use emnify::wire::event::Record;
use serde_json::json;

use crate::support::{Stage, emnify::Fault, named, toy::BUG};

/// A life in which every function of the kind is called.
async fn live(stage: &Stage) {
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::LostAnswer);
    stage.cluster.apply("a", json!({"name": "a", "tag": 5}));
    stage.pass(240).await;
    stage.emnify.event(1, 3, 1, 0);
    stage.emnify.event(2, 11, 1, 0);
    stage.pass(60).await;
    stage.emnify.event(3, 4, 1, 0);
    stage.pass(60).await;
    scraped_and_pushed(stage);
    if !stage.emnify.devices().is_empty() {
        stage.emnify.edit(1, "name", json!("portal"));
    }
    stage.pass(120).await;
    stage.cluster.apply("a", json!({"name": "b", "tag": 6}));
    stage.pass(60).await;
    let busy = json!({"error_code": 1407, "message": "in use"});
    stage.emnify.fail("DELETE /api/v1/endpoint", 1, Fault::Answer(409, busy));
    stage.cluster.delete("a");
    stage.pass(400).await;
}

/// What comes in from outside, within tasks of servers that would swallow a panic.
fn scraped_and_pushed(stage: &Stage) {
    let shared = &stage.engine.shared;
    let record = Record { organisation: Some(42), endpoint: Some(1), ..Record::default() };
    let within = |task, what: &dyn Fn()| {
        let done = catch_unwind(AssertUnwindSafe(|| shared.tasks.within(task, what)));
        assert!(done.is_ok() || !BUG.get().is_empty(), "{task}: nothing panics by itself");
    };
    within("metrics", &|| drop(stage.engine.session(&stage.session)));
    within("push receiver", &|| shared.on_records(&[record]));
}

/// The same of a set: members that are made, adopted, refused, released and retired, and a set that cannot be read.
async fn live_together(stage: &Stage) {
    stage.emnify.stock(1..=6);
    stage
        .emnify
        .add(json!({"name": "old", "imei": "2", "status": {"id": 0}, "created": "2020-01-01T00:00:00Z"}));
    stage.emnify.refuse("toy-5");
    let toy_set = |chips: &[i64]| json!({"chips": chips, "adoptionPolicy": "IfUnowned", "perMinute": 99});
    stage.cluster.apply_a("ToySet", "h", toy_set(&[1, 2, 3, 5]));
    stage.pass(300).await;
    stage.emnify.event(1, 11, 2, 0);
    stage.pass(60).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(&[3]));
    stage.pass(120).await;
    stage.cluster.apply_a("ToySet", "h", json!({"chips": "many"}));
    stage.pass(60).await;
    stage.cluster.delete_a("ToySet", "h");
    stage.pass(400).await;
}

/// What is told instead of the panic of the function in this task, or one of these: whoever comes first.
async fn ends(mut stage: Stage, function: &str, tasks: &str) -> Option<String> {
    let failed = tokio::time::timeout(Duration::from_secs(1), stage.failed()).await;
    BUG.set("");
    stage.stop().await;
    let told = failed.map_or_else(|_| format!("{function}: nothing"), |ended| ended.to_string());
    let expected = |task| told == format!("{task} panicked: {function} met a row that it did not expect");
    (!tasks.split('|').any(expected)).then_some(told)
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_any_function_of_a_kind_ends_the_process_with_its_words() {
    let mut told = Vec::new();
    for (function, task) in [
        ("inputs", "Toy"),
        ("want", "Toy"),
        ("find", "Toy"),
        ("parts", "Toy"),
        ("create", "Toy"),
        ("diff", "Toy"),
        ("phase", "Toy|sender of organisation 42"),
        ("likely", "Toy"),
        ("parts_to_retire", "Toy"),
        ("retire", "Toy"),
        ("report", "Toy"),
        ("assume", "sender of organisation 42"),
        ("send", "sender of organisation 42"),
        ("read", "sender of organisation 42"),
        ("read_part", "sender of organisation 42"),
        ("keys", "listing of Toy of organisation 42"),
        ("mark", "listing of Toy of organisation 42"),
        ("created", "Toy"),
        ("gone", "Toy|metrics|push receiver|event log of organisation 42"),
        ("uses", "Toy|sender of organisation 42"),
        ("output", "Toy"),
        ("alert", "event log of organisation 42"),
        ("follow", "event log of organisation 42"),
        ("concerns", "push receiver"),
        ("census", "metrics"),
        ("list", "listing of Toy of organisation 42"),
        ("hear", "event log of organisation 42"),
        ("changed", "recent changes of Toy of organisation 42"),
        ("recent", "recent changes of Toy of organisation 42"),
    ] {
        let stage = Stage::new().await;
        BUG.set(function);
        live(&stage).await;
        told.extend(ends(stage, function, task).await);
    }
    assert!(told.is_empty(), "what it panicked with is told, and the task is named: {told:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_any_function_of_a_set_ends_the_process_with_its_words() {
    let mut told = Vec::new();
    for (function, task) in [
        ("ToySet::inputs", "ToySet"),
        ("ToySet::base", "ToySet"),
        ("ToySet::member", "ToySet"),
        ("ToySet::text", "ToySet"),
        ("ToySet::choose", "ToySet"),
        ("ToySet::rollout", "ToySet"),
        ("ToySet::key", "ToySet"),
        ("ToySet::holds", "ToySet|sender of organisation 42"),
        ("ToySet::called", "sender of organisation 42"),
        ("ToySet::marks", "ToySet|sender of organisation 42"),
        ("ToySet::memory", "ToySet"),
        ("ToySet::release", "ToySet|sender of organisation 42"),
        ("ToySet::count", "ToySet"),
        ("ToySet::activated", "ToySet"),
        ("ToySet::keep_activated", "ToySet"),
        ("ToySet::refused", "ToySet"),
        ("ToySet::keep_refused", "ToySet"),
        ("ToySet::report", "ToySet"),
        ("ToySet::salvage", "ToySet"),
    ] {
        let stage = Stage::new().await;
        BUG.set(function);
        live_together(&stage).await;
        told.extend(ends(stage, function, task).await);
    }
    assert!(told.is_empty(), "what it panicked with is told, and the task is named: {told:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_panics_keeps_neither_its_object_nor_its_group() {
    let mut stage = Stage::new().await;
    BUG.set("send");
    stage.cluster.apply("a", named("a"));
    let told = stage.failed().await.to_string();
    assert_eq!(told, "sender of organisation 42 panicked: send met a row that it did not expect");
    BUG.set("");
    // in a test panics unwind and nobody ends the process: whoever is left can go on
    stage.cluster.apply("b", named("b"));
    stage.ready("b").await;
    let stop = tokio::time::timeout(Duration::from_secs(60), stage.engine.drained());
    assert!(stop.await.is_ok(), "no turn is under way for ever");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_stopped_session_end_without_a_word() {
    let mut stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.session.stop();
    let failed = tokio::time::timeout(Duration::from_secs(600), stage.failed()).await;
    assert!(failed.is_err(), "it was asked to: {failed:?}");
    stage.stop().await;
}
