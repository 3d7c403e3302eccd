//! Messages as they were recorded.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::rules::dates;
use crate::testing::Driver;

const PATH: &str = "/api/v1/endpoint/11000001/sms";

async fn sent(driver: &Driver, body: Value) -> Value {
    let id = driver.post(PATH, body).await.new_id();
    driver.get(&format!("{PATH}/{id}")).await.body
}

fn at(sms: &Value, key: &str) -> Timestamp {
    dates::read(sms[key].as_str().unwrap_or_default()).unwrap_or_else(|| panic!("{key} is a date: {sms}"))
}

#[tokio::test(start_paused = true)]
async fn the_newest_message_comes_first_with_every_recorded_key() {
    let driver = Driver::example().await;
    for payload in ["one", "two"] {
        driver.post(PATH, json!({"payload": payload})).await;
    }
    let list = driver.get(PATH).await;
    assert_eq!((&list.body[0]["payload"], &list.body[1]["payload"]), (&json!("two"), &json!("one")));
    let sms = &list.body[0];
    assert!(sms["submit_date"].as_str().is_some_and(|date| date.ends_with(".000+0000")), "{sms}");
    for (key, value) in [
        ("organisation_id", json!("1001")),
        ("registered_delivery", json!("0")),
        ("called_party_prefix", Value::Null),
        ("smpp_bind_id", Value::Null),
        ("smpp_dlr_bind_id", Value::Null),
        ("esme_interface_type", json!({"id": 1, "description": "RestAPI"})),
        ("imsi", json!("")),
        ("udh", json!("")),
    ] {
        assert_eq!(sms.get(key), Some(&value), "{key}");
    }
    assert_eq!(sms.get("dest_address"), None);
    assert!(
        list.text.starts_with(r#"[{"dlr_status_id":"1","organisation_id":"1001","submit_date":"#),
        "{}",
        list.text
    );
}

#[tokio::test(start_paused = true)]
async fn the_type_of_a_sender_follows_from_its_letters() {
    let driver = Driver::example().await;
    for (given, stored, kind) in [
        (json!("EMnify"), "EMnify", json!({"id": 208, "description": "Alphanumeric"})),
        (Value::Null, "", json!({"id": 161, "description": "National"})),
        (json!("12345"), "12345", json!({"id": 161, "description": "National"})),
        (json!(12345), "12345", json!({"id": 161, "description": "National"})),
    ] {
        let sms = sent(&driver, json!({"payload": "x", "source_address": given})).await;
        assert_eq!((&sms["source_address"], &sms["source_address_type"]), (&json!(stored), &kind), "{given}");
    }
    let wanted = json!({"payload": "x", "source_address": "49151", "source_address_type": {"id": 145}});
    assert_eq!(sent(&driver, wanted).await["source_address_type"]["description"], "International");
}

#[tokio::test(start_paused = true)]
async fn an_expired_message_ends_seconds_after_its_time_and_a_cancelled_one_never() {
    let mut driver = Driver::example().await;
    let waits = sent(&driver, json!({"payload": "waits"})).await;
    let taken = sent(&driver, json!({"payload": "taken back"})).await;
    assert_eq!(driver.delete(&format!("{PATH}/{}", taken["id"])).await.status, 200);
    let taken = driver.get(&format!("{PATH}/{}", taken["id"])).await.body;
    assert_eq!((&taken["status"]["description"], &taken["dlr_status_id"]), (&json!("CANCELED"), &json!("1")));
    assert_eq!(taken["final_date"], Value::Null);
    assert_eq!(taken["delivery_date"], taken["submit_date"]);
    driver.simulator.advance(Duration::from_secs(24 * 3600 + 7));
    driver.login("example-token").await;
    let ended = driver.get(&format!("{PATH}/{}", waits["id"])).await.body;
    assert_eq!((&ended["status"]["description"], &ended["dlr_status_id"]), (&json!("EXPIRED"), &json!("4")));
    assert_eq!(ended["delivery_date"], ended["submit_date"], "although it was never delivered");
    let late = |key: &str| at(&ended, key).duration_since(at(&ended, "expiry_date")).as_secs();
    assert!((1..=6).contains(&late("final_date")), "{ended}");
    assert!((40..=76).contains(&late("retry_date")), "{ended}");
}
