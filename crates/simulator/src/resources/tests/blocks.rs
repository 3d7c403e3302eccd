//! What profiles refuse, as devices feel it.

use serde_json::json;

use crate::Signal;
use crate::testing::Driver;

const DEVICE: u64 = 11_000_001;

async fn connectivity(driver: &Driver) -> String {
    let shown = driver.get(&format!("/api/v1/endpoint/{DEVICE}/connectivity")).await.body;
    shown["status"]["description"].as_str().expect("a status").to_owned()
}

/// Id of the operator whose network the device is in.
fn operator(driver: &Driver) -> u64 {
    driver.simulator.inspect(|state| {
        let device = &state.organisations[&1001].endpoints[&DEVICE];
        device.connectivity.location.as_ref().expect("it is attached").operator
    })
}

#[tokio::test]
async fn without_a_rate_zone_a_device_is_blocked_at_its_next_attach() {
    let driver = Driver::example().await;
    driver.simulator.device(DEVICE, Signal::Online).expect("it may");
    driver.delete("/api/v1/tariff_profile/201/ratezone_selection/71").await;
    assert_eq!(connectivity(&driver).await, "ONLINE", "what runs goes on until the next attach");
    driver.simulator.device(DEVICE, Signal::Attach).expect_err("no network lets it in");
    assert_eq!(connectivity(&driver).await, "BLOCKED");
    driver.put("/api/v1/tariff_profile/201/ratezone_selection/72").await;
    driver.simulator.device(DEVICE, Signal::Attach).expect("it may again");
    assert_eq!(connectivity(&driver).await, "ATTACHED");
}

#[tokio::test]
async fn an_operator_blocked_by_policy_is_not_used() {
    let driver = Driver::example().await;
    driver.put("/api/v1/tariff_profile/201/ratezone_selection/72").await;
    driver.simulator.device(DEVICE, Signal::Attach).expect("it may");
    let first = operator(&driver);
    let list = format!("/api/v2/tariff_profile/201/operator_blocklist/operator/{first}");
    driver.post(&format!("{list}/rat_type"), json!({"rat_types": [{"id": 2}]})).await;
    driver.simulator.device(DEVICE, Signal::Offline).expect("it may");
    driver.simulator.device(DEVICE, Signal::Attach).expect("it may");
    assert_eq!(operator(&driver), first, "refusing 2G there leaves 4G");
    driver.put(&list).await;
    driver.simulator.device(DEVICE, Signal::Offline).expect("it may");
    driver.simulator.device(DEVICE, Signal::Attach).expect("another one");
    assert_ne!(operator(&driver), first);
}

#[tokio::test]
async fn an_attached_device_travels_through_the_networks_it_may_use() {
    let driver = Driver::example().await;
    driver.put("/api/v1/tariff_profile/201/ratezone_selection/72").await;
    driver.simulator.device(DEVICE, Signal::Travel).expect_err("it is nowhere yet");
    driver.simulator.device(DEVICE, Signal::Online).expect("it may");
    let first = operator(&driver);
    let events = driver.event_types().len();
    driver.simulator.device(DEVICE, Signal::Travel).expect("it may");
    assert_ne!(operator(&driver), first, "travelling leads to another network");
    assert_eq!(driver.event_types()[events..], [1, 2], "which is told as any registration is");
    assert_eq!(connectivity(&driver).await, "ONLINE", "a session goes on");
}

#[tokio::test]
async fn a_wanted_quota_blocks_a_device_until_it_has_one() {
    let driver = Driver::example().await;
    driver.simulator.device(DEVICE, Signal::Online).expect("it may");
    driver.patch("/api/v1/service_profile/101", json!({"apply_data_quota": true})).await;
    assert_eq!(connectivity(&driver).await, "BLOCKED");
    driver.simulator.device(DEVICE, Signal::Online).expect_err("it has no quota");
    let quota = format!("/api/v1/endpoint/{DEVICE}/quota/data");
    let body = json!({
        "status": {"id": 1}, "volume": 10, "expiry_date": "2099-01-01 00:00:00", "action_on_exhaustion": {"id": 1},
    });
    assert_eq!(driver.post(&quota, body).await.status, 201);
    assert_eq!(connectivity(&driver).await, "ATTACHED");
    driver.simulator.device(DEVICE, Signal::Online).expect("it may again");
    driver.delete(&quota).await;
    assert_eq!(connectivity(&driver).await, "BLOCKED", "taking the quota away cuts at once");
}

#[tokio::test]
async fn a_changed_policy_lifts_a_traffic_limits_block() {
    let driver = Driver::example().await;
    driver.simulator.device(DEVICE, Signal::Online).expect("it may");
    driver.simulator.device(DEVICE, Signal::Block).expect("a limit strikes");
    assert_eq!(connectivity(&driver).await, "BLOCKED");
    driver.patch("/api/v1/service_profile/101", json!({"description": "more"})).await;
    assert_eq!(connectivity(&driver).await, "ATTACHED");
}
