//! What emnify refuses one member, and how long that is remembered.

use serde_json::json;

use super::{stocked, toy_set, with};
use crate::support::{Stage, emnify::Fault};

/// A thousand members, one of whom emnify refuses; everybody else is in step.
async fn one_of_a_thousand_is_refused() -> Stage {
    let stage = stocked(1_000).await;
    stage.emnify.refuse("toy-7");
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=1_000));
    stage.until("it stalls", |s| s.toy_set_says("Stalled", "Rejected")).await;
    stage.until("everyone else is through", |s| s.toy_set_status("ready") == 999).await;
    stage
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_repeat_what_was_refused_to_a_member() {
    let stage = one_of_a_thousand_is_refused().await;
    let said = stage.condition_of("ToySet", "h", "Stalled");
    let writes = stage.emnify.writes();
    let stage = stage.restart().await;
    stage.pass(400).await;
    assert_eq!(stage.emnify.writes(), writes, "the refused request is not sent again at once");
    assert_eq!(stage.condition_of("ToySet", "h", "Stalled"), said, "and is still told");
    assert_eq!(stage.toy_set_status("failures"), json!(["chip-7 Rejected"]), "the culprit is named");
    let heard = |s: &Stage| s.toy_set_status("refusals")[0]["tries"] == 2;
    stage.until("it is tried again, slowly", heard).await;
    assert_eq!(stage.emnify.writes(), writes + 1, "the next try counts on from the first");
}

#[tokio::test(start_paused = true)]
async fn an_edit_while_nobody_looked_is_tried_at_once() {
    let stage = one_of_a_thousand_is_refused().await;
    let writes = stage.emnify.writes();
    let stage = stage
        .restart_after(|cluster| {
            cluster.apply_a("ToySet", "h", with(toy_set(1..=1_000), "minReady", json!(1)));
        })
        .await;
    stage.until("it is tried", |s| s.emnify.writes() > writes).await;
    stage.until("and refused", |s| s.toy_set_says("Stalled", "Rejected")).await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_after_a_restart_forgets_refusals() {
    let stage = one_of_a_thousand_is_refused().await;
    let writes = stage.emnify.writes();
    let stage =
        stage.restart_after(|cluster| cluster.annotate_a("ToySet", "h", "emnify.io/refresh", "1")).await;
    stage.until("it is tried", |s| s.emnify.writes() == writes + 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_retirement_survives_a_restart() {
    let stage = stocked(3).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=3));
    stage.toy_set_ready().await;
    stage.pass(60).await;
    let no = json!({"error_code": 1104, "message": "no"});
    stage.emnify.fail("DELETE /api/v1/endpoint/3", 99, Fault::Answer(422, no));
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    stage.until("it stalls", |s| s.toy_set_says("Stalled", "Rejected")).await;
    let asked = stage.emnify.asked("DELETE").len();
    let stage = stage.restart().await;
    stage.pass(400).await;
    assert_eq!(stage.emnify.asked("DELETE").len(), asked, "a deletion is not sent again at once either");
    assert!(stage.toy_set_says("Stalled", "Rejected"), "and is still told");
}

#[tokio::test(start_paused = true)]
async fn a_status_keeps_so_many_refusals_and_no_more() {
    let stage = stocked(150).await;
    for chip in 1..=150 {
        stage.emnify.refuse(&format!("toy-{chip}"));
    }
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=150));
    stage.until("all are refused", |s| s.toy_set_says("Stalled", "Rejected")).await;
    stage.pass(20).await;
    let kept = stage.toy_set_status("refusals").as_array().map_or(0, Vec::len);
    assert_eq!(kept, emnify_engine::decide::refusals::KEPT_REFUSALS, "a status has an end");
}
