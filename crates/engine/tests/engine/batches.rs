//! Calls that carry many changes: who shares one, and what becomes of the others when one is bad.

use std::{collections::BTreeSet, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::support::{Stage, emnify::Fault, named};

const BULK: &str = "POST /api/v2/endpoint/multi";
const SINGLE: &str = "POST /api/v1/endpoint";

fn name(n: usize) -> String {
    format!("t{n}")
}

fn numbered(n: usize) -> Value {
    json!({"name": name(n), "serial": format!("s{n}")})
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_together_is_made_together() {
    let stage = Stage::new().await;
    for n in 0..10 {
        stage.cluster.apply(&name(n), named(&name(n)));
    }
    for n in 0..10 {
        stage.ready(&name(n)).await;
    }
    assert_eq!(
        (stage.emnify.asked(BULK).len(), stage.emnify.asked(SINGLE).len()),
        (1, 0),
        "one call for ten"
    );
}

#[tokio::test(start_paused = true)]
async fn an_edit_does_not_wait_for_creates_that_gather() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    for n in 0..5 {
        stage.cluster.apply(&name(n), named(&name(n)));
    }
    stage.cluster.apply("a", named("b"));
    stage.until("the edit was sent", |s| s.emnify.asked("PATCH").len() == 1).await;
    assert_eq!(stage.emnify.asked(BULK).len(), 0, "the creates still gather");
}

#[tokio::test(start_paused = true)]
async fn an_edit_does_not_wait_for_an_api_server_that_is_busy_with_others() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.be_slow(Duration::from_secs(20));
    stage.cluster.apply("a", named("b"));
    stage.pass(1).await;
    assert_eq!(stage.emnify.asked("PATCH").len(), 1, "it is sent before its status is written");
    stage.ready("a").await;
    assert_eq!(stage.emnify.asked("PATCH").len(), 1, "and once");
}

#[tokio::test(start_paused = true)]
async fn an_edit_overtakes_hundreds_that_are_new() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.be_slow(Duration::from_secs(20));
    for n in 0..1_000 {
        stage.cluster.apply(&name(n), named(&name(n)));
    }
    stage.pass(1).await;
    stage.cluster.apply("a", named("b"));
    stage.pass(45).await;
    assert_eq!(
        stage.status("a", "settledGeneration"),
        2,
        "told as well, though the others wait for the API server"
    );
}

#[tokio::test(start_paused = true)]
async fn the_culprit_is_found_by_halving_and_everyone_else_is_through() {
    for some in [false, true] {
        let stage = Stage::new().await;
        if some {
            stage.emnify.make_some();
        }
        stage.emnify.refuse("t6");
        for n in 0..10 {
            stage.cluster.apply(&name(n), numbered(n));
        }
        for n in (0..10).filter(|n| *n != 6) {
            stage.ready(&name(n)).await;
        }
        stage.until("the culprit says why", |s| s.condition("t6", "Stalled").1 == "Rejected").await;
        let calls = stage.emnify.asked(BULK).len() + stage.emnify.asked(SINGLE).len();
        assert!(calls <= 9, "ten, halved until one is left: {calls}");
        assert_eq!(
            stage.emnify.devices().len(),
            9,
            "nothing twice, whether or not a refused call makes some"
        );
        for n in (0..10).filter(|n| *n != 6) {
            assert_eq!(stage.status(&name(n), "provenance"), "Created", "what a refused call made is ours");
        }
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_used_up_space_is_nobodys_fault() {
    let stage = Stage::new().await;
    stage.emnify.fail(BULK, 3, Fault::Answer(404, json!({"error_code": 1601, "message": "No IP address"})));
    for n in 0..5 {
        stage.cluster.apply(&name(n), named(&name(n)));
    }
    stage.until("they wait", |s| s.condition("t0", "Ready").1 == "NoAddressAvailable").await;
    for n in 0..5 {
        stage.ready(&name(n)).await;
    }
    let sizes: Vec<usize> = stage
        .emnify
        .asked(BULK)
        .iter()
        .map(|call| call.body["endpoints"].as_array().map_or(0, Vec::len))
        .collect();
    assert_eq!(sizes, [5, 5, 5, 5], "the call is repeated as it was, not taken apart");
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_nothing_is_written_until_the_gateway_has_given_up() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.emnify.fail(BULK, 1, Fault::LostAnswer);
    for n in 0..5 {
        stage.cluster.apply(&name(n), named(&name(n)));
    }
    stage.until("the call was made", |s| s.emnify.asked(BULK).len() == 1).await;
    stage.cluster.apply("a", named("b"));
    stage.pass(25).await;
    assert_eq!(stage.emnify.asked("PATCH").len(), 0, "the other write may still be under way");
    stage.until("then it goes on", |s| s.emnify.asked("PATCH").len() == 1).await;
    for n in 0..5 {
        stage.ready(&name(n)).await;
    }
    assert_eq!(
        (stage.emnify.devices().len(), stage.emnify.asked(BULK).len()),
        (6, 1),
        "found, not made again"
    );
}

/// Whatever goes wrong, in whatever order: every good object is made exactly once and every bad one says so.
#[tokio::test(start_paused = true)]
async fn faults_in_any_order_make_nothing_twice_and_lose_nothing() {
    for seed in 0..25 {
        let mut rng = StdRng::seed_from_u64(seed);
        let stage = Stage::new().await;
        if rng.random_bool(0.5) {
            stage.emnify.make_some();
        }
        let count = rng.random_range(5..40);
        let bad: BTreeSet<usize> = (0..count).filter(|_| rng.random_bool(0.08)).collect();
        for n in &bad {
            stage.emnify.refuse(&name(*n));
        }
        for _ in 0..rng.random_range(0..6) {
            let what = [BULK, BULK, SINGLE, "GET /api/v1/endpoint"][rng.random_range(0..4)];
            stage.emnify.fail(what, rng.random_range(1..3), fault(&mut rng));
        }
        for n in 0..count {
            stage.cluster.apply(&name(n), numbered(n));
            if rng.random_bool(0.1) {
                stage.pass(rng.random_range(0..4)).await;
            }
        }
        let done = |s: &Stage, n: usize| {
            if bad.contains(&n) {
                s.condition(&name(n), "Stalled").1 == "Rejected"
            } else {
                s.condition(&name(n), "Ready").0 == "True"
            }
        };
        for n in 0..count {
            stage.until(&format!("seed {seed}: {} is done (bad: {bad:?})", name(n)), |s| done(s, n)).await;
        }
        let serials: Vec<String> = stage.emnify.devices().iter().map(|d| d["imei"].to_string()).collect();
        let unique: BTreeSet<&String> = serials.iter().collect();
        assert_eq!((serials.len(), unique.len()), (count - bad.len(), serials.len()), "seed {seed}");
        stage.stop().await;
    }
}

fn fault(rng: &mut StdRng) -> Fault {
    match rng.random_range(0..5) {
        0 => Fault::LostAnswer,
        1 => Fault::Slow(Duration::from_secs(rng.random_range(1..20))),
        2 => Fault::Answer(503, json!({"message": "busy"})),
        3 => Fault::Answer(429, json!({"message": "too many"})),
        _ => Fault::Answer(404, json!({"error_code": 1601, "message": "No IP address"})),
    }
}
