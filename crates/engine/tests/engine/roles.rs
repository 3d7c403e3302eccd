//! A login that works and may not do everything: told once, tried rarely, and nothing else waits for it.

use serde_json::json;

use crate::support::{Stage, emnify::Fault, named};

const MANY: u32 = u32::MAX;

#[tokio::test(start_paused = true)]
async fn what_a_role_does_not_allow_is_told_once_and_tried_by_one_for_all() {
    let stage = Stage::new().await;
    stage.cluster.apply("ready", named("ready"));
    stage.ready("ready").await;
    stage.emnify.fail("POST", MANY, Fault::Forbidden);
    for n in 0..200 {
        let name = format!("n{n}");
        stage.cluster.apply(&name, named(&name));
    }
    stage.until("the login is known to lack it", |s| !s.caller.lacks().is_empty()).await;
    let posts = || stage.emnify.asked("POST").len();
    assert_eq!(
        stage.caller.lacks(),
        ["create Toy (not authorised by emnify (403): no)"],
        "the Workspace has one thing to tell"
    );
    stage.pass(3_600).await;
    assert!(posts() <= 20, "200 objects wait an hour with {} requests", posts());
    let (status, reason) = stage.condition("n7", "Ready");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Unauthorized"));
    assert_eq!(stage.condition("n7", "Stalled").0, "", "there is nothing to mend on the object");
    stage.emnify.edit(1, "name", json!("portal"));
    stage.until("other changes go on", |s| s.emnify.device(1)["name"] == "ready").await;

    stage.emnify.heal();
    stage.until("all of them are there", |s| s.emnify.devices().len() == 201).await;
    assert!(stage.caller.lacks().is_empty(), "and nothing is told any more");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_403_in_emnifys_words_is_the_logins_once_three_objects_met_it() {
    let stage = Stage::new().await;
    let refusal = json!({"error_code": 1104, "message": "Forbidden"});
    stage.emnify.fail("POST", MANY, Fault::Answer(403, refusal));
    for n in 0..2 {
        let name = format!("n{n}");
        stage.cluster.apply(&name, named(&name));
        stage.until("it stalls", |s| s.condition(&name, "Stalled").1 == "Rejected").await;
    }
    assert!(stage.caller.lacks().is_empty(), "two objects may be at fault themselves");
    for n in 2..200 {
        let name = format!("n{n}");
        stage.cluster.apply(&name, named(&name));
    }
    stage.until("it is about the login", |s| !s.caller.lacks().is_empty()).await;
    stage.pass(3_600).await;
    let posts = stage.emnify.asked("POST").len();
    // how many depends on how far pauses are spread; nothing is asked more often than this in an hour
    assert!(posts <= 60, "200 objects wait an hour with {posts} requests");
    stage.emnify.heal();
    stage.until("all of them are there", |s| s.emnify.devices().len() == 200).await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_set_waits_for_its_login_as_an_object_does() {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=20);
    stage.emnify.fail("POST", MANY, Fault::Forbidden);
    stage.cluster.apply_a("ToySet", "h", json!({"chips": (1..=20).collect::<Vec<_>>()}));
    stage.until("the login is known to lack it", |s| !s.caller.lacks().is_empty()).await;
    stage.pass(3_600).await;
    let posts = stage.emnify.asked("POST").len();
    assert!(posts <= 15, "{posts} requests in an hour");
    assert_eq!(stage.condition_of("ToySet", "h", "Ready").1, "Unauthorized");
    stage.emnify.heal();
    stage.until("its members are there", |s| s.emnify.devices().len() == 20).await;
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_the_login_may_not_read_holds_up_no_edit_of_what_is_known() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.emnify.fail("GET /api/v1/endpoint", MANY, Fault::Forbidden);
    stage.until("it is told", |s| s.caller.lacks().iter().any(|l| l.starts_with("list Toy"))).await;
    assert!(stage.caller.works(), "the login itself is fine");
    stage.cluster.apply("a", named("b"));
    stage.until("what is known can be changed", |s| s.emnify.device(1)["name"] == "b").await;
    stage.emnify.heal();
    stage.until("it is told no more", |s| s.caller.lacks().is_empty()).await;
    stage.stop().await;
}
