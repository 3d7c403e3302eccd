//! The event log over the API.

use std::time::Duration;

use crate::state::{Draft, EventUser};
use crate::testing::Driver;

/// Writes an event about the example's device.
fn write(driver: &Driver, kind: u64) {
    let now = driver.simulator.now();
    driver
        .simulator
        .edit(|state| {
            let (org, next) = state.split(1001);
            org.emit(next, now, Draft::new(kind).endpoint(11_000_001));
        })
        .expect("a valid state");
}

fn ids(body: &serde_json::Value) -> Vec<u64> {
    body.as_array()
        .expect("a list")
        .iter()
        .map(|event| event["event_type"]["id"].as_u64().expect("an id"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_log_is_paged_filtered_and_sorted() {
    let driver = Driver::example().await;
    for kind in [42, 8, 51] {
        write(&driver, kind);
        driver.simulator.advance(Duration::from_secs(60));
    }
    let all = driver.get("/api/v1/event").await;
    assert_eq!(ids(&all.body), [42, 8, 51], "in the order of ids");
    assert_eq!((all.header("x-count-per-page"), all.header("x-total-count")), ("100", "3"));
    assert!(all.headers.contains_key("link") && all.header("link").is_empty(), "Link is there and empty");
    let event = &all.body[0];
    assert!(event["id"].as_u64().is_some_and(|id| id > 1 << 48), "ids exceed 2^48");
    assert!(event["timestamp"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')));
    assert_eq!(event["event_source"]["description"], "API");
    assert_eq!((&event["endpoint"]["name"], &event["sim"]["id"]), (&"meter-1".into(), &10_000_003.into()));
    assert_eq!(event.get("user"), None, "an application token is nobody");
    assert_eq!(ids(&driver.get("/api/v1/event?q=type:8|51&sort=-id").await.body), [51, 8]);
    assert_eq!(ids(&driver.get("/api/v1/event?per_page=2&page=9").await.body), [51], "the last page again");
    let iccid = event["sim"]["iccid"].as_str().expect("an ICCID");
    let printed = format!("{iccid}{}", crate::resources::endpoint::luhn(iccid));
    for q in [format!("iccid:{iccid}|x"), format!("iccid_with_luhn:{printed}"), "endpoint:meter-1".to_owned()]
    {
        assert_eq!(ids(&driver.get(&format!("/api/v1/event?q={q}")).await.body).len(), 3, "{q}");
    }
    assert_eq!(driver.get("/api/v1/event?sort=colour").await.status, 400, "here 400, elsewhere 422");
    assert_eq!(driver.get("/api/v1/event?q=colour:red").await.status, 422);
    assert_eq!(driver.get("/api/v1/event?page=abc").await.status, 400, "a page is a number");
    assert_eq!(driver.get("/api/v1/endpoint?page=abc").await.status, 200, "there it counts as missing");
}

#[tokio::test(start_paused = true)]
async fn the_person_of_an_event_is_found_by_name() {
    let driver = Driver::example().await;
    let now = driver.simulator.now();
    driver
        .simulator
        .edit(|state| {
            let ada = EventUser { id: 301, username: "ada@example.com".into(), name: "Ada".into() };
            let (org, next) = state.split(1001);
            org.emit(next, now, Draft::new(42).endpoint(11_000_001).user(Some(ada)));
            org.emit(next, now, Draft::new(43).endpoint(11_000_001));
        })
        .expect("a valid state");
    assert_eq!(ids(&driver.get("/api/v1/event?q=user:Ada").await.body), [42]);
    assert!(ids(&driver.get("/api/v1/event?q=user:301").await.body).is_empty(), "not by id");
}

#[tokio::test(start_paused = true)]
async fn a_window_of_time_needs_both_ends() {
    let driver = Driver::example().await;
    write(&driver, 42);
    let from = driver.simulator.now() + jiff::SignedDuration::from_secs(30);
    driver.simulator.advance(Duration::from_secs(60));
    write(&driver, 43);
    let until = driver.simulator.now() + jiff::SignedDuration::from_secs(30);
    let form = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (from, until) = (form(from), form(until));
    assert_eq!(ids(&driver.get(&format!("/api/v1/event?q=from:{from},until:{until}")).await.body), [43]);
    assert_eq!(driver.get(&format!("/api/v1/event?q=from:{from}")).await.status, 422);
}

#[tokio::test(start_paused = true)]
async fn logs_of_objects_hold_their_events_and_missing_objects_have_none() {
    let driver = Driver::example().await;
    write(&driver, 42);
    assert_eq!(ids(&driver.get("/api/v1/endpoint/11000001/event").await.body), [42]);
    assert_eq!(ids(&driver.get("/api/v1/sim/10000003/event").await.body), [42]);
    for missing in ["endpoint/1", "sim/1", "user/1"] {
        let log = driver.get(&format!("/api/v1/{missing}/event")).await;
        assert_eq!((log.status, ids(&log.body)), (200, vec![]), "never 404");
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_for_30_days() {
    let mut driver = Driver::example().await;
    write(&driver, 42);
    driver.simulator.advance(Duration::from_secs(31 * 86_400));
    driver.login("example-token").await;
    write(&driver, 43);
    assert_eq!(ids(&driver.get("/api/v1/event").await.body), [43]);
}
