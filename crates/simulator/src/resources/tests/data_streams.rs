//! Data streams over the API, and what arrives at a destination.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::testing::Driver;
use crate::{Options, Signal};

const STREAMS: &str = "/api/v2/data_stream";
const DEVICE: u64 = 11_000_001;

fn webhook(url: &str, size: u64) -> Value {
    json!({
        "name": "hook",
        "data_stream_type": {"id": 2},
        "destination": {
            "connection_type": "RestAPI", "format": "Json",
            "credentials": {"url": url, "size": size, "headers": ["Authorization: Bearer s3cret", "X-Of:a:b"]},
        },
        "status": {"id": 1},
    })
}

/// Makes a stream and waits until it runs; its path.
async fn running(driver: &Driver, stream: Value) -> String {
    let made = driver.post(STREAMS, stream).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.header("location").rsplit('/').next().expect("a Location").to_owned();
    assert!(id.parse::<u64>().is_err(), "its id is no number: {id}");
    sleep(Duration::from_millis(1_050)).await;
    format!("{STREAMS}/{id}")
}

async fn status(driver: &Driver, path: &str) -> u64 {
    driver.get(path).await.body["status"]["id"].as_u64().expect("a status")
}

/// What came in: headers and body.
type Inbox = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// A destination that takes everything.
async fn destination() -> (String, Inbox) {
    let inbox = Inbox::default();
    let taken = inbox.clone();
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let body = serde_json::from_slice(&body).expect("JSON");
        taken.lock().expect("nobody panics").push((headers, body));
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook?a=b", listener.local_addr().expect("an address"));
    let app = Router::new().route("/hook", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, inbox)
}

/// Waits until so many requests came in.
async fn came(inbox: &Inbox, requests: usize) -> Vec<(HeaderMap, Value)> {
    for _ in 0..500 {
        let all = inbox.lock().expect("nobody panics").clone();
        if all.len() >= requests {
            return all;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{requests} deliveries never came");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_pending_for_a_second_and_shows_no_secret() {
    let driver = Driver::example().await;
    let path = running(&driver, webhook("https://hook.example", 1)).await;
    let shown = driver.get(&path).await.body;
    assert_eq!(shown["destination"]["credentials"]["headers"], json!(["***", "***"]));
    assert_eq!(shown["status"], json!({"id": 1, "description": "Running"}));
    let changed = driver.patch(&path, json!({"status": {"id": 2}, "name": "paused"})).await;
    assert_eq!((changed.status, status(&driver, &path).await), (202, 4), "accepted, not done");
    assert_eq!(driver.get(&path).await.body["name"], "hook", "nor does it show");
    for refused in [driver.patch(&path, json!({})).await, driver.delete(&path).await] {
        assert_eq!(refused.status, 409, "while it is being changed");
    }
    assert_eq!(driver.post(&format!("{path}/restart"), Value::Null).await.status, 409);
    sleep(Duration::from_millis(1_050)).await;
    let shown = driver.get(&path).await.body;
    assert_eq!((shown["status"]["id"].clone(), shown["name"].clone()), (json!(2), json!("paused")));
    assert_eq!(driver.delete(&path).await.status, 202);
    assert_eq!(driver.get(&path).await.status, 200, "it goes a second later");
    sleep(Duration::from_millis(1_050)).await;
    assert_eq!(driver.get(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let driver = Driver::example().await;
    let with = |path: &str, value: Value| {
        let mut stream = webhook("https://hook.example", 1);
        *stream.pointer_mut(path).expect("a field") = value;
        stream
    };
    let mut usage = with("/data_stream_type/id", json!(1));
    usage["filters"] = json!([{"field": "alert", "value": ["true"]}]);
    for refused in [
        with("/destination/connection_type", json!("Salesforce")),
        with("/destination/credentials", json!({})),
        with("/destination/credentials/size", json!(10_001)),
        with("/data_stream_type/id", json!(3)),
        with("/status/id", json!(3)),
        usage,
    ] {
        assert_eq!(driver.post(STREAMS, refused.clone()).await.status, 422, "{refused}");
    }
    let path = running(&driver, webhook("https://hook.example", 1)).await;
    let other = json!({"destination": {"connection_type": "Datadog", "credentials": {"api_key": "k"}}});
    assert_eq!(driver.patch(&path, other).await.status, 422, "another destination is another stream");
}

#[tokio::test(start_paused = true)]
async fn the_only_stream_may_be_listed_as_an_object() {
    let driver = Driver::start(Options { list_as_object: true, ..Options::default() }).await;
    assert_eq!(driver.get(STREAMS).await.body, json!([]));
    running(&driver, webhook("https://hook.example", 1)).await;
    assert!(driver.get(STREAMS).await.body.is_object());
    running(&driver, webhook("https://hook.example", 1)).await;
    assert_eq!(driver.get(STREAMS).await.body.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn records_arrive_with_their_headers_in_batches() {
    let driver = Driver::example().await;
    let (url, inbox) = destination().await;
    let path = running(&driver, webhook(&url, 1)).await;
    driver.simulator.device(DEVICE, Signal::Attach).expect("it attaches");
    let (headers, record) = came(&inbox, 1).await.remove(0);
    assert_eq!(headers["authorization"], "Bearer s3cret");
    assert_eq!(headers["x-of"], "a:b", "a value may hold a colon");
    assert_eq!(record["endpoint"]["id"], DEVICE, "one record goes as an object: {record}");
    let before = came(&inbox, 1).await.len();
    let paused = json!({"status": {"id": 2}, "destination": webhook(&url, 100)["destination"]});
    assert_eq!(driver.patch(&path, paused).await.status, 202);
    sleep(Duration::from_millis(1_050)).await;
    driver.simulator.device(DEVICE, Signal::Online).expect("it goes online");
    driver.simulator.device(DEVICE, Signal::Offline).expect("it goes away");
    sleep(Duration::from_millis(100)).await;
    assert_eq!(came(&inbox, before).await.len(), before, "a paused stream keeps its records");
    driver.patch(&path, json!({"status": {"id": 1}})).await;
    let (_, records) = came(&inbox, before + 1).await.pop().expect("a delivery");
    assert!(records.as_array().is_some_and(|all| all.len() >= 2), "then they come together: {records}");
}

#[tokio::test]
async fn filters_choose_by_type_and_by_alert() {
    let driver = Driver::example().await;
    let (url, inbox) = destination().await;
    let mut stream = webhook(&url, 1);
    stream["filters"] = json!([{"field": "event_type_id", "value": ["3", "42"]}]);
    running(&driver, stream).await;
    driver.simulator.device(DEVICE, Signal::Online).expect("it goes online");
    let records = came(&inbox, 1).await;
    let kinds: Vec<u64> =
        records.iter().filter_map(|(_, record)| record["event_type"]["id"].as_u64()).collect();
    assert!(kinds.iter().all(|kind| [3, 42].contains(kind)), "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_takes_nothing_ends_in_an_error_until_a_restart() {
    let driver = Driver::example().await;
    let path = running(&driver, webhook("http://127.0.0.1:1/closed", 1)).await;
    driver.simulator.device(DEVICE, Signal::Attach).expect("it attaches");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(status(&driver, &path).await, 1, "tried again after 1, 2 and 4 s");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(status(&driver, &path).await, 3);
    assert_eq!(driver.post(&format!("{path}/restart"), Value::Null).await.status, 202);
    assert_eq!(status(&driver, &path).await, 4);
}
