//! What emnify refuses, and who is told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Stage, emnify::Fault, named};

fn error(code: i64, message: &str) -> Value {
    json!({"error_code": code, "message": message})
}

#[tokio::test(start_paused = true)]
async fn a_refused_account_is_told_to_the_session_and_not_to_objects() {
    for status in [401, 403] {
        let stage = Stage::new().await;
        stage.cluster.apply("a", named("a"));
        stage.ready("a").await;
        let refusals = stage.caller.refusals();
        stage.emnify.fail("GET /api/v1/endpoint", 2, Fault::Answer(status, error(1, "no")));
        stage.emnify.edit(1, "name", json!("portal"));
        let heard = |s: &Stage| refusals.borrow().is_some() || !s.caller.lacks().is_empty();
        stage.until("the session hears of it", heard).await;
        assert_eq!(
            stage.condition("a", "Ready"),
            ("True".into(), "UpToDate".into()),
            "{status}: the object is fine"
        );
        assert!(
            stage.cluster.events().iter().all(|(reason, _)| reason != "Unauthorized"),
            "{status}: told once"
        );
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_address_is_a_wait_with_growing_pauses() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 6, Fault::Answer(404, error(1601, "No IP address available")));
    stage.cluster.apply("a", named("a"));
    stage.until("it waits", |s| s.condition("a", "Ready").1 == "NoAddressAvailable").await;
    assert_eq!(stage.condition("a", "Reconciling").0, "True", "a wait, not a stall");
    stage.pass(30).await;
    let tried = stage.emnify.asked("POST /api/v1/endpoint").len();
    assert!((3..=6).contains(&tried), "1 s, 2 s, 4 s, 8 s: {tried} tries in 30 s");
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_refused_request_is_not_sent_again_at_once() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 9, Fault::Answer(422, error(1400, "name is taken")));
    stage.cluster.apply("a", named("a"));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "Rejected").await;
    stage.pass(500).await;
    assert_eq!(stage.emnify.asked("POST /api/v1/endpoint").len(), 1);
    assert!(
        stage.cluster.events().iter().any(|(r, note)| r == "Rejected" && note.contains("name is taken")),
        "emnify's words"
    );
    stage.cluster.apply("a", named("b"));
    stage.until("an edit is tried", |s| s.emnify.asked("POST /api/v1/endpoint").len() == 2).await;
    stage.cluster.annotate("a", "emnify.io/refresh", "1");
    stage.until("so is a refresh", |s| s.emnify.asked("POST /api/v1/endpoint").len() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_repeat_what_was_refused() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 99, Fault::Answer(422, error(1400, "name is taken")));
    stage.cluster.apply("a", named("a"));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "Rejected").await;
    let stage = stage.restart().await;
    stage.pass(400).await;
    assert_eq!(stage.emnify.asked("POST /api/v1/endpoint").len(), 1, "not sent again at once");
    stage.until("it is tried again, slowly", |s| s.status("a", "rejected")["tries"] == 2).await;
    let stage = stage.restart_after(|cluster| cluster.apply("a", named("b"))).await;
    stage.until("an edit is tried", |s| s.emnify.asked("POST /api/v1/endpoint").len() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn one_bad_item_of_a_bulk_call_holds_up_nobody_else() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Slow(Duration::from_secs(5)));
    stage.emnify.fail("POST /api/v2/endpoint/multi", 1, Fault::Answer(422, error(1400, "one is bad")));
    for i in 0..5 {
        stage.cluster.apply(&format!("t{i}"), named(&format!("t{i}")));
    }
    for i in 0..5 {
        stage.ready(&format!("t{i}")).await;
    }
    assert_eq!(stage.emnify.devices().len(), 5, "each went alone after that");
}

#[tokio::test(start_paused = true)]
async fn creates_share_calls() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Slow(Duration::from_secs(5)));
    for i in 0..8 {
        stage.cluster.apply(&format!("t{i}"), named(&format!("t{i}")));
    }
    for i in 0..8 {
        stage.ready(&format!("t{i}")).await;
    }
    assert_eq!(stage.emnify.devices().len(), 8);
    assert!(
        stage.emnify.asked("POST").iter().filter(|a| !a.what.contains("auth")).count() <= 3,
        "{:?}",
        stage.emnify.asked("POST")
    );
}

#[tokio::test(start_paused = true)]
async fn an_edit_overtakes_queued_creates() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    // one call at a time, and every create takes long
    stage.emnify.fail("POST", 99, Fault::Slow(Duration::from_secs(10)));
    for i in 0..40 {
        stage.cluster.apply(&format!("t{i}"), named(&format!("t{i}")));
    }
    stage.until("creates are under way", |s| s.emnify.asked("POST /api/v").len() > 2).await;
    let before = stage.emnify.asked("POST").len();
    stage.cluster.apply("a", named("edited"));
    stage.until("the edit is sent", |s| !s.emnify.asked("PATCH /api/v1/endpoint/1").is_empty()).await;
    let between = stage.emnify.asked("POST").len() - before;
    assert!(between <= 1, "only the call under way goes first, not {between}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_lowers_nothing() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.emnify.fail("PATCH", 3, Fault::Answer(500, error(0, "broken")));
    stage.pass(40).await;
    stage.emnify.edit(1, "name", json!("portal"));
    stage.until("a correction failed", |s| s.condition("a", "Synced").1 == "Unavailable").await;
    assert_eq!(stage.condition("a", "Ready").0, "True", "Ready of the current generation stays");
    stage.until("it is corrected later", |s| s.emnify.devices()[0]["name"] == "a").await;
    stage
        .until("and Synced says so", |s| s.condition("a", "Synced") == ("True".into(), "UpToDate".into()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_device_deleted_in_emnify_is_made_anew_only_when_proven_gone() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.pass(40).await;
    stage.emnify.remove(1);
    stage.until("it is made anew", |s| s.emnify.devices().len() == 1).await;
    assert!(
        !stage.emnify.asked("GET /api/v1/endpoint/1").is_empty(),
        "a missing line of a listing is only doubt"
    );
    stage.until("the new one is bound", |s| s.status("a", "id") == "2").await;
    stage.ready("a").await;
}

#[tokio::test(start_paused = true)]
async fn one_answer_that_a_device_does_not_exist_makes_no_second_one() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.pass(40).await;
    let asked = || stage.emnify.asked("GET /api/v1/endpoint/1").len();
    let before = asked();
    let reads = || asked() - before;
    stage.emnify.fail("GET /api/v1/endpoint/1", 1, Fault::Answer(404, error(1201, "EndpointNotFound")));
    stage.emnify.event(1, 99, 1, 0);
    stage.until("it is read", |_| reads() == 1).await;
    stage.pass(20).await;
    assert_eq!(reads(), 1, "the same trouble would say the same");
    assert_eq!(stage.condition("a", "Ready").0, "True", "nothing is known yet");
    stage.until("a listing or a read shows it", |s| s.condition("a", "Synced").0 == "True").await;
    stage.pass(120).await;
    assert_eq!(stage.emnify.asked("POST /api/v1/endpoint").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_answer_that_a_device_does_not_exist_lets_nothing_go() {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=1);
    stage.cluster.apply("a", named("a"));
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [1]}));
    stage.ready("a").await;
    stage.until("the set is Ready", |s| s.condition_of("ToySet", "h", "Ready").0 == "True").await;
    stage.pass(40).await;
    stage.emnify.fail("DELETE", 2, Fault::Answer(404, error(1201, "EndpointNotFound")));
    stage.cluster.delete("a");
    stage.cluster.delete_a("ToySet", "h");
    stage.until("both are told that theirs does not exist", |s| s.emnify.asked("DELETE").len() == 2).await;
    stage.pass(20).await;
    let held = |s: &Stage| s.cluster.toy("a").is_some() && s.cluster.object("ToySet", "h").is_some();
    assert!(held(&stage), "one such answer is no proof");
    assert_ne!(stage.condition_of("ToySet", "h", "Stalled").0, "True", "no person has to act");
    stage
        .until("both are gone", |s| s.cluster.toy("a").is_none() && s.cluster.object("ToySet", "h").is_none())
        .await;
    assert!(stage.emnify.devices().is_empty(), "and so are the devices");
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_moves_proves_nothing() {
    let stage = Stage::new().await;
    stage.emnify.fail("GET /api/v1/endpoint", 3, Fault::WrongTotal);
    stage.cluster.apply("a", named("a"));
    stage.until("the listing was tried", |s| s.emnify.asked("GET /api/v1/endpoint").len() == 3).await;
    assert!(
        stage.emnify.asked("POST /api/v1/endpoint").is_empty(),
        "nothing is created before absence is proven"
    );
    stage.ready("a").await;
}

#[tokio::test(start_paused = true)]
async fn two_objects_for_one_device_do_not_fight() {
    let stage = Stage::new().await;
    stage.emnify.add(json!({"name": "x", "status": {"id": 0}}));
    stage.cluster.apply("a", json!({"name": "x", "id": "1"}));
    stage.ready("a").await;
    stage.cluster.apply("b", json!({"name": "y", "id": "1"}));
    stage.until("the second stalls", |s| s.condition("b", "Stalled").1 == "OwnershipConflict").await;
    assert_eq!(stage.emnify.devices()[0]["name"], "x");
    stage.cluster.delete("a");
    stage.ready("b").await;
    assert_eq!(stage.emnify.devices()[0]["name"], "y", "whoever waited moves up");
}

#[tokio::test(start_paused = true)]
async fn being_throttled_is_nobodys_condition() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.emnify.fail("PATCH", 3, Fault::Answer(429, error(0, "slow down")));
    stage.cluster.apply("a", named("b"));
    stage
        .until("the edit arrives", |s| {
            let reason = s.condition("a", "Ready").1;
            assert_ne!(reason, "Throttled", "an account-wide problem is not told on objects");
            s.emnify.devices()[0]["name"] == "b"
        })
        .await;
    assert_eq!(stage.emnify.asked("PATCH").len(), 4, "it was tried until it worked");
    stage.ready("a").await;
}

#[tokio::test(start_paused = true)]
async fn a_bulk_call_that_met_an_outage_stays_a_bulk_call() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Slow(Duration::from_secs(5)));
    stage.emnify.fail("POST /api/v2/endpoint/multi", 1, Fault::Answer(500, error(0, "broken")));
    for i in 0..8 {
        stage.cluster.apply(&format!("t{i}"), named(&format!("t{i}")));
    }
    for i in 0..8 {
        stage.ready(&format!("t{i}")).await;
    }
    let calls = stage.emnify.asked("POST /api/v1/endpoint").len() + stage.emnify.asked("POST /api/v2").len();
    assert_eq!(stage.emnify.devices().len(), 8);
    assert!(calls <= 5, "no item was at fault, so none goes alone: {calls} calls");
}
