//! The receiver as a data stream, or somebody else, meets it.

use std::{path::Path, sync::Mutex};

use axum::body::Body;
use http::Request;
use serde_json::json;
use tempfile::NamedTempFile;
use tower::ServiceExt;

use super::*;

struct Receiver {
    router: Router,
    counters: Arc<Counters>,
    gate: Arc<Gate>,
    taken: Arc<Mutex<Vec<Record>>>,
    file: NamedTempFile,
}

async fn receiver() -> Receiver {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "Bearer s3cret\n").unwrap();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let kept = taken.clone();
    let push = Push::new(Secret::load(file.path()).await.unwrap(), header::AUTHORIZATION)
        .taken_by(move |records| kept.lock().unwrap().extend_from_slice(records));
    let gate = Gate::shut();
    gate.open_until(emnify::Moment::now().after(std::time::Duration::from_secs(3_600)));
    let push = push.while_open(gate.clone());
    let counters = push.counters().clone();
    Receiver { router: routes(push, None), counters, gate, taken, file }
}

impl Receiver {
    async fn send(&self, request: Request<Body>) -> StatusCode {
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    async fn post(&self, body: impl Into<Body>) -> StatusCode {
        self.send(good().body(body.into()).unwrap()).await
    }

    fn refused(&self, outcome: Outcome) -> u64 {
        self.counters.snapshot().refused[outcome as usize]
    }

    fn taken(&self) -> Vec<Record> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }
}

fn good() -> http::request::Builder {
    Request::post(PATH).header("authorization", "Bearer s3cret").header("content-type", "application/json")
}

#[tokio::test]
async fn a_standby_sends_data_streams_elsewhere() {
    let receiver = receiver().await;
    receiver.gate.close();
    assert_eq!(
        receiver.post("{}").await,
        StatusCode::SERVICE_UNAVAILABLE,
        "the sender tries again and meets the leader"
    );
    assert_eq!((receiver.taken().len(), receiver.refused(Outcome::Standby)), (0, 1));
}

#[tokio::test]
async fn a_record_or_an_array_of_both_kinds_is_taken() {
    let receiver = receiver().await;
    let usage = json!({"id": 1, "traffic_type": {"id": 5}, "endpoint": {"id": 9, "name": "d"}, "sim": {"id": 4},
        "organisation": {"id": 42}, "volume": {"total": 0.5}});
    let event =
        json!({"id": 2, "event_type": {"id": 42}, "endpoint": {"id": "10"}, "organisation": {"id": 42}});
    assert_eq!(receiver.post(usage.to_string()).await, StatusCode::NO_CONTENT, "one record");
    let one = Record { organisation: Some(42), endpoint: Some(9), sim: Some(4), ..Record::default() };
    assert_eq!(receiver.taken(), [one]);
    assert_eq!(receiver.post(json!([usage, event]).to_string()).await, StatusCode::NO_CONTENT);
    assert_eq!(
        receiver.taken(),
        [one, Record { organisation: Some(42), endpoint: Some(10), ..Record::default() }]
    );
    for method in ["PUT", "PATCH"] {
        let request = good().method(method).body(Body::from("[]")).unwrap();
        assert_eq!(receiver.send(request).await, StatusCode::NO_CONTENT, "{method}");
    }
    let snapshot = receiver.counters.snapshot();
    assert_eq!((snapshot.requests, snapshot.records), (4, 3));
}

#[tokio::test]
async fn records_that_name_nothing_are_accepted() {
    let receiver = receiver().await;
    assert_eq!(receiver.post("{}").await, StatusCode::NO_CONTENT);
    assert_eq!(receiver.post(r#"{"endpoint": null, "new": [1]}"#).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn nobody_gets_in_without_the_secret() {
    let receiver = receiver().await;
    let with =
        |value: &str| Request::post(PATH).header("authorization", value).body(Body::from("{}")).unwrap();
    for value in ["Bearer s3cre", "Bearer s3crets", "bearer s3cret", "s3cret", ""] {
        assert_eq!(receiver.send(with(value)).await, StatusCode::UNAUTHORIZED, "{value:?}");
    }
    let without = Request::post(PATH).body(Body::from("{}")).unwrap();
    assert_eq!(receiver.send(without).await, StatusCode::UNAUTHORIZED);
    assert_eq!(receiver.refused(Outcome::Secret), 6);
    assert_eq!(receiver.taken(), []);
}

#[tokio::test]
async fn what_is_no_delivery_is_refused_and_counted() {
    let receiver = receiver().await;
    for body in ["", "{", "7", "null", r#""text""#, "[1, 2]", "[[1, 2]]", r#"[{}, "x"]"#, "\u{feff}{}"] {
        assert_eq!(receiver.post(body).await, StatusCode::BAD_REQUEST, "{body:?}");
    }
    assert_eq!(receiver.refused(Outcome::Malformed), 9);
    let form = Request::post(PATH)
        .header("authorization", "Bearer s3cret")
        .header("content-type", "application/x-www-form-urlencoded");
    let status = receiver.send(form.body(Body::from("{}")).unwrap()).await;
    assert_eq!((status, receiver.refused(Outcome::ContentType)), (StatusCode::UNSUPPORTED_MEDIA_TYPE, 1));
    let read = good().method("GET").body(Body::empty()).unwrap();
    assert_eq!(receiver.send(read).await, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(receiver.refused(Outcome::Method), 1);
    let elsewhere = Request::post("/metrics").body(Body::from("{}")).unwrap();
    assert_eq!(receiver.send(elsewhere).await, StatusCode::NOT_FOUND);
    assert_eq!(receiver.refused(Outcome::Path), 1);
    assert_eq!(receiver.taken(), [], "a bad request marks nothing");
}

#[tokio::test]
async fn a_body_is_at_most_a_mebibyte() {
    let receiver = receiver().await;
    let of = |bytes: usize| format!("[{}]", " ".repeat(bytes - 2));
    assert_eq!(receiver.post(of(1024 * 1024)).await, StatusCode::NO_CONTENT);
    assert_eq!(receiver.post(of(1024 * 1024 + 1)).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(receiver.refused(Outcome::TooLarge), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let receiver = receiver().await;
    let endless = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    assert_eq!(receiver.post(Body::from_stream(endless)).await, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_stream_that_says_no_content_type_is_read_as_json() {
    let receiver = receiver().await;
    let bare = Request::post(PATH).header("authorization", "Bearer s3cret").body(Body::from("{}")).unwrap();
    assert_eq!(receiver.send(bare).await, StatusCode::NO_CONTENT);
    for kind in ["application/json; charset=utf-8", "application/cloudevents+json"] {
        assert!(body::is_json(kind), "{kind}");
    }
}

#[tokio::test]
async fn a_replaced_secret_counts_without_a_restart() {
    let receiver = receiver().await;
    let new = || Request::post(PATH).header("authorization", "new").body(Body::from("{}")).unwrap();
    tokio::time::pause();
    std::fs::write(receiver.file.path(), "new").unwrap();
    assert_eq!(receiver.send(new()).await, StatusCode::UNAUTHORIZED);
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    assert_eq!(receiver.send(new()).await, StatusCode::NO_CONTENT);
    std::fs::write(receiver.file.path(), "").unwrap();
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    assert_eq!(receiver.send(new()).await, StatusCode::NO_CONTENT, "an emptied file locks nobody out");
    let empty = Request::post(PATH).header("authorization", "").body(Body::from("{}")).unwrap();
    assert_eq!(receiver.send(empty).await, StatusCode::UNAUTHORIZED, "nor lets anybody in");
}

#[tokio::test]
async fn an_unusable_secret_file_is_refused_at_the_start() {
    let file = NamedTempFile::new().unwrap();
    let error = Secret::load(file.path()).await.unwrap_err().to_string();
    assert!(error.starts_with("--push-secret-file:") && error.ends_with("is empty"), "{error}");
    let missing = Secret::load(Path::new("/nowhere/secret")).await.unwrap_err().to_string();
    assert!(missing.contains("/nowhere/secret"), "{missing}");
}
