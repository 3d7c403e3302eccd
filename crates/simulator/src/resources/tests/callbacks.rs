//! Messages over the API and by callbacks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::sleep;

use crate::testing::Driver;
use crate::{Options, Signal};

const DEVICE: u64 = 11_000_001;
const PATH: &str = "/api/v1/endpoint/11000001/sms";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

type Inbox = Arc<Mutex<Vec<(Method, HeaderMap, Value)>>>;

/// An application of the customer, which takes nothing while it is told so.
async fn application(refuses: usize) -> (String, Inbox) {
    let inbox = Inbox::default();
    let taken = inbox.clone();
    let take = move |method: Method, headers: HeaderMap, body: Bytes| async move {
        let mut all = taken.lock().expect("nobody panics");
        all.push((method, headers, serde_json::from_slice(&body).expect("JSON")));
        if all.len() <= refuses { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/sms", listener.local_addr().expect("an address"));
    let app = Router::new().route("/sms", axum::routing::any(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, inbox)
}

/// The example, whose service profile calls that URL.
async fn calling(url: &str, secret: Option<&str>, options: Options) -> Driver {
    let driver = Driver::start(options).await;
    let callback = driver.post("/api/v1/api_callback", json!({"url": url, "purpose": "sms"})).await;
    let mut profile = json!({"api_callback": {"id": callback.new_id()}});
    if let Some(secret) = secret {
        let made = driver.post("/api/v1/api_secret", json!({"secret": secret, "purpose": "sms"})).await;
        profile["api_secret"] = json!({"id": made.new_id()});
    }
    assert_eq!(driver.patch("/api/v1/service_profile/101", profile).await.status, 201);
    driver
}

/// Waits until so many calls came in.
async fn came(inbox: &Inbox, calls: usize) -> Vec<(Method, HeaderMap, Value)> {
    for _ in 0..3_000 {
        let all = inbox.lock().expect("nobody panics").clone();
        if all.len() >= calls {
            return all;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{calls} calls never came");
}

async fn status(driver: &Driver, sms: u64) -> Value {
    driver.get(&format!("{PATH}/{sms}")).await.body["status"]["description"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_its_first_attempt_then_for_its_device() {
    let driver = Driver::start(Options { sms_time: Duration::from_secs(5), ..Options::default() }).await;
    let sent = driver.post(PATH, json!({"payload": "x"})).await.new_id();
    assert_eq!(status(&driver, sent).await, "DELIVERY ATTEMPT PENDING");
    assert_eq!(driver.delete(&format!("{PATH}/{sent}")).await.status, 409, "nothing is buffered");
    driver.simulator.advance(Duration::from_secs(5));
    assert_eq!(status(&driver, sent).await, "BUFFERED");
    driver.simulator.device(DEVICE, Signal::Attach).expect("it attaches");
    assert_eq!(status(&driver, sent).await, "DELIVERED");
    assert_eq!(driver.delete(&format!("{PATH}/{sent}")).await.status, 409, "it is too late");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_can_be_delivered_or_fail_once() {
    let driver = Driver::example().await;
    for (end, shown) in [("deliver", "DELIVERED"), ("fail", "FAILED")] {
        let sent = driver.post(PATH, json!({"payload": "x"})).await.new_id();
        let path = format!("/simulator/sms/{sent}/{end}");
        assert_eq!(driver.post(&path, Value::Null).await.status, 204);
        assert_eq!(status(&driver, sent).await, shown);
        assert_eq!(driver.post(&path, Value::Null).await.status, 400, "it has come to its end");
    }
    assert_eq!(driver.post("/simulator/sms/777/fail", Value::Null).await.status, 400);
}

#[tokio::test]
async fn receipts_and_messages_are_signed_with_the_secret_of_the_profile() {
    let (url, inbox) = application(0).await;
    let driver = calling(&url, Some(SECRET), Options::default()).await;
    driver.simulator.device(DEVICE, Signal::Attach).expect("it attaches");
    let sent = driver.post(PATH, json!({"payload": "hello"})).await.new_id();
    let (method, headers, receipt) = came(&inbox, 1).await.remove(0);
    assert_eq!(method, Method::PATCH);
    assert_eq!((&receipt["id"], &receipt["status"]["id"]), (&json!(sent), &json!(4)), "{receipt}");
    let token = headers["authorization"].to_str().expect("text").strip_prefix("Bearer ").expect("a token");
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(signed.as_bytes());
    assert!(mac.verify_slice(&signature).is_ok(), "the key is the customer's");
    let body = json!({"dest_address": "12345", "payload": "from the field"});
    let taken = driver.post(&format!("/simulator/devices/{DEVICE}/sms"), body).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let (method, _, message) = came(&inbox, 2).await.remove(1);
    assert_eq!((method, &message["payload"]), (Method::POST, &json!("from the field")));
    assert_eq!(message["endpoint"], json!({"id": DEVICE, "name": "meter-1"}));
    assert_eq!(message["dest_address"], "12345");
    let shown = driver.get(PATH).await.body;
    assert_eq!(shown[0]["sms_type"]["description"], "MO", "it is among the messages of the device");
}

#[tokio::test]
async fn without_a_secret_nothing_signs_and_what_was_not_taken_comes_again() {
    let (url, inbox) = application(1).await;
    let driver = calling(&url, None, Options::default()).await;
    let sent = driver.post(PATH, json!({"payload": "hello"})).await.new_id();
    driver.simulator.end_message(sent, false).expect("it waits");
    let calls = came(&inbox, 2).await;
    assert_eq!(calls[0].2, calls[1].2, "the same call");
    assert_eq!(calls[0].2["status"]["description"], "FAILED");
    assert!(!calls[0].1.contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn what_is_for_telephones_or_other_interfaces_is_no_callback_and_nothing_is_kept_for_ever() {
    let waiting =
        |driver: &Driver| driver.simulator.inspect(|state| state.organisations[&1001].callbacks.len());
    let driver = calling("http://127.0.0.1:1/closed", None, Options::default()).await;
    driver.simulator.device(DEVICE, Signal::Attach).expect("it attaches");
    driver.simulator.receive_message(DEVICE, "4915112345678", "to a telephone").expect("it sends");
    assert_eq!(waiting(&driver), 0, "more than seven digits are a telephone");
    let smpp = json!({"esme_interface_type": {"id": 2}});
    assert_eq!(driver.patch("/api/v1/service_profile/101", smpp).await.status, 201);
    driver.post(PATH, json!({"payload": "x"})).await;
    assert_eq!(waiting(&driver), 0, "receipts go over the other interface");
    driver.simulator.receive_message(DEVICE, "123", "to an application").expect("it sends");
    assert_eq!(waiting(&driver), 1);
    sleep(Duration::from_secs(120)).await;
    assert_eq!(waiting(&driver), 0, "it is given up after 1, 2 and 4 s");
    driver.simulator.device(DEVICE, Signal::Offline).expect("it goes away");
    assert!(driver.simulator.receive_message(DEVICE, "123", "x").is_err(), "only what is attached sends");
}
