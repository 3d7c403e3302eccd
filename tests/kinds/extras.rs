//! What only reports need: read in its time, told in the status, and never in anybody's way.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{stage::Stage, wire::Wrong};

/// Requests whose path ends so.
fn asked(stage: &Stage, end: &str) -> usize {
    stage.wire.carried().iter().filter(|asked| asked.ends_with(end)).count()
}

fn status(stage: &Stage, kind: &str, name: &str) -> Value {
    stage.cluster.object(kind, name).unwrap()["status"].clone()
}

fn tariff(zones: &[&str], blocked: &Value) -> Value {
    let zones: Vec<_> = zones.iter().map(|zone| json!({"id": zone})).collect();
    json!({"name": "europe", "tariff": {"id": "11"}, "rateZones": zones, "operatorBlocklist": blocked})
}

fn device(number: u32) -> Value {
    json!({
        "name": "meter", "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"},
        "sim": {"iccid": format!("898830300000001000{number}")},
    })
}

const HOUR: u64 = 3_600;

#[tokio::test(start_paused = true)]
async fn countries_follow_rate_zones_and_blocked_operators() {
    let stage = Stage::new().await;
    let countries = |stage: &Stage| status(stage, "TariffProfile", "a")["countries"].clone();
    stage.cluster.apply_a("TariffProfile", "a", tariff(&["71"], &json!([])));
    stage.ready("TariffProfile", "a").await;
    stage.pass(600).await;
    assert_eq!(countries(&stage), 5, "one operator in each of five countries");
    let read = asked(&stage, "/coverage");
    stage.pass(12 * HOUR).await;
    assert_eq!(asked(&stage, "/coverage"), read, "it is not asked for again while nothing changes");

    stage.cluster.apply_a("TariffProfile", "a", tariff(&["71"], &json!([{"operator": {"id": "2035"}}])));
    stage.pass(600).await;
    assert_eq!(countries(&stage), 4, "without Germany");
    stage.cluster.apply_a("TariffProfile", "a", tariff(&["72"], &json!([])));
    stage.pass(600).await;
    assert_ne!(countries(&stage), 4, "another zone, other countries");

    let before = asked(&stage, "/coverage");
    stage.pass(26 * HOUR).await;
    let daily = asked(&stage, "/coverage") - before;
    assert!((1..=2).contains(&daily), "emnify adds networks now and then: {daily} times a day");
}

#[tokio::test(start_paused = true)]
async fn coverage_that_may_not_be_read_is_in_nobodys_way_and_tried_rarely() {
    let stage = Stage::new().await;
    stage.wire.fail(|asked| asked.path.ends_with("/coverage"), Wrong::Forbidden);
    stage.cluster.apply_a("TariffProfile", "a", tariff(&["71"], &json!([])));
    stage.ready("TariffProfile", "a").await;
    stage.pass(5 * HOUR).await;
    assert!(stage.is_ready("TariffProfile", "a"), "it is as it should be all the same");
    let tried = stage.wire.struck().len();
    assert!((1..=60).contains(&tried), "one call in five and a half minutes at most: {tried}");
    stage.cluster.apply_a("TariffProfile", "a", tariff(&["72"], &json!([])));
    stage.pass(60).await;
    assert!(stage.is_ready("TariffProfile", "a"), "an edit waits for nothing");
    stage.wire.heal();
    stage.pass(HOUR).await;
    assert!(status(&stage, "TariffProfile", "a")["countries"].is_number());
}

#[tokio::test(start_paused = true)]
async fn coverage_that_emnify_does_not_have_is_no_number_of_countries() {
    let stage = Stage::new().await;
    let none = Wrong::Answer(404, json!({"error_code": 1401, "message": "does not exist"}));
    stage.wire.fail(|asked| asked.path.ends_with("/coverage"), none);
    stage.cluster.apply_a("TariffProfile", "a", tariff(&["71"], &json!([])));
    stage.ready("TariffProfile", "a").await;
    stage.pass(HOUR).await;
    assert!(stage.is_ready("TariffProfile", "a"), "it is as it should be all the same");
    assert_eq!(status(&stage, "TariffProfile", "a")["countries"], Value::Null);
    let tried = stage.wire.struck().len();
    assert!((1..=60).contains(&tried), "{tried} times in an hour");
}

#[tokio::test(start_paused = true)]
async fn what_devices_use_is_read_only_where_it_is_asked_for_and_as_often() {
    let stage = Stage::new().await;
    for number in [1, 2] {
        stage.cluster.apply_a("Endpoint", &format!("d{number}"), device(number));
        stage.ready("Endpoint", &format!("d{number}")).await;
    }
    stage.pass(24 * HOUR).await;
    assert_eq!(asked(&stage, "/stats"), 0, "nobody asked for it");
    assert!(status(&stage, "Endpoint", "d1")["usage"].is_null());

    stage.use_up(12.5);
    stage.want_usage(Duration::from_secs(6 * HOUR));
    stage.pass(HOUR).await;
    let told = status(&stage, "Endpoint", "d1")["usage"].clone();
    assert_eq!(told["dataMegabytes"], "12.5", "{told:#}");
    assert_eq!(told["sms"], 0);
    let first = asked(&stage, "/stats");
    assert_eq!(first, 2, "each device once");
    stage.pass(24 * HOUR).await;
    let read = asked(&stage, "/stats") - first;
    assert!((6..=10).contains(&read), "two devices, four times a day: {read}");

    let stage = stage.restart().await;
    stage.want_usage(Duration::from_secs(6 * HOUR));
    let before = asked(&stage, "/stats");
    stage.pass(HOUR).await;
    assert!(asked(&stage, "/stats") - before <= 2, "a restart reads nothing before its time");
}

#[tokio::test(start_paused = true)]
async fn usage_that_fails_is_in_nobodys_way() {
    for wrong in [Wrong::Forbidden, Wrong::Answer(500, json!({})), Wrong::Garbled] {
        let stage = Stage::new().await;
        stage.wire.fail(|asked| asked.path.ends_with("/stats"), wrong.clone());
        stage.cluster.apply_a("Endpoint", "d1", device(1));
        stage.ready("Endpoint", "d1").await;
        stage.want_usage(Duration::from_secs(HOUR));
        stage.pass(5 * HOUR).await;
        assert!(stage.is_ready("Endpoint", "d1"), "{wrong}");
        let tried = stage.wire.struck().len();
        assert!((1..=60).contains(&tried), "{wrong}: {tried} in five hours");
        let mut renamed = device(1);
        renamed["name"] = json!("gauge");
        stage.cluster.apply_a("Endpoint", "d1", renamed);
        stage.pass(60).await;
        assert!(stage.is_ready("Endpoint", "d1"), "{wrong}: an edit waits for nothing");
    }
}
