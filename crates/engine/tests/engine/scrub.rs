//! What no listing shows: read when it is needed, and again in slow rotation.

use emnify::Lane;
use serde_json::{Value, json};

use crate::support::Stage;

fn tagged(n: usize) -> Value {
    json!({"name": format!("t{n}"), "tag": 5})
}

/// Reads of the piece that no listing shows.
fn reads(stage: &Stage) -> usize {
    stage.emnify.asked("GET /api/v2/endpoint/").iter().filter(|asked| asked.what.ends_with("/tags")).count()
}

/// Requests in the lane of the rotation.
fn turns(stage: &Stage) -> u64 {
    let counts = stage.caller.client.limits().counters().snapshot();
    counts.iter().filter(|(key, _)| key.lane == Lane::Scrub).map(|(_, count)| count.requests).sum()
}

/// A process with so many toys that have a piece each, all in step.
async fn stage(toys: usize) -> Stage {
    let stage = Stage::new().await;
    for n in 0..toys {
        stage.cluster.apply(&format!("t{n}"), tagged(n));
    }
    for n in 0..toys {
        stage.ready(&format!("t{n}")).await;
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn a_piece_is_read_at_once_when_it_is_needed_and_then_once_an_hour() {
    let stage = stage(4).await;
    let first = reads(&stage);
    assert!((4..=8).contains(&first), "each before its first comparison: {first}");
    assert_eq!(turns(&stage), 0, "which is no matter of the rotation");
    stage.pass(3_000).await;
    assert_eq!(reads(&stage), first, "then they are left alone for as long as the kind says");
    stage.pass(4 * 3_600 - 3_000).await;
    let again = reads(&stage) - first;
    assert!((12..=16).contains(&again), "four pieces, read about once an hour for four hours: {again}");
    assert_eq!(turns(&stage), again as u64, "all of it in the lane that everybody else goes before");
    let before = reads(&stage);
    stage.cluster.annotate("t0", "emnify.io/refresh", "now");
    stage.until("what a person asks for is read at once", |s| reads(s) > before).await;
}

#[tokio::test(start_paused = true)]
async fn many_pieces_take_turns_one_at_a_time_within_the_share() {
    let stage = stage(100).await;
    let snapshot = stage.session.scrub.snapshot();
    assert_eq!((snapshot.pieces, snapshot.rotation.as_secs()), (100, 5_000), "100 pieces, 50 seconds each");
    let (started, first) = (tokio::time::Instant::now(), turns(&stage));
    while started.elapsed().as_secs() < 8_600 {
        let waiting = stage.session.queue.len(Lane::Scrub);
        assert!(waiting <= 1, "the next is picked when the budget allows one, {waiting} wait");
        stage.pass(10).await;
    }
    let read = turns(&stage) - first;
    assert!((100..=112).contains(&read), "0.02 requests a second, and what was saved up: {read}");
    let mut devices: Vec<String> =
        stage.emnify.asked("GET /api/v2/endpoint/").into_iter().map(|asked| asked.what).collect();
    devices.retain(|what| what.ends_with("/tags"));
    let mut last: Vec<String> = devices.split_off(devices.len() - usize::try_from(read).unwrap());
    last.truncate(100);
    last.sort();
    last.dedup();
    assert_eq!(last.len(), 100, "everybody has had a turn before anybody has a second one");
}

#[tokio::test(start_paused = true)]
async fn a_restart_reads_listings_and_leaves_the_rest_to_the_rotation() {
    let stage = stage(50).await.restart().await;
    let before = reads(&stage);
    stage.pass(5).await;
    assert_eq!(reads(&stage), before, "fifty objects in step cost no read each");
    stage.emnify.edit(7, "name", json!("changed in the portal"));
    let renamed = |s: &Stage| s.emnify.devices()[6]["name"] != "changed in the portal";
    stage.until("what a listing shows is corrected as ever", renamed).await;
    let tags = stage.emnify.asked("POST /api/v2/endpoint/").len();
    stage.cluster.apply("t3", json!({"name": "t3", "tag": 6}));
    stage
        .until("an edit reads what it needs", |s| s.emnify.asked("POST /api/v2/endpoint/").len() > tags)
        .await;
    let read = reads(&stage);
    stage.cluster.annotate("t4", "emnify.io/refresh", "now");
    stage.until("and so does a person", |s| reads(s) > read).await;
    stage.pass(3_600).await;
    assert!(reads(&stage) >= before + 50, "in the end everybody had a turn");
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_leaves_the_rotation() {
    let stage = stage(2).await;
    assert_eq!(stage.session.scrub.snapshot().pieces, 2);
    stage.cluster.delete("t0");
    stage.until("it is gone", |s| s.cluster.toy("t0").is_none()).await;
    assert_eq!(stage.session.scrub.snapshot().pieces, 1);
    stage.cluster.apply("t1", json!({"name": "t1"}));
    stage.until("nothing is left to read", |s| s.session.scrub.snapshot().pieces == 0).await;
}
