//! What emnify does after its answer: objects that it is still setting up, that it gave up, and changes that it carries out
//! later.

use serde_json::{Value, json};

use crate::support::{
    Stage,
    emnify::Fault,
    named,
    toy::{DELETES_LATER, GIVEN_UP, GOING, SLOW, STARTING},
};

/// A toy that emnify is still setting up.
async fn being_set_up() -> Stage {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.emnify.edit(1, "status", json!({"id": STARTING}));
    stage.until("it is waited for", |s| s.condition("a", "Reconciling").1 == "Provisioning").await;
    stage.cluster.apply("a", named("b"));
    stage.until("the edit is sent", |s| s.emnify.device(1)["name"] == "b").await;
    stage.until("and waited for", |s| s.condition("a", "Reconciling").1 == "Provisioning").await;
    stage
}

fn reads(stage: &Stage) -> usize {
    stage.emnify.asked("GET /api/v1/endpoint/1").len()
}

fn renames(stage: &Stage) -> usize {
    stage.emnify.asked("PATCH /api/v1/endpoint/1").len()
}

/// A toy whose rename emnify accepted, and has not carried out.
async fn renamed() -> Stage {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named(SLOW));
    stage.ready("a").await;
    stage.emnify.fail("PATCH /api/v1/endpoint", 1, Fault::Answer(202, Value::Null));
    stage.cluster.apply("a", named("b"));
    stage.until("the change was accepted", |s| renames(s) == 1).await;
    stage
}

#[tokio::test(start_paused = true)]
async fn an_object_that_emnify_sets_up_is_read_until_it_is_done_and_is_ready_then() {
    let stage = being_set_up().await;
    let (settled, writes) = (stage.status("a", "settledGeneration"), stage.emnify.writes());
    assert_eq!(stage.condition("a", "Ready"), ("False".into(), "Provisioning".into()));
    let before = reads(&stage);
    stage.pass(100).await;
    let polls = reads(&stage) - before;
    assert!((8..=12).contains(&polls), "every ten seconds, not {polls} times in a hundred");
    assert_eq!(stage.status("a", "settledGeneration"), settled, "an edit is an edit until it is in step");
    assert_eq!(stage.emnify.writes(), writes, "a wait sends nothing");
    stage.emnify.edit(1, "status", json!({"id": 0}));
    stage.ready("a").await;
    assert_ne!(stage.status("a", "settledGeneration"), settled);
    let before = reads(&stage);
    stage.pass(100).await;
    assert_eq!(reads(&stage), before, "what is done is not asked for any more");
}

#[tokio::test(start_paused = true)]
async fn polls_go_on_after_a_restart_and_after_failed_reads() {
    let stage = being_set_up().await.restart().await;
    stage.until("it is read again", |s| reads(s) > 0).await;
    stage.emnify.fail("GET /api/v1/endpoint/1", 3, Fault::Answer(503, Value::Null));
    stage.pass(60).await;
    stage.emnify.edit(1, "status", json!({"id": 0}));
    stage.ready("a").await;
}

#[tokio::test(start_paused = true)]
async fn what_takes_hours_is_read_more_rarely() {
    let stage = being_set_up().await;
    stage.pass(4_000).await;
    let before = reads(&stage);
    stage.pass(900).await;
    let polls = reads(&stage) - before;
    assert!(
        polls <= 3,
        "every five minutes after the first hour, if no listing shows it, not {polls} times in 900 s"
    );
}

#[tokio::test(start_paused = true)]
async fn what_emnify_gave_up_is_stalled_until_emnify_says_otherwise() {
    let stage = being_set_up().await;
    stage.emnify.edit(1, "status", json!({"id": GIVEN_UP}));
    stage.until("a person must act", |s| s.condition("a", "Stalled").0 == "True").await;
    assert_eq!(stage.condition("a", "Ready"), ("False".into(), "Blocked".into()));
    assert_eq!(stage.condition("a", "Reconciling").0, "", "never both");
    stage.emnify.edit(1, "status", json!({"id": 0}));
    stage.ready("a").await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_emnify_accepted_is_sent_once_and_its_effect_is_looked_for() {
    let stage = renamed().await;
    stage.pass(20).await;
    let polls = reads(&stage);
    assert!((2..=5).contains(&polls), "read after 2, 5 and 10 s, not {polls} times");
    assert_eq!(renames(&stage), 1, "the same change is not sent again");
    assert_eq!(stage.condition("a", "Ready"), ("False".into(), "Progressing".into()));
    stage.emnify.edit(1, "name", json!("b"));
    stage.ready("a").await;
    assert_eq!(renames(&stage), 1);
}

#[tokio::test(start_paused = true)]
async fn another_edit_does_not_wait_for_a_change_that_was_accepted() {
    let stage = renamed().await;
    stage.cluster.apply("a", named("c"));
    stage.ready("a").await;
    assert_eq!((renames(&stage), stage.emnify.device(1)["name"].clone()), (2, json!("c")));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_carried_out_stalls_and_is_tried_rarely() {
    let stage = renamed().await;
    stage.pass(595).await;
    assert_eq!(stage.condition("a", "Stalled").0, "", "it has ten minutes");
    stage.until("a person hears of it", |s| s.condition("a", "Stalled").1 == "Unsettled").await;
    assert_eq!(renames(&stage), 1);
    stage.pass(700).await;
    stage.ready("a").await;
    assert_eq!(renames(&stage), 2, "sent once more after a while");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_sends_a_change_again_that_was_accepted() {
    let stage = renamed().await;
    stage.pass(60).await;
    stage.cluster.annotate("a", "emnify.io/refresh", "now");
    stage.ready("a").await;
    assert_eq!(renames(&stage), 2);
}

/// An object whose deletion emnify accepted and has not carried out.
async fn going() -> Stage {
    DELETES_LATER.set(true);
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.emnify.fail("DELETE /api/v1/endpoint", 1, Fault::Answer(202, Value::Null));
    stage.cluster.delete("a");
    stage.until("it was asked for", |s| s.emnify.asked("DELETE").len() == 1).await;
    stage
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_emnify_accepted_holds_the_object_until_it_is_gone() {
    let stage = going().await;
    stage.pass(10).await;
    assert!(stage.cluster.toy("a").is_some(), "emnify still has it");
    assert_eq!(stage.condition("a", "Ready"), ("False".into(), "Deleting".into()));
    stage.emnify.remove(1);
    let started = tokio::time::Instant::now();
    stage.until("it is gone", |s| s.cluster.toy("a").is_none()).await;
    assert!(started.elapsed().as_secs() <= 15, "one answer is proof after our own deletion");
    assert_eq!(stage.emnify.asked("DELETE").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_emnify_takes_down_is_waited_for_however_long_that_takes() {
    let stage = going().await;
    stage.emnify.edit(1, "status", json!({"id": GOING}));
    let stage = stage.restart().await;
    stage.pass(4_000).await;
    assert_eq!(stage.condition("a", "Ready"), ("False".into(), "Deleting".into()));
    assert_eq!(stage.condition("a", "Stalled").0, "", "it is no matter of a person");
    assert_eq!(stage.emnify.asked("DELETE").len(), 1, "the next process does not ask once more");
    stage.emnify.remove(1);
    stage.until("it is gone", |s| s.cluster.toy("a").is_none()).await;
    assert_eq!(stage.emnify.asked("DELETE").len(), 1);
}
