use std::time::Duration;

use serde_json::{Value, json};

use crate::Signal;
use crate::resources::endpoint::luhn;
use crate::testing::{Answered, Driver};

const DEVICE: u64 = 11_000_001;
const IN_USE: &str = "8988303000000000003";
const WAITS: &str = "8988303000000000002";
const PATH: &str = "/api/v1/euicc/1/operation";

/// The example, whose device has an eUICC with its SIM in use and another one that can be downloaded; and a consumer's eUICC.
async fn driver() -> Driver {
    let driver = Driver::example().await;
    let add = |state: &mut crate::State| {
        let (org, next) = state.split(1001);
        let iot = json!({"eid": "89049032000001000000000000000001", "profiles": [
            {"iccid": IN_USE, "status": 2, "preloaded": true, "fallback_allowed": true}, {"iccid": WAITS},
        ]});
        let consumer = json!({"eid": "89049032000001000000000000000002", "supported_profile_type": 1});
        for euicc in [iot, consumer] {
            org.euiccs.add(next, serde_json::from_value(euicc).expect("an eUICC"));
        }
    };
    driver.simulator.edit(add).expect("a state that makes sense");
    driver.simulator.device(DEVICE, Signal::Online).expect("it goes online");
    driver
}

fn told(action: u64, iccid: &str, more: &Value) -> Value {
    let mut item = json!({"action": {"id": action}, "iccid_with_luhn": format!("{iccid}{}", luhn(iccid))});
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        item[key] = value;
    }
    item
}

/// Schedules operations; the paths of them.
async fn scheduled(driver: &Driver, items: Value) -> Vec<String> {
    let made = driver.post(PATH, items).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let rows = made.body.as_array().expect("a list");
    rows.iter().map(|row| format!("{PATH}/{}", row["id"].as_str().expect("a UUID"))).collect()
}

async fn status(driver: &Driver, path: &str) -> String {
    driver.get(path).await.body["status"]["description"].as_str().expect("a status").to_owned()
}

async fn profiles(driver: &Driver) -> Vec<u64> {
    let euicc = driver.get("/api/v1/euicc/1").await.body;
    let rows = euicc["profile"].as_array().expect("profiles").iter();
    rows.map(|row| row["status"]["id"].as_u64().expect("a status")).collect()
}

fn poll(driver: &Driver) {
    driver.simulator.poll_euicc(DEVICE).expect("it polls");
}

#[tokio::test(start_paused = true)]
async fn euiccs_show_their_profiles_with_devices() {
    let driver = driver().await;
    let list = driver.get("/api/v1/euicc?q=supported_profile_type:5").await;
    assert_eq!((list.header("x-total-count"), list.header("x-count-per-page")), ("1", "100"));
    let profile = &list.body[0]["profile"][0];
    assert_eq!(profile["endpoint"], json!({"id": DEVICE, "name": "meter-1"}));
    assert_eq!(profile["profile_type"], json!({"id": 5, "description": "IoT eUICC Profile"}));
    assert_eq!(profile["iccid_with_luhn"].as_str().map(str::len), Some(20));
    let missing = driver.get("/api/v1/euicc/7").await;
    assert_eq!((missing.status, &missing.body["status_code"]), (404, &json!(404)));
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_downloaded_at_the_next_poll_and_another_enabled() {
    let driver = driver().await;
    let items = json!([told(1, WAITS, &json!({})), told(2, WAITS, &json!({}))]);
    let made = driver.post(PATH, items).await;
    assert_eq!(made.body[0]["status"]["description"], "Scheduled");
    assert_eq!(made.header("link").matches("rel=\"item\"").count(), 2);
    assert_eq!(profiles(&driver).await, [2, 1], "nothing before the poll");
    poll(&driver);
    assert_eq!(profiles(&driver).await, [3, 2], "one after another");
    let rows = driver.get(&format!("{PATH}?sort=-creation_date")).await.body;
    for row in rows.as_array().expect("a list") {
        assert_eq!(row["status"]["description"], "Successful");
        assert!(row["finalization_date"].is_string(), "{row}");
    }
    let connectivity = driver.get(&format!("/api/v1/endpoint/{DEVICE}/connectivity")).await.body;
    assert_eq!(connectivity["status"]["description"], "OFFLINE", "its SIM is not in use any more");
}

#[tokio::test(start_paused = true)]
async fn a_device_in_the_network_polls_every_24_hours_and_one_outside_lets_operations_expire() {
    let mut driver = driver().await;
    let [audit, short] =
        &scheduled(&driver, json!([{"action": {"id": 7}}, told(5, IN_USE, &json!({"validity_period": 60}))]))
            .await[..]
    else {
        panic!("two were scheduled");
    };
    driver.simulator.advance(Duration::from_secs(24 * 3600));
    driver.login("example-token").await;
    assert_eq!(status(&driver, audit).await, "Successful");
    assert_eq!(status(&driver, short).await, "Expired", "it was over before the poll");
    assert!(driver.get("/api/v1/euicc/1").await.body["last_audited"].is_string());
    driver.simulator.device(DEVICE, Signal::Offline).expect("it goes away");
    let [lost] = &scheduled(&driver, json!([{"action": {"id": 7}}])).await[..] else {
        panic!("one was scheduled");
    };
    assert!(driver.simulator.poll_euicc(DEVICE).is_err(), "nobody hears it");
    driver.simulator.advance(Duration::from_secs(25 * 3600));
    driver.login("example-token").await;
    assert_eq!(status(&driver, lost).await, "Expired");
}

#[tokio::test(start_paused = true)]
async fn a_switch_after_which_nobody_hears_the_device_is_taken_back_where_that_was_asked_for() {
    let driver = driver().await;
    scheduled(&driver, json!([told(1, WAITS, &json!({}))])).await;
    poll(&driver);
    let [path] = &scheduled(&driver, json!([told(2, WAITS, &json!({"rollback": true}))])).await[..] else {
        panic!("one was scheduled");
    };
    driver.simulator.lose_after_switch(DEVICE).expect("it has an eUICC");
    poll(&driver);
    assert_eq!((status(&driver, path).await.as_str(), profiles(&driver).await), ("In Progress", vec![3, 2]));
    driver.simulator.advance(Duration::from_secs(7 * 60));
    let ended = driver.get(path).await.body;
    assert_eq!((&ended["status"]["description"], &ended["error"]["reason"]), (&json!("Failed"), &json!(127)));
    assert_eq!(profiles(&driver).await, [2, 3], "the one before is in use again");
}

#[tokio::test(start_paused = true)]
async fn what_the_euicc_refuses_fails_with_a_reason() {
    let driver = driver().await;
    for (item, reason) in [
        (told(2, WAITS, &json!({})), 2),
        (told(3, WAITS, &json!({})), 2),
        (told(4, IN_USE, &json!({})), 2),
        (told(5, WAITS, &json!({})), 2),
        (told(6, IN_USE, &json!({})), 2),
        (told(2, "8988303000000009999", &json!({})), 1),
    ] {
        let paths = scheduled(&driver, json!([item])).await;
        poll(&driver);
        let ended = driver.get(&paths[0]).await.body;
        let shown = (&ended["status"]["description"], &ended["error"]["reason"]);
        assert_eq!(shown, (&json!("Failed"), &json!(reason)), "{item}");
    }
    scheduled(
        &driver,
        json!([told(5, IN_USE, &json!({})), {"action": {"id": 1}, "activation_code": "LPA:1$a$b"}]),
    )
    .await;
    poll(&driver);
    let euicc = driver.get("/api/v1/euicc/1").await.body;
    assert_eq!(euicc["profile"][0]["fallback_attribute"], true);
    assert_eq!(euicc["profile"][2]["status"]["id"], 3, "a code alone is enough to download");
    assert!(!euicc.to_string().contains("LPA:1"), "and is not shown");
}

#[tokio::test(start_paused = true)]
async fn requests_that_make_no_sense_are_refused_with_status_and_message() {
    let driver = driver().await;
    let told_no = |answer: &Answered, status: u64| {
        assert_eq!(u64::from(answer.status), status, "{}", answer.text);
        assert_eq!(answer.body["status_code"], status);
    };
    for refused in [
        json!([]),
        json!({"action": {"id": 7}}),
        json!([{"action": {"id": 77}}]),
        json!([{"action": {"id": 2}}]),
        json!([{"action": {"id": 2}, "iccid_with_luhn": IN_USE}]),
        json!([told(2, WAITS, &json!({"validity_period": 86_401}))]),
        json!([told(2, WAITS, &json!({"enable": "perhaps"}))]),
        json!([told(2, WAITS, &json!({})), {"action": {"id": 77}}]),
    ] {
        told_no(&driver.post(PATH, refused).await, 400);
    }
    assert_eq!(driver.get(PATH).await.body, json!([]), "all or none");
    told_no(&driver.post("/api/v1/euicc/2/operation", json!([{"action": {"id": 7}}])).await, 404);
    let paths = scheduled(&driver, json!([{"action": {"id": 7}}])).await;
    told_no(&driver.delete(&paths[0]).await, 403);
    assert_eq!(status(&driver, &paths[0]).await, "Scheduled", "it cannot be cancelled yet");
    told_no(&driver.get(&format!("{PATH}?q=colour:red")).await, 400);
}
