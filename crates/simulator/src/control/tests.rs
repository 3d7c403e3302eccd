use std::{net::IpAddr, time::Duration};

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::testing::Driver;
use crate::{Dialect, Fault, Limits, Options, Reset, Seed, Signal, Source};

const METER: u64 = 11_000_001;

fn device() -> Value {
    json!({"name": "new", "status": {"id": 1}, "service_profile": {"id": 101}, "tariff_profile": {"id": 201}})
}

fn devices(driver: &Driver) -> usize {
    driver.simulator.inspect(|state| state.organisations[&1001].endpoints.len())
}

fn creates() -> Fault {
    Fault { method: Some("POST".to_owned()), route: Some("/api/v1/endpoint".to_owned()), ..Fault::default() }
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_route_and_logged_in_order() {
    let driver = Driver::example().await;
    driver.get(&format!("/api/v1/endpoint/{METER}")).await;
    driver.get("/api/v1/endpoint/7").await;
    driver.get("/api/v1/nonsense").await;
    let counts = driver.get("/simulator/requests").await.body;
    assert_eq!(counts["total"], 4, "control routes do not count");
    assert!(counts.get("log").is_none(), "the log comes on demand");
    let requests = driver.simulator.requests();
    assert_eq!(requests.count("GET", "/api/v1/endpoint/{endpoint_id}"), 2);
    let statuses: Vec<_> = requests.log.iter().map(|entry| entry.status).collect();
    assert_eq!(statuses, [200, 200, 404, 404]);
    assert_eq!(requests.log[1].organisation, Some(1001));
    let logged = driver.get("/simulator/requests?log=true").await.body;
    assert_eq!(logged["log"][0]["route"], "/api/v1/authenticate");
    assert_eq!(driver.delete("/simulator/requests").await.status, 204);
    assert_eq!(driver.simulator.requests().total, 0);
}

#[tokio::test(start_paused = true)]
async fn requests_in_memory_say_where_they_come_from() {
    let driver = Driver::example().await;
    let last = driver.simulator.last_request();
    let elsewhere = Source([192, 0, 2, 1].into());
    let request =
        Request::get("/api/v1/event/types").extension(elsewhere).body(Body::empty()).expect("a request");
    driver.simulator.router().oneshot(request).await.expect("a router never fails");
    driver.get("/api/v1/endpoint/7").await;
    let since = driver.simulator.requests_after(last);
    let sources: Vec<_> = since.iter().map(|entry| entry.source).collect();
    assert_eq!(
        sources,
        [elsewhere.0, IpAddr::from([127, 0, 0, 1])],
        "from loopback unless they say otherwise"
    );
}

#[tokio::test(start_paused = true)]
async fn the_state_survives_a_round_trip() {
    let driver = Driver::example().await;
    driver.post("/api/v1/endpoint", device()).await;
    driver.post(&format!("/api/v1/endpoint/{METER}/sms"), json!({"payload": "x"})).await;
    assert_eq!(driver.post("/simulator/devices/11000001/online", Value::Null).await.status, 204);
    let before = driver.simulator.state();
    let written = driver.get("/simulator/state").await.body;
    let other = Driver::anonymous(Options::default());
    assert_eq!(other.call("PUT", "/simulator/state", written.clone()).await.status, 204);
    assert_eq!(other.simulator.state(), before, "what was written is what was read");
    assert_eq!(other.get("/simulator/state").await.body, written);
}

#[test]
fn a_seed_names_what_it_does_not_know() {
    let unknown = Seed::from_yaml("organisations: [{id: 1, name: a, colour: red}]").expect_err("refused");
    assert!(unknown.to_string().contains("colour"), "{unknown}");
    let dangling =
        "organisations: [{id: 1, name: a, endpoints: [{name: e, service_profile: 1, tariff_profile: 1}]}]";
    let dangling = Seed::from_yaml(dangling).expect_err("refused");
    assert!(dangling.to_string().contains("service_profile"), "{dangling}");
    let twice = Seed::from_yaml("organisations: [{id: 1, name: a}, {id: 1, name: b}]").expect_err("refused");
    assert!(twice.to_string().contains("twice"), "{twice}");
}

#[test]
fn rows_without_an_id_get_the_next_one_past_explicit_ones() {
    let seed = "organisations: [{name: a}, {id: 7, name: b}]\nnext_ids: {endpoint: 500}";
    let seed = Seed::from_yaml(seed).expect("a seed");
    assert_eq!(seed.state().organisations.keys().copied().collect::<Vec<_>>(), [7, 8]);
    assert_eq!(seed.state().next_ids.endpoint, 500);
}

#[tokio::test(start_paused = true)]
async fn a_status_replaces_the_answer_before_or_after_the_effect() {
    let driver = Driver::example().await;
    driver.simulator.fault(Fault { status: Some(503), times: Some(1), ..creates() }).expect("a sound rule");
    assert_eq!(driver.post("/api/v1/endpoint", device()).await.status, 503);
    assert_eq!(devices(&driver), 1, "nothing happened");
    driver.simulator.clear_faults();
    driver.simulator.fault(Fault { status: Some(504), commit: true, ..creates() }).expect("a sound rule");
    assert_eq!(driver.post("/api/v1/endpoint", device()).await.status, 504);
    assert_eq!(devices(&driver), 2, "it happened all the same");
    driver.simulator.clear_faults();
    let rule = json!({"status": 429, "retry_after": 7, "nth": 1});
    assert_eq!(driver.post("/simulator/faults", rule).await.status, 204);
    let slow = driver.get("/api/v1/country").await;
    assert_eq!((slow.status, slow.header("retry-after")), (429, "7"));
    assert_eq!(driver.get("/api/v1/country").await.status, 200);
    assert_eq!(driver.post("/simulator/faults", json!({"colour": 1})).await.status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_delay_holds_the_answer_back() {
    let driver = Driver::example().await;
    driver.simulator.fault(Fault { delay: Some("30s".to_owned()), ..creates() }).expect("a sound rule");
    let start = tokio::time::Instant::now();
    assert_eq!(driver.post("/api/v1/endpoint", device()).await.status, 201);
    assert_eq!(start.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn in_memory_a_reset_is_a_marked_answer_whose_body_fails() {
    let driver = Driver::example().await;
    driver.simulator.fault(Fault { reset: true, commit: true, ..creates() }).expect("a sound rule");
    let request = Request::post("/api/v1/endpoint")
        .header("authorization", format!("Bearer {}", driver.token))
        .body(Body::from(device().to_string()))
        .expect("a request");
    let response = driver.simulator.router().oneshot(request).await.expect("a router never fails");
    assert!(response.extensions().get::<Reset>().is_some());
    assert!(response.into_body().collect().await.is_err(), "the body breaks off");
    assert_eq!(devices(&driver), 2, "the effect had come before");
    assert_eq!(driver.simulator.requests().log.last().map(|entry| entry.status), Some(0));
}

#[tokio::test]
async fn over_tcp_a_reset_cuts_the_connection_and_a_truncated_body_breaks_off() {
    let driver = Driver::example().await;
    let served = driver.simulator.serve("127.0.0.1:0").await.expect("a free port");
    let client = reqwest::Client::new();
    let create = || {
        client
            .post(format!("{}/api/v1/endpoint", served.url()))
            .bearer_auth(&driver.token)
            .body(device().to_string())
            .send()
    };
    driver.simulator.fault(Fault { reset: true, ..creates() }).expect("a sound rule");
    assert!(create().await.is_err(), "no answer comes");
    assert_eq!(devices(&driver), 1, "cut before the effect");
    driver.simulator.clear_faults();
    driver.simulator.fault(Fault { truncate: true, ..creates() }).expect("a sound rule");
    let answer = create().await;
    let body = match answer {
        Ok(answer) => answer.bytes().await.map(drop),
        Err(error) => Err(error),
    };
    assert!(body.is_err(), "half an answer is an error");
    assert_eq!(devices(&driver), 2, "the effect had come before");
    driver.simulator.clear_faults();
    let answer = create().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    let location = answer.headers()["location"].to_str().expect("text").to_owned();
    assert!(location.starts_with(&served.url()), "Location is absolute: {location}");
    let url = served.url();
    drop(served);
    assert!(
        client.get(format!("{url}/simulator/clock")).send().await.is_err(),
        "dropping it closes the port"
    );
}

#[tokio::test(start_paused = true)]
async fn the_clock_moves_dates_and_log_entries() {
    let start = "2026-03-01T12:00:00Z".parse().expect("a date");
    let driver = Driver::start(Options { start: Some(start), ..Options::default() }).await;
    let moved = driver.post("/simulator/clock", json!({"advance": "10m"})).await;
    assert_eq!(moved.body["now"], "2026-03-01T12:10:00Z");
    assert_eq!(driver.get("/api/v1/country").await.header("date"), "Sun, 01 Mar 2026 12:10:00 GMT");
    assert_eq!(driver.post("/simulator/clock", json!({"advance": "soon"})).await.status, 400);
    assert_eq!(driver.post("/simulator/clock", json!({"set": "2026-04-01T00:00:00Z"})).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn one_window_holds_for_all_workspaces_of_a_source() {
    let mut driver = Driver::start(Options { limits: Limits::Real, ..Options::default() }).await;
    for _ in 0..1_998 {
        assert_eq!(driver.get("/api/v1/country").await.status, 200);
    }
    driver.login("other-token").await;
    let refused = driver.get("/api/v1/country").await;
    assert_eq!(refused.status, 429, "the 2001st request of the source");
    assert_eq!(refused.header("retry-after"), "");
}

#[tokio::test(start_paused = true)]
async fn each_service_frames_its_answers_in_its_own_way() {
    let driver = Driver::example().await;
    let java = driver.get("/api/v1/sim").await;
    assert_eq!(java.header("content-type"), "application/json; charset=UTF-8");
    let express = driver.get("/api/v1/endpoint").await;
    assert_eq!(express.header("content-type"), "application/json; charset=utf-8");
    assert!(express.header("etag").starts_with("W/"));
    assert_eq!(express.header("x-count"), "1", "nine headers since 2024");
    let before = Driver::start(Options { dialect: Dialect::D2022, ..Options::default() }).await;
    let java = before.get("/api/v1/endpoint").await;
    assert_eq!(java.header("content-type"), "application/json; charset=UTF-8");
    assert!(java.headers.get("x-count").is_none(), "five headers before");
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_for_thirty_days() {
    let driver = Driver::example().await;
    driver.simulator.device(METER, Signal::Attach).expect("a sound device");
    driver.simulator.advance(Duration::from_secs(30 * 24 * 3600));
    assert_eq!(driver.event_types(), [1, 2], "on the thirtieth day they are there");
    driver.simulator.advance(Duration::from_secs(1));
    assert_eq!(driver.event_types(), Vec::<u64>::new());
}

#[tokio::test(start_paused = true)]
async fn assigning_a_sim_activates_it_where_the_switch_says_so() {
    let driver = Driver::start(Options { auto_activate: Some(true), ..Options::default() }).await;
    let mut body = device();
    body["status"] = json!({"id": 0});
    body["sim"] = json!({"id": 10_000_001});
    assert_eq!(driver.post("/api/v1/endpoint", body).await.body["sim"]["status"]["id"], 1);
}
