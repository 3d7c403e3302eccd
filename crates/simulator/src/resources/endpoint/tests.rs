use std::time::Duration;

use serde_json::{Value, json};

use crate::state::SimState;
use crate::testing::Driver;
use crate::{Bulk, Dialect, Limits, Options, Signal, Sources};

const METER: u64 = 11_000_001;

fn wanted(name: &str) -> Value {
    json!({
        "name": name,
        "status": {"id": 0.0, "description": "ignored"},
        "service_profile": {"id": 101},
        "tariff_profile": {"id": 201, "extra": true},
    })
}

fn with_sim(name: &str, sim: Value) -> Value {
    let mut body = wanted(name);
    body["sim"] = sim;
    body
}

async fn dialect(dialect: Dialect) -> Driver {
    Driver::start(Options { dialect, ..Options::default() }).await
}

fn sim_state(driver: &Driver, sim: u64) -> SimState {
    driver.simulator.inspect(|state| state.organisations[&1001].sims[&sim].status)
}

#[tokio::test(start_paused = true)]
async fn a_create_answers_with_the_object_in_2026_and_with_nothing_before() {
    let driver = Driver::example().await;
    let made = driver.post("/api/v1/endpoint", wanted("new")).await;
    assert_eq!(made.status, 201);
    assert!(made.header("location").starts_with("http"), "Location is absolute");
    assert_eq!(made.body["id"], json!(made.new_id()));
    assert_eq!(made.body["ip_address"], "10.199.0.2", "the lowest free address");
    assert_eq!(made.body["sim"], Value::Null, "no SIM");
    let before = dialect(Dialect::D2022).await;
    let made = before.post("/api/v1/endpoint", wanted("new")).await;
    assert_eq!((made.status, &made.body), (201, &Value::Null));
    assert_eq!(made.header("content-type"), "application/json");
    let path = format!("/api/v1/endpoint/{}", made.new_id());
    assert_eq!(before.get(&path).await.body["name"], "new");
}

#[tokio::test(start_paused = true)]
async fn assigning_a_sim_activates_it_in_2022_only() {
    let sim = json!({"id": 10_000_001});
    let before = dialect(Dialect::D2022).await;
    before.post("/api/v1/endpoint", with_sim("new", sim.clone())).await;
    assert_eq!(sim_state(&before, 10_000_001), SimState::Activated);
    assert_eq!(before.event_types(), [8, 51], "activation, then assignment");
    let today = Driver::example().await;
    today.post("/api/v1/endpoint", with_sim("new", sim)).await;
    assert_eq!(sim_state(&today, 10_000_001), SimState::Issued);
    let explicit = json!({"id": 10_000_002, "activate": true});
    today.post("/api/v1/endpoint", with_sim("other", explicit)).await;
    assert_eq!(sim_state(&today, 10_000_002), SimState::Activated);
}

#[tokio::test(start_paused = true)]
async fn activation_leads_to_factory_test_where_the_organisation_has_it() {
    let driver = Driver::example().await;
    driver
        .simulator
        .edit(|state| state.organisations.get_mut(&1001).expect("it").factory_test = true)
        .expect("still sound");
    let sim = json!({"id": 10_000_001, "activate": true});
    let made = driver.post("/api/v1/endpoint", with_sim("new", sim)).await.new_id();
    assert_eq!(sim_state(&driver, 10_000_001), SimState::FactoryTest);
    let path = format!("/api/v1/endpoint/{made}");
    driver.patch(&path, json!({"status": {"id": 1}})).await;
    assert_eq!(sim_state(&driver, 10_000_001), SimState::Activated, "a status change ends Factory Test");
    assert_eq!(driver.event_types(), [45, 51, 43, 8]);
}

#[tokio::test(start_paused = true)]
async fn ten_messages_end_factory_test() {
    let driver = Driver::example().await;
    driver
        .simulator
        .edit(|state| {
            let org = state.organisations.get_mut(&1001).expect("it");
            org.sims.get_mut(&10_000_003).expect("its SIM").status = SimState::FactoryTest;
        })
        .expect("still sound");
    driver.simulator.device(METER, Signal::Attach).expect("a sound device");
    let path = format!("/api/v1/endpoint/{METER}/sms");
    for _ in 0..9 {
        driver.post(&path, json!({"payload": "x"})).await;
    }
    assert_eq!(sim_state(&driver, 10_000_003), SimState::FactoryTest);
    driver.post(&path, json!({"payload": "x"})).await;
    assert_eq!(sim_state(&driver, 10_000_003), SimState::Activated);
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_wrong_is_named_in_nested_errors() {
    let driver = Driver::example().await;
    let refused = driver.post("/api/v1/endpoint", json!({"name": "x"})).await;
    assert_eq!((refused.status, &refused.body["error_code"]), (422, &json!(1400)));
    assert_eq!(refused.body["status_code"], 422, "shape G");
    let codes = refused.body["errors"].as_array().expect("errors").iter().map(|e| e["error_code"].clone());
    assert_eq!(codes.collect::<Vec<_>>(), [json!(1402), json!(1402), json!(1402)]);
    let mut body = wanted("x");
    body["service_profile"] = json!({"id": 999});
    let refused = driver.post("/api/v1/endpoint", body).await;
    assert_eq!(refused.body["errors"][0]["error_code"], 1401);
    let taken = driver.post("/api/v1/endpoint", with_sim("x", json!({"id": 10_000_003}))).await;
    assert_eq!(taken.status, 422, "a SIM belongs to one device");
    let lone = json!({"ip_address": "10.199.0.9"});
    let refused = driver.patch(&format!("/api/v1/endpoint/{METER}"), lone).await;
    assert_eq!(refused.body["errors"][0]["error_code"], 1402, "an address needs its space");
}

#[tokio::test(start_paused = true)]
async fn addresses_run_out_with_404_and_1601_and_come_back() {
    let driver = Driver::example().await;
    let space = driver
        .post(
            "/api/v1/ip_address_space",
            json!({"ip_address_space": "10.200.0.0/28", "ip_address_version": 4}),
        )
        .await;
    let mut body = wanted("x");
    body["ip_address_space"] = json!({"id": space.body["id"]});
    let mut last = 0;
    for _ in 0..14 {
        last = driver.post("/api/v1/endpoint", body.clone()).await.new_id();
    }
    let full = driver.post("/api/v1/endpoint", body.clone()).await;
    assert_eq!((full.status, &full.body["error_code"]), (404, &json!(1601)));
    assert_eq!(driver.delete(&format!("/api/v1/endpoint/{last}")).await.status, 204);
    let again = driver.post("/api/v1/endpoint", body).await;
    assert_eq!(again.body["ip_address"], "10.200.0.14", "a freed address is used again");
}

#[tokio::test(start_paused = true)]
async fn a_patch_changes_what_it_names_and_existence_comes_first() {
    let driver = Driver::example().await;
    let missing = driver.patch("/api/v1/endpoint/1", json!({"status": {"id": 7}})).await;
    assert_eq!((missing.status, &missing.body["error_code"]), (404, &json!(1401)));
    assert_eq!(driver.patch("/api/v1/endpoint/x", json!({})).await.status, 400);
    let path = format!("/api/v1/endpoint/{METER}");
    assert_eq!(driver.patch(&path, json!({})).await.status, 204);
    let changes = json!({"tags": "a,b", "imei": "356789000000010f", "imei_lock": "1"});
    assert_eq!(driver.patch(&path, changes).await.status, 204);
    let row = driver.get(&path).await.body;
    assert_eq!(
        (&row["name"], &row["tags"], &row["imei_lock"]),
        (&json!("meter-1"), &json!("a,b"), &json!(true))
    );
    driver.patch(&path, json!({"tags": null})).await;
    assert_eq!(driver.get(&path).await.body["tags"], "", "cleared tags are empty, not null");
    assert_eq!(driver.patch(&path, json!({"status": {"id": 2}})).await.status, 422, "2 is not writable");
    assert_eq!(driver.event_types(), Vec::<u64>::new(), "no event without a change of status");
}

#[tokio::test(start_paused = true)]
async fn a_device_is_retired_in_the_order_of_the_sdk() {
    let driver = Driver::example().await;
    let path = format!("/api/v1/endpoint/{METER}");
    let held = driver.delete(&path).await;
    assert_eq!(held.status, 409, "not while a SIM is assigned");
    driver.patch("/api/v1/sim/10000003", json!({"status": {"id": 2}})).await;
    driver.patch(&path, json!({"status": {"id": 1}})).await;
    driver.patch(&path, json!({"sim": {"id": null}})).await;
    assert_eq!(driver.delete(&path).await.status, 204);
    assert_eq!(driver.get(&path).await.status, 404);
    assert_eq!(driver.delete(&path).await.status, 404);
    let sim = driver.get("/api/v1/sim/10000003").await.body;
    assert!(sim.get("endpoint").is_none(), "the SIM is free");
    assert_eq!(sim["status"]["id"], 2, "and stays suspended");
    assert_eq!(driver.event_types(), [9, 43, 50]);
}

#[tokio::test(start_paused = true)]
async fn lists_are_paged_clamped_and_filtered() {
    let driver = Driver::example().await;
    for number in 0..4 {
        driver.post("/api/v1/endpoint", wanted(&format!("d{number}"))).await;
    }
    let page = driver.get("/api/v1/endpoint?per_page=2&page=2").await;
    assert_eq!(page.body.as_array().map(Vec::len), Some(2));
    assert_eq!((page.header("x-total-count"), page.header("x-total-pages")), ("5", "3"));
    assert_eq!(page.header("x-current-page"), "2");
    let beyond = driver.get("/api/v1/endpoint?per_page=2&page=9").await;
    assert_eq!(beyond.header("x-current-page"), "3", "past the end is the last page again");
    assert_eq!(beyond.body.as_array().map(Vec::len), Some(1));
    assert_eq!(driver.get("/api/v1/endpoint?per_page=0").await.header("x-count-per-page"), "1000");
    assert_eq!(driver.get("/api/v1/endpoint?per_page=5000").await.header("x-count-per-page"), "1000");
    let sorted = driver.get("/api/v1/endpoint?sort=-name").await;
    assert_eq!(sorted.body[0]["name"], "meter-1");
    assert_eq!(sorted.body[1]["name"], "d3");
    let prefix = driver.get("/api/v1/endpoint?q=iccid:8988303,status:0").await;
    assert_eq!(prefix.body.as_array().map(Vec::len), Some(1), "an ICCID matches by prefix");
    let bad = driver.get("/api/v1/endpoint?q=color:red").await;
    assert_eq!((bad.status, &bad.body["error_code"]), (422, &json!(1301)));
    let bad = driver.get("/api/v1/endpoint?sort=color").await;
    assert_eq!((bad.status, &bad.body["error_code"]), (422, &json!(1302)));
}

#[tokio::test(start_paused = true)]
async fn bulk_calls_are_atomic_or_partial() {
    let items = |sims: [u64; 2]| {
        let mut body = wanted("unused");
        body["endpoints"] = json!([
            {"name": "a", "sim": {"id": sims[0], "activate": true}},
            {"name": "b", "sim": {"id": sims[1]}},
        ]);
        body
    };
    let driver = Driver::example().await;
    let before = driver.simulator.state();
    let refused = driver.post("/api/v2/endpoint/multi", items([10_000_001, 10_000_003])).await;
    assert_eq!(refused.status, 422);
    let after = driver.simulator.state();
    assert_eq!(before.organisations[&1001].endpoints, after.organisations[&1001].endpoints);
    assert_eq!(before.organisations[&1001].sims, after.organisations[&1001].sims);
    assert_eq!(driver.event_types(), Vec::<u64>::new(), "nothing happened");

    let made = driver.post("/api/v2/endpoint/multi", items([10_000_001, 10_000_002])).await;
    assert_eq!((made.status, &made.body[1]["name"]), (201, &json!("b")));
    let ids = [made.body[0]["id"].clone(), made.body[1]["id"].clone()];
    let patch = json!([{"id": ids[0], "name": "c"}, {"id": ids[1], "status": {"id": 1}}]);
    assert_eq!(driver.patch("/api/v2/endpoint/multi", patch).await.status, 204);
    let gone = json!([{"id": ids[0]}, {"id": ids[1]}]);
    assert_eq!(driver.call("DELETE", "/api/v2/endpoint/multi", gone.clone()).await.status, 204);
    assert_eq!(sim_state(&driver, 10_000_001), SimState::Suspended, "released and suspended");
    assert_eq!(driver.call("DELETE", "/api/v2/endpoint/multi", gone).await.status, 404);

    let partial = Driver::start(Options { bulk: Bulk::Partial, ..Options::default() }).await;
    partial.post("/api/v2/endpoint/multi", items([10_000_001, 10_000_003])).await;
    assert_eq!(partial.get("/api/v1/endpoint").await.body.as_array().map(Vec::len), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_second_write_at_the_same_time_finds_the_space_busy() {
    let options = Options { endpoint_write_time: Duration::from_secs(1), ..Options::default() };
    let driver = Driver::start(options).await;
    let (first, second) = tokio::join!(
        driver.post("/api/v1/endpoint", wanted("a")),
        driver.post("/api/v1/endpoint", wanted("b"))
    );
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 404]);
    assert_eq!(driver.post("/api/v1/endpoint", wanted("b")).await.status, 201, "later it works");
}

#[tokio::test(start_paused = true)]
async fn device_signals_move_connectivity_and_write_events() {
    let driver = Driver::example().await;
    let path = format!("/api/v1/endpoint/{METER}/connectivity");
    assert_eq!(driver.get(&path).await.body, json!({"status": {"description": "OFFLINE"}, "services": []}));
    driver.simulator.device(METER, Signal::Online).expect("a sound device");
    let online = driver.get(&path).await;
    assert_eq!(online.body["status"]["description"], "ONLINE");
    assert_eq!(online.header("x-amzn-remapped-server"), "nginx");
    assert!(online.body["pdp_context"]["rat_type"]["description"].is_string());
    assert!(online.body["location"]["operator"]["country"]["name"].is_string());
    driver.simulator.device(METER, Signal::Block).expect("a sound device");
    assert_eq!(driver.get(&path).await.body["status"]["description"], "BLOCKED");
    driver.simulator.device(METER, Signal::Attach).expect("a sound device");
    assert_eq!(driver.get(&path).await.body["status"]["description"], "ATTACHED");
    driver.simulator.device(METER, Signal::Offline).expect("a sound device");
    assert_eq!(driver.event_types(), [1, 2, 3, 5, 11, 15, 16]);
    let imei = driver.get(&format!("/api/v1/endpoint/{METER}")).await.body["imei"].clone();
    assert_eq!(imei.as_str().map(str::len), Some(16), "the network discovered the IMEI");
    let unknown = driver.simulator.device(1, Signal::Attach);
    assert!(unknown.is_err(), "there is no such device");
}

#[tokio::test(start_paused = true)]
async fn a_reset_makes_the_device_register_anew() {
    let driver = Driver::example().await;
    driver.simulator.device(METER, Signal::Online).expect("a sound device");
    let path = format!("/api/v1/endpoint/{METER}/connectivity");
    assert_eq!(driver.patch(&path, json!({"pdp_context": null})).await.status, 204);
    assert_eq!(driver.get(&path).await.body["status"]["description"], "ATTACHED");
    assert_eq!(driver.patch(&path, json!({"location": null})).await.status, 204);
    assert_eq!(driver.event_types(), [1, 2, 3, 68, 5, 68, 15, 16, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_device_or_a_sleeping_sim_finds_no_network() {
    let driver = Driver::example().await;
    driver.simulator.device(METER, Signal::Attach).expect("a sound device");
    driver.patch("/api/v1/sim/10000003", json!({"status": {"id": 2}})).await;
    assert!(driver.simulator.device(METER, Signal::Attach).is_err_and(|why| why.contains("Suspended")));
    let path = format!("/api/v1/endpoint/{METER}/connectivity");
    assert_eq!(driver.get(&path).await.body["status"]["description"], "OFFLINE");
}

#[tokio::test(start_paused = true)]
async fn messages_wait_for_the_device_expire_or_are_cancelled() {
    let driver = Driver::example().await;
    let path = format!("/api/v1/endpoint/{METER}/sms");
    let sent = driver.post(&path, json!({"payload": "one"})).await;
    assert_eq!((sent.status, &sent.body), (201, &Value::Null));
    assert_eq!(sent.header("content-type"), "text/html; charset=UTF-8", "the PHP dialect of nothing");
    let one = format!("{path}/{}", sent.new_id());
    assert_eq!(driver.get(&one).await.body["status"], json!({"id": 3, "description": "BUFFERED"}));
    assert_eq!(driver.delete(&one).await.status, 200);
    assert_eq!(driver.delete(&one).await.status, 409);
    driver.post(&path, json!({"payload": "two"})).await;
    driver.simulator.device(METER, Signal::Attach).expect("a sound device");
    driver.simulator.device(METER, Signal::Offline).expect("a sound device");
    driver.post(&path, json!({"payload": "three"})).await;
    driver.simulator.advance(Duration::from_secs(24 * 3600 + 10));
    let list = {
        let mut driver = driver;
        driver.login("example-token").await;
        driver.get(&path).await.body
    };
    let states: Vec<_> =
        list.as_array().expect("a list").iter().map(|sms| sms["status"]["id"].clone()).collect();
    assert_eq!(states, [json!(6), json!(4), json!(7)], "expired, delivered, cancelled");
    assert_eq!(list[0]["retry_count"], "0", "numbers come as text");
}

#[tokio::test(start_paused = true)]
async fn quotas_expire_and_refill() {
    let mut driver = Driver::example().await;
    let path = format!("/api/v1/endpoint/{METER}/quota/data");
    assert_eq!(driver.get(&path).await.status, 404);
    let expiry = driver.simulator.now() + jiff::SignedDuration::from_hours(60);
    let body = json!({
        "status": {"id": 1}, "volume": 5, "expiry_date": expiry.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        "action_on_exhaustion": {"id": 1}, "auto_refill": 1, "last_volume_added": 5,
    });
    assert_eq!(driver.post(&path, json!({"volume": 5})).await.status, 422);
    let set = driver.post(&path, body).await;
    assert_eq!((set.status, &set.body), (201, &Value::Null));
    driver.simulator.advance(Duration::from_secs(24 * 3600));
    driver.login("example-token").await;
    let quota = driver.get(&path).await.body;
    assert_eq!((&quota["volume"], &quota["auto_refill"]), (&json!(10.0), &json!(1)), "refilled at midnight");
    driver.simulator.advance(Duration::from_secs(36 * 3600));
    driver.login("example-token").await;
    assert_eq!(driver.get(&path).await.body["status"], json!({"id": 3, "description": "EXPIRED"}));
    assert_eq!(driver.event_types(), [56, 60]);
    assert_eq!(driver.delete(&path).await.status, 204);
    assert_eq!(driver.delete(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_quota_changes_that_part_unless_all_of_it_is_required() {
    let path = format!("/api/v1/endpoint/{METER}/quota/data");
    for sources in [Sources::Observed, Sources::Published] {
        let driver = Driver::start(Options { sources, ..Options::default() }).await;
        let expiry = driver.simulator.now() + jiff::SignedDuration::from_hours(60);
        let body = json!({
            "status": {"id": 1}, "volume": 5, "expiry_date": expiry.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            "action_on_exhaustion": {"id": 1}, "threshold_percentage": 20,
        });
        assert_eq!(driver.post(&path, json!({"volume": 7})).await.status, 422, "there is none to change");
        assert_eq!(driver.post(&path, body).await.status, 201);
        let before = driver.get(&path).await.body;
        let part = driver.post(&path, json!({"volume": 7})).await.status;
        let after = driver.get(&path).await.body;
        if sources == Sources::Published {
            assert_eq!((part, &after), (422, &before), "the schema requires every field");
            continue;
        }
        assert_eq!((part, &after["volume"], &after["last_volume_added"]), (201, &json!(7.0), &json!(7.0)));
        for kept in ["status", "expiry_date", "threshold_percentage", "action_on_exhaustion"] {
            assert_eq!(after[kept], before[kept], "{kept} stays");
        }
        assert_eq!(after["status"]["description"], "ACTIVE");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_blacklisted_once() {
    let driver = Driver::example().await;
    let path = format!("/api/v1/endpoint/{METER}/operator_blacklist/2");
    let operator = crate::reference_data::Operator::all()[0].id;
    let path = path.replace("/2", &format!("/{operator}"));
    assert_eq!(driver.put(&path).await.status, 204);
    let again = driver.put(&path).await;
    assert_eq!((again.status, &again.body["error_code"]), (409, &json!(1405)));
    let list = driver.get(&format!("/api/v1/endpoint/{METER}/operator_blacklist")).await;
    assert_eq!(list.body[0]["id"], json!(operator));
    assert_eq!(driver.delete(&path).await.status, 204);
    assert_eq!(driver.delete(&path).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_limit_extension_unblocks_until_the_end_of_the_month() {
    let mut driver = Driver::example().await;
    let limit = json!({"service": {"id": 38}, "period": {"id": 2}, "volume": 1_000_000});
    let added = driver.post("/api/v1/service_profile/101/traffic_limit", limit).await;
    assert_eq!(added.status, 201);
    driver.simulator.device(METER, Signal::Block).expect("a sound device");
    let path = format!("/api/v1/endpoint/{METER}/traffic_limit_extension");
    assert_eq!(driver.post(&path, json!({})).await.status, 400);
    assert_eq!(driver.post(&path, json!({"volume": 10})).await.status, 201);
    let connectivity = driver.get(&format!("/api/v1/endpoint/{METER}/connectivity")).await;
    assert_ne!(connectivity.body["status"]["description"], "BLOCKED");
    assert_eq!(driver.get(&path).await.body.as_array().map(Vec::len), Some(1));
    driver.simulator.advance(Duration::from_secs(32 * 24 * 3600));
    driver.login("example-token").await;
    assert_eq!(driver.get(&path).await.body, json!([]), "it ends with the month");
}

#[tokio::test(start_paused = true)]
async fn listing_devices_has_a_burst_of_five_and_ten_a_second() {
    let driver = Driver::start(Options { limits: Limits::Real, ..Options::default() }).await;
    for _ in 0..5 {
        assert_eq!(driver.get("/api/v1/endpoint").await.status, 200);
    }
    assert_eq!(driver.get("/api/v1/endpoint").await.status, 429);
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(driver.get("/api/v1/endpoint").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_sims_state_can_be_patched_through_its_device() {
    let driver = Driver::example().await;
    let path = format!("/api/v1/endpoint/{METER}");
    assert_eq!(driver.patch(&path, json!({"sim": {"status": {"id": 2}}})).await.status, 204);
    assert_eq!(driver.get(&path).await.body["sim"]["status"]["id"], 2, "it keeps its SIM");
    assert_eq!(driver.patch(&path, json!({"sim": {"status": {"id": 0}}})).await.status, 422, "illegal step");
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_late_still_holds_the_space() {
    let driver = Driver::example().await;
    let late = crate::Fault {
        route: Some("/api/v1/endpoint".to_owned()),
        nth: Some(1),
        commit: true,
        delay: Some("30s".to_owned()),
        ..crate::Fault::default()
    };
    driver.simulator.fault(late).expect("a sound rule");
    let impatient =
        tokio::time::timeout(Duration::from_secs(10), driver.post("/api/v1/endpoint", wanted("a")));
    assert!(impatient.await.is_err(), "the client gave up");
    assert_eq!(
        driver.post("/api/v1/endpoint", wanted("b")).await.status,
        404,
        "the first is still under way"
    );
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(driver.post("/api/v1/endpoint", wanted("b")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn an_observers_token_reads_and_writes_nothing() {
    let driver = Driver::example().await;
    driver
        .simulator
        .edit(|state| {
            let org = state.organisations.get_mut(&1001).expect("it");
            org.application_tokens.get_mut(&501).expect("its token").roles = vec![3];
        })
        .expect("still sound");
    assert_eq!(driver.get("/api/v1/endpoint").await.status, 200);
    let refused = driver.post("/api/v1/endpoint", wanted("a")).await;
    assert_eq!((refused.status, &refused.body["error_code"]), (403, &json!(1104)));
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_on_when_its_client_has_gone() {
    let driver = Driver::example().await;
    let slow = crate::Fault {
        route: Some("/api/v1/endpoint".to_owned()),
        delay: Some("30s".to_owned()),
        ..crate::Fault::default()
    };
    driver.simulator.fault(slow).expect("a sound rule");
    let create = driver.post("/api/v1/endpoint", wanted("a"));
    assert!(tokio::time::timeout(Duration::from_secs(10), create).await.is_err(), "the client gave up");
    tokio::time::sleep(Duration::from_secs(25)).await;
    let made = driver.simulator.inspect(|state| state.organisations[&1001].endpoints.len());
    assert_eq!(made, 2, "the write took effect all the same");
    assert_eq!(driver.simulator.requests().count("POST", "/api/v1/endpoint"), 1, "and was counted");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_kilobytes_end_factory_test_and_show_in_statistics() {
    let driver = Driver::example().await;
    let stats = format!("/api/v1/endpoint/{METER}/stats");
    let quiet = driver.get(&stats).await.body;
    assert_eq!(quiet["last_hour"]["data"]["volume"], "0.000000", "the hour is there");
    assert_eq!(quiet.as_object().map(serde_json::Map::len), Some(1), "months without traffic are missing");
    let free = driver.get("/api/v1/sim/10000001/stats").await.body[0].clone();
    assert!(["last_month", "current_month", "last_hour"].iter().all(|key| free[key].is_object()), "{free}");
    driver
        .simulator
        .edit(|state| {
            let org = state.organisations.get_mut(&1001).expect("it");
            org.sims.get_mut(&10_000_003).expect("its SIM").status = SimState::FactoryTest;
        })
        .expect("still sound");
    driver.simulator.device(METER, Signal::Online).expect("a sound device");
    driver.simulator.advance(Duration::from_secs(200));
    driver.simulator.device(METER, Signal::Detach).expect("a sound device");
    assert_eq!(sim_state(&driver, 10_000_003), SimState::Activated);
    let month = driver.get(&stats).await.body["current_month"].clone();
    assert_eq!(month["data"]["volume"], "0.200000", "MB, as text");
    let today = crate::rules::dates::day(driver.simulator.now());
    assert_eq!(month["data"]["month"], today.first_of_month().to_string());
    let hour = driver.get(&stats).await.body["last_hour"]["data"].clone();
    assert!(hour["volume"] == "0.200000" && hour.get("month").is_none(), "{hour}");
    let day = driver.get(&format!("{stats}/daily")).await.body[0].clone();
    assert_eq!(
        (&day["data"]["traffic_type"]["id"], &day["sms"]["traffic_type"]["id"]),
        (&json!(5), &json!(6))
    );
    assert_eq!(day["data"]["currency"]["code"], "EUR");
    let sim = driver.get("/api/v1/sim/10000003/stats").await.body;
    assert_eq!(sim[0]["current_month"], month, "a SIM's statistics are an array of one");
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_is_told_and_cuts_off() {
    let driver = Driver::example().await;
    let expiry = driver.simulator.now() + jiff::SignedDuration::from_hours(600);
    let quota = json!({
        "status": {"id": 1}, "volume": 0.1, "expiry_date": expiry.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        "action_on_exhaustion": {"id": 1}, "threshold_percentage": 50,
    });
    let path = format!("/api/v1/endpoint/{METER}/quota/data");
    assert_eq!(driver.post(&path, quota).await.status, 201);
    driver.patch("/api/v1/service_profile/101", json!({"apply_data_quota": true})).await;
    driver.simulator.device(METER, Signal::Online).expect("it has a quota");
    driver.simulator.advance(Duration::from_secs(200));
    driver.simulator.device(METER, Signal::Detach).expect("a sound device");
    let left = driver.get(&path).await.body;
    assert_eq!(left["status"], json!({"id": 2, "description": "EXHAUSTED"}));
    assert!(left["volume"].as_f64().is_some_and(|volume| volume < 0.0), "slightly negative");
    let types = driver.event_types();
    assert!(types.ends_with(&[5, 18, 19]), "threshold, then used up: {types:?}");
    assert!(driver.simulator.device(METER, Signal::Online).is_err_and(|why| why.contains("quota")));
}

#[tokio::test(start_paused = true)]
async fn bulk_calls_have_a_size_and_may_delete_sims() {
    let driver = Driver::example().await;
    let many: Vec<_> = (0..2_001).map(|id| json!({"id": id})).collect();
    assert_eq!(driver.patch("/api/v2/endpoint/multi", many.into()).await.status, 400);
    let path = "/api/v2/endpoint/multi?delete_sims=true";
    assert_eq!(driver.call("DELETE", path, json!([{"id": METER}])).await.status, 204);
    assert_eq!(sim_state(&driver, 10_000_003), SimState::Deleted);
    assert_eq!(driver.get(&format!("/api/v1/endpoint/{METER}")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_wanted_address_must_lie_in_its_space_and_be_free() {
    let driver = Driver::example().await;
    let at = |address: &str| {
        let mut body = wanted("x");
        body["ip_address"] = json!(address);
        body["ip_address_space"] = json!({"id": 31});
        body
    };
    assert_eq!(driver.post("/api/v1/endpoint", at("10.199.0.77")).await.body["ip_address"], "10.199.0.77");
    let taken = driver.post("/api/v1/endpoint", at("10.199.0.77")).await;
    assert_eq!(taken.body["errors"][0]["error_code"], 1405);
    let outside = driver.post("/api/v1/endpoint", at("10.198.0.1")).await;
    assert_eq!(outside.body["errors"][0]["error_code"], 1403);
}
