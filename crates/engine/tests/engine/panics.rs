//! A function of a kind panics: whoever owns its task hears of it, by name, and nothing is left behind.

use std::time::Duration;

use serde_json::json;

use crate::support::{Stage, named, toy::BUG};

/// A life in which every function of the kind is called.
async fn live(stage: &Stage) {
    stage.cluster.apply("a", json!({"name": "a", "tag": 5}));
    stage.pass(120).await;
    stage.emnify.event(1, 3, 1, 0);
    stage.pass(60).await;
    if !stage.emnify.devices().is_empty() {
        stage.emnify.edit(1, "name", json!("portal"));
    }
    stage.pass(120).await;
    stage.cluster.apply("a", json!({"name": "b", "tag": 6}));
    stage.pass(60).await;
    stage.cluster.delete("a");
    stage.pass(400).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_any_function_of_a_kind_ends_the_process_with_its_words() {
    for (function, task) in [
        ("inputs", "Toy"),
        ("want", "Toy"),
        ("find", "Toy"),
        ("parts", "Toy"),
        ("create", "Toy"),
        ("diff", "Toy"),
        ("retire", "Toy"),
        ("report", "Toy"),
        ("assume", "sender of organisation 42"),
        ("send", "sender of organisation 42"),
        ("read", "sender of organisation 42"),
        ("read_part", "sender of organisation 42"),
        ("keys", "sender of organisation 42"),
        ("list", "listing of Toy of organisation 42"),
        ("hear", "event log of organisation 42"),
        ("changed", "recent changes of Toy of organisation 42"),
        ("recent", "recent changes of Toy of organisation 42"),
    ] {
        let mut stage = Stage::new().await;
        BUG.set(function);
        live(&stage).await;
        let ended = stage.failed().await;
        BUG.set("");
        let panic = ended.panic.as_deref().unwrap_or_default();
        let words = format!("{function} met a row that it did not expect");
        assert!(panic.contains(&words), "{function}: what it panicked with is told: {ended}");
        assert_eq!(&*ended.task, task, "{function}: the task is named");
        stage.stop().await;
    }
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
