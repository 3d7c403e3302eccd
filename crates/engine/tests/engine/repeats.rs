//! Nothing is repeated without a pause, whatever fails and whoever asks for more.

use std::time::Duration;

use emnify_engine::{kind::reason, session::chance};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Stage, emnify::Fault, named};

fn error(code: i64, message: &str) -> Value {
    json!({"error_code": code, "message": message})
}

/// One answer for each variant of `emnify::Error`; the last is no error where nothing is decoded, and changes nothing.
fn answers() -> Vec<(&'static str, Fault)> {
    vec![
        ("rejected", Fault::Answer(422, error(1400, "no"))),
        ("forbidden", Fault::Answer(403, error(1104, "no"))),
        ("not found", Fault::Answer(404, error(1201, "EndpointNotFound"))),
        ("capacity", Fault::Answer(404, error(1601, "No IP address available"))),
        ("conflict", Fault::Answer(409, error(1403, "conflict"))),
        ("unauthorized", Fault::Answer(401, error(1, "no"))),
        ("throttled", Fault::Answer(429, error(0, "slow down"))),
        ("ambiguous", Fault::Answer(504, json!({"message": "Endpoint request timed out"}))),
        ("unavailable", Fault::Answer(500, error(0, "broken"))),
        ("unreadable", Fault::Answer(200, json!({"id": "x", "volume": "many"}))),
    ]
}

const OBJECT: &str = "/api/v1/endpoint/1";

/// A step that asks something of emnify: what brings it about, and the request that fails from then on.
struct Asks {
    name: &'static str,
    request: &'static str,
    begin: fn(&Stage),
}

/// The steps of an object that is there and in step.
const OF_A_TOY: &[Asks] = &[
    Asks { name: "read", request: "GET /api/v1/endpoint/1", begin: |s| s.emnify.event(1, 99, 1, 0) },
    Asks {
        name: "read of a piece",
        request: "GET /api/v2/endpoint/1/tags",
        begin: |s| s.cluster.apply("a", json!({"name": "a", "tag": 5})),
    },
    Asks { name: "create", request: "POST /api/v1/endpoint", begin: |s| s.cluster.apply("b", named("b")) },
    Asks { name: "change", request: "PATCH /api/v1/endpoint/1", begin: |s| s.cluster.apply("a", named("c")) },
    Asks { name: "retirement", request: "DELETE /api/v1/endpoint/1", begin: |s| s.cluster.delete("a") },
];

/// The steps of a set of one member that is there and in step.
const OF_A_HERD: &[Asks] = &[
    Asks { name: "read", request: "GET /api/v1/endpoint/1", begin: |s| s.emnify.event(1, 99, 1, 0) },
    Asks {
        name: "create",
        request: "POST /api/v1/endpoint",
        begin: |s| s.cluster.apply_a("ToySet", "h", json!({"chips": [1, 2]})),
    },
    Asks {
        name: "change",
        request: "PATCH /api/v1/endpoint/1",
        begin: |s| s.cluster.apply_a("ToySet", "h", json!({"chips": [1], "prefix": "other"})),
    },
    Asks {
        name: "retirement",
        request: "DELETE /api/v1/endpoint/1",
        begin: |s| s.cluster.delete_a("ToySet", "h"),
    },
];

/// Requests in the first minute and in the first hour.
async fn count(stage: &Stage, asks: &Asks, fault: Fault) -> (usize, usize) {
    let asked = || stage.emnify.asked(asks.request).len();
    let before = asked();
    stage.emnify.fail(asks.request, u32::MAX, fault);
    (asks.begin)(stage);
    stage.until(&format!("the {} is tried", asks.name), |_| asked() > before).await;
    stage.pass(60).await;
    let minute = asked() - before;
    stage.pass(3_540).await;
    (minute, asked() - before)
}

fn check(whose: &str, asks: &Asks, what: &str, (minute, hour): (usize, usize)) {
    assert!(minute <= 7, "{what}, {} of a {whose}: {minute} requests in the first minute", asks.name);
    assert!(hour <= 60, "{what}, {} of a {whose}: {hour} requests in the first hour", asks.name);
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_for_an_object_is_tried_ever_more_rarely() {
    for asks in OF_A_TOY {
        for (what, fault) in answers() {
            let stage = Stage::new().await;
            stage.cluster.apply("a", named("a"));
            stage.ready("a").await;
            stage.pass(40).await;
            check("toy", asks, what, count(&stage, asks, fault).await);
            stage.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_for_a_set_is_tried_ever_more_rarely() {
    for asks in OF_A_HERD {
        for (what, fault) in answers() {
            let stage = Stage::new().await;
            stage.emnify.stock(1..=2);
            stage.cluster.apply_a("ToySet", "h", json!({"chips": [1]}));
            stage
                .until("it is Ready", |s| s.condition_of("ToySet", "h", "Ready").1 == reason::UP_TO_DATE)
                .await;
            stage.pass(40).await;
            check("set", asks, what, count(&stage, asks, fault).await);
            stage.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_asked_for_is_not_hammered() {
    let asks = Asks {
        name: "listing",
        request: "GET /api/v1/sim",
        begin: |s| s.cluster.annotate_a("Chip", "c", "emnify.io/refresh", "1"),
    };
    let mut all = answers();
    all.push(("moved", Fault::WrongTotal));
    for (what, fault) in all {
        let stage = Stage::new().await;
        stage.emnify.stock(1..=1);
        stage.cluster.apply_a("Chip", "c", json!({"id": "1"}));
        stage.until("it is Ready", |s| s.condition_of("Chip", "c", "Ready").1 == reason::UP_TO_DATE).await;
        check("chip", &asks, what, count(&stage, &asks, fault).await);
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_deletion_is_told_and_tried_again_rarely() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.emnify.fail(&format!("DELETE {OBJECT}"), 3, Fault::Answer(403, error(1104, "not allowed")));
    stage.cluster.delete("a");
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "Rejected").await;
    let reads = stage.emnify.asked(&format!("GET {OBJECT}")).len();
    stage.pass(500).await;
    let deletes = || stage.emnify.asked("DELETE").len();
    assert_eq!(deletes(), 1, "what emnify refused is not sent again at once");
    assert!(
        stage.emnify.asked(&format!("GET {OBJECT}")).len() > reads,
        "its row may be old, and is read anew"
    );
    assert_eq!(stage.condition("a", "Stalled").1, "Rejected", "a person has to act");
    assert!(
        stage.cluster.events().iter().any(|(r, note)| r == "Rejected" && note.contains("not allowed")),
        "emnify's words"
    );
    stage.cluster.annotate("a", "emnify.io/refresh", "1");
    stage.until("a refresh tries it at once", |_| deletes() == 2).await;
    stage.pass(60).await;
    assert_eq!(deletes(), 2, "and once");
    stage.until("the slow net tries it too", |_| deletes() == 3).await;
    stage.pass(1_500).await;
    stage.until("until it works", |s| s.cluster.toy("a").is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_deletion_of_a_set_is_told_and_tried_again_rarely() {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=1);
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [1]}));
    stage.until("it is Ready", |s| s.condition_of("ToySet", "h", "Ready").1 == reason::UP_TO_DATE).await;
    stage.emnify.fail(&format!("DELETE {OBJECT}"), 2, Fault::Answer(403, error(1104, "not allowed")));
    stage.cluster.delete_a("ToySet", "h");
    stage.until("it stalls", |s| s.condition_of("ToySet", "h", "Stalled").1 == "Rejected").await;
    stage.pass(500).await;
    assert_eq!(stage.emnify.asked("DELETE").len(), 1, "what emnify refused is not sent again at once");
    stage.pass(1_500).await;
    stage.until("it heals by itself", |s| s.cluster.object("ToySet", "h").is_none()).await;
    assert_eq!(stage.emnify.asked("DELETE").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_heals_by_itself_also_after_a_restart() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 2, Fault::Answer(422, error(1400, "the SIM is taken")));
    stage.cluster.apply("a", named("a"));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "Rejected").await;
    let creates = |s: &Stage| s.emnify.asked("POST /api/v1/endpoint").len();
    stage.pass(60).await;
    let stage = stage.restart().await;
    stage.pass(400).await;
    assert_eq!(creates(&stage), 1, "a restart forgets no refusal");
    stage.until("it is tried after ten minutes", |s| creates(s) == 2).await;
    stage.pass(10).await;
    assert_eq!(stage.condition("a", "Stalled").1, "Rejected", "and refused again");
    stage.pass(900).await;
    assert_eq!(creates(&stage), 2, "twice as long a pause");
    stage.ready("a").await;
    assert!(stage.status("a", "rejected").is_null());
}

#[tokio::test(start_paused = true)]
async fn a_refused_member_heals_by_itself() {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=1);
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Answer(422, error(1400, "the SIM is taken")));
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [1]}));
    stage.until("it stalls", |s| s.condition_of("ToySet", "h", "Stalled").1 == "Rejected").await;
    stage.pass(500).await;
    assert_eq!(stage.emnify.asked("POST /api/v1/endpoint").len(), 1);
    stage.until("it is Ready", |s| s.condition_of("ToySet", "h", "Ready").1 == reason::UP_TO_DATE).await;
}

/// The name is trimmed, or the request is answered and nothing happens.
#[tokio::test(start_paused = true)]
async fn a_correction_that_does_not_stay_is_told_and_sent_rarely() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let patch = format!("PATCH {OBJECT}");
    stage.emnify.fail(&patch, 4, Fault::Answer(204, Value::Null));
    stage.cluster.apply("a", named("a "));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "NotTaken").await;
    let toy = stage.cluster.toy("a").unwrap();
    let ready =
        toy["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "Ready").unwrap();
    let message = ready["message"].as_str().unwrap();
    assert!(
        message.contains("name") && message.contains("\"a \"") && message.contains("\"a\""),
        "field, sent and seen value: {message}"
    );
    let sent = || stage.emnify.asked(&patch).len();
    assert_eq!(sent(), 3);
    stage.pass(200).await;
    assert_eq!(sent(), 3, "it is not sent for ever");
    stage.until("the slow net tries it", |_| sent() == 4).await;
    stage.until("it was undone again", |s| s.condition("a", "Stalled").1 == "NotTaken").await;
    stage.cluster.apply("a", named("b"));
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices()[0]["name"], "b", "an edit is tried at once");
}

#[tokio::test(start_paused = true)]
async fn a_correction_of_a_member_that_does_not_stay_is_told_and_sent_rarely() {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=1);
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [1]}));
    stage.until("it is Ready", |s| s.condition_of("ToySet", "h", "Ready").1 == reason::UP_TO_DATE).await;
    let patch = format!("PATCH {OBJECT}");
    let before = stage.emnify.asked(&patch).len();
    let sent = |s: &Stage| s.emnify.asked(&patch).len() - before;
    stage.emnify.fail(&patch, 3, Fault::Answer(204, Value::Null));
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [1], "prefix": "other"}));
    stage.until("it stalls", |s| s.condition_of("ToySet", "h", "Stalled").1 == "NotTaken").await;
    assert_eq!(sent(&stage), 3, "three times");
    stage.pass(100).await;
    assert_eq!(sent(&stage), 3, "it is not sent for ever");
    stage.until("the slow net tries it", |s| sent(s) == 4).await;
    stage.until("it is Ready", |s| s.condition_of("ToySet", "h", "Ready").1 == reason::UP_TO_DATE).await;
}

#[tokio::test(start_paused = true)]
async fn drift_that_comes_back_now_and_then_is_corrected_for_ever() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    for _ in 0..5 {
        stage.pass(2_400).await;
        stage.emnify.edit(1, "name", json!("portal"));
        stage.until("it is corrected", |s| s.emnify.devices()[0]["name"] == "a").await;
    }
}

/// Seconds before what conflicts is tried for the second time.
const FIRST: i32 = 3;

/// How far the pauses between failed requests are from doubling exactly, in parts of a pause.
async fn spread(stage: &Stage, request: &str) -> f64 {
    let (mut times, before) = (Vec::new(), stage.emnify.asked(request).len());
    while times.len() < 8 {
        if stage.emnify.asked(request).len() > before + times.len() {
            times.push(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pauses = times.windows(2).map(|two| two[1].duration_since(two[0]).as_secs_f64());
    // of short ones, what else takes time is a large part
    let off = pauses.zip(0..).skip(3).map(|(pause, n)| (pause / f64::from(FIRST << n) - 1.0).abs());
    off.fold(0.0, f64::max)
}

#[tokio::test(start_paused = true)]
async fn no_two_who_failed_together_come_back_in_one_instant() {
    let request = "PATCH /api/v1/endpoint/1";
    for set in [false, true] {
        let stage = Stage::new().await;
        stage.emnify.stock(1..=1);
        let (kind, before, after) = if set {
            ("ToySet", json!({"chips": [1]}), json!({"chips": [1], "prefix": "other"}))
        } else {
            ("Toy", named("a"), named("b"))
        };
        stage.cluster.apply_a(kind, "a", before);
        stage.until("it is Ready", |s| s.condition_of(kind, "a", "Ready").1 == reason::UP_TO_DATE).await;
        chance::follow(7);
        stage.emnify.fail(request, u32::MAX, Fault::Answer(409, error(1403, "conflict")));
        stage.cluster.apply_a(kind, "a", after);
        let spread = spread(&stage, request).await;
        assert!((0.05..0.25).contains(&spread), "{kind}: pauses are a fifth longer or shorter: {spread}");
        stage.stop().await;
    }
}
