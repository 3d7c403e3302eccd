use std::time::Duration;

use serde_json::json;

use crate::testing::Driver;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn tgw() -> serde_json::Value {
    json!({"type": "1", "name": "hq", "vpc_cidr": ["10.0.0.0/16"], "region": "eu-west-1", "aws_account_id": "123456789012"})
}

fn vpn(psk: &str) -> serde_json::Value {
    json!({"type": {"id": "2"}, "name": "dc", "public_ip": "203.0.113.10", "on_prem_cidr": ["192.0.2.0/24"], "psk": psk,
           "region": "eu-west-1"})
}

/// Days pass, after which a login has ended.
async fn days(driver: &mut Driver, days: u32) {
    driver.simulator.advance(DAY * days);
    driver.login("example-token").await;
}

fn pass(driver: &Driver, seconds: u64) {
    driver.simulator.advance(Duration::from_secs(seconds));
}

async fn shown(driver: &Driver, id: u64) -> serde_json::Value {
    driver.get(&format!("/api/v1/cnc/breakout/{id}")).await.body[0].clone()
}

async fn state(driver: &Driver, id: u64) -> u64 {
    shown(driver, id).await["status"]["id"].as_u64().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_transit_gateway_waits_for_the_customer_and_then_for_emnify() {
    let mut driver = Driver::example().await;
    let id = driver.post("/api/v1/cnc/breakout/tgw", tgw()).await.new_id();
    days(&mut driver, 2).await;
    assert_eq!(state(&driver, id).await, 2, "nothing happens before the share is accepted");
    driver.simulator.accept_attachment(id).expect("it waits");
    assert!(driver.simulator.accept_attachment(id).is_err(), "once");
    assert_eq!(state(&driver, id).await, 3);
    pass(&driver, 61);
    assert_eq!(state(&driver, id).await, 4);
    pass(&driver, 61);
    assert_eq!(state(&driver, id).await, 5);
    let path = format!("/api/v1/cnc/breakout/{id}");
    assert_eq!(driver.delete(&path).await.status, 200);
    assert_eq!(state(&driver, id).await, 6);
    pass(&driver, 61);
    assert_eq!(driver.get("/api/v1/cnc/breakout").await.body, json!([]), "what is gone is hidden");
    assert_eq!(state(&driver, id).await, 7, "and remembered");
    assert_eq!(driver.delete(&path).await.status, 400);
    assert_eq!(driver.event_types(), [22, 23, 25]);
}

#[tokio::test(start_paused = true)]
async fn a_share_that_nobody_accepts_expires_and_is_offered_again_on_request() {
    let mut driver = Driver::example().await;
    let id = driver.post("/api/v1/cnc/breakout/tgw", tgw()).await.new_id();
    let path = format!("/api/v1/cnc/breakout/{id}");
    assert_eq!(driver.patch(&path, json!({})).await.status, 404, "it has not expired");
    days(&mut driver, 8).await;
    assert!(driver.simulator.accept_attachment(id).is_err());
    assert_eq!(driver.patch(&path, json!({})).await.status, 200);
    driver.simulator.accept_attachment(id).expect("it waits again");
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_up_in_minutes_and_shows_its_key() {
    let driver = Driver::example().await;
    let id = driver.post("/api/v1/cnc/breakout/vpn", vpn("")).await.new_id();
    assert_eq!(shown(&driver, id).await["tunnel_information"], json!(null), "there is none yet");
    pass(&driver, 200);
    let up = shown(&driver, id).await;
    assert_eq!(up["status"]["id"], 5);
    assert!(up["tunnel_information"][0]["psk"].as_str().is_some_and(|psk| psk.len() >= 8), "one was made");
    let list = driver.get("/api/v1/cnc/breakout").await.body;
    assert_eq!(list[0]["tunnel_information"], json!(null), "listings show none");
    let own = driver.post("/api/v1/cnc/breakout/vpn", vpn("correct.horse_battery")).await.new_id();
    pass(&driver, 200);
    assert_eq!(shown(&driver, own).await["tunnel_information"][1]["psk"], "correct.horse_battery");
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let driver = Driver::example().await;
    for (field, value) in [("type", json!(1)), ("region", json!("mars-1")), ("aws_account_id", json!("12"))] {
        let mut bad = tgw();
        bad[field] = value;
        assert_eq!(driver.post("/api/v1/cnc/breakout/tgw", bad).await.status, 400, "{field}");
    }
    for (field, value) in [
        ("type", json!({"id": "1"})),
        ("psk", json!("0short")),
        ("on_prem_cidr", json!([])),
        ("public_ip", json!("x")),
    ] {
        let mut bad = vpn("");
        bad[field] = value;
        assert_eq!(driver.post("/api/v1/cnc/breakout/vpn", bad).await.status, 400, "{field}");
    }
    let mut bgp = vpn("");
    bgp["type"] = json!({"id": "3"});
    assert_eq!(driver.post("/api/v1/cnc/breakout/vpn", bgp.clone()).await.status, 400, "BGP needs an ASN");
    bgp["asn"] = json!(65_000);
    bgp["region"] = json!(null);
    assert_eq!(driver.post("/api/v1/cnc/breakout/vpn", bgp).await.status, 201);
    assert_eq!(driver.get("/api/v1/cnc/breakout/99").await.status, 404);
    let regions = driver.get("/api/v1/cnc/breakout_type/1/available_region").await.body;
    assert!(
        regions.as_array().is_some_and(|all| all.iter().any(|row| row["attachment_region"] == "eu-west-1"))
    );
    assert_eq!(driver.get("/api/v1/cnc/breakout_type").await.body[1]["description"], "IPSec VPN");
    assert_eq!(driver.get("/api/v1/cnc/pricing").await.body[0]["amount"], 120.0);
}
