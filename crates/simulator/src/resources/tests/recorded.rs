//! Shapes and words as they were recorded from the API, key by key.

use serde_json::{Value, json};

use crate::testing::Driver;
use crate::{Dialect, Options, Signal, Sources};

const METER: u64 = 11_000_001;

async fn of(dialect: Dialect) -> Driver {
    Driver::start(Options { dialect, ..Options::default() }).await
}

async fn published() -> Driver {
    Driver::start(Options { sources: Sources::Published, ..Options::default() }).await
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Whether these keys are written in this order.
fn in_order(text: &str, keys: &[&str]) -> bool {
    let places: Vec<_> = keys.iter().map(|key| text.find(&format!("\"{key}\":"))).collect();
    places.iter().all(Option::is_some) && places.is_sorted()
}

#[tokio::test(start_paused = true)]
async fn the_sim_of_a_device_has_five_fields_in_2022_and_seven_since_2024() {
    for (dialect, expected) in [
        (Dialect::D2022, vec!["iccid", "id", "imsi", "msisdn", "status"]),
        (
            Dialect::D2024,
            vec!["iccid", "iccid_with_luhn", "id", "imsi", "msisdn", "sim_profile_type_id", "status"],
        ),
        (
            Dialect::D2026,
            vec!["iccid", "iccid_with_luhn", "id", "imsi", "msisdn", "sim_profile_type_id", "status"],
        ),
    ] {
        let driver = of(dialect).await;
        let detail = driver.get("/api/v1/endpoint/11000001").await.body;
        for row in [&driver.get("/api/v1/endpoint").await.body[0], &detail] {
            assert_eq!(keys(&row["sim"]), expected, "{dialect:?}");
        }
        if dialect > Dialect::D2022 {
            let sim = &detail["sim"];
            assert_eq!(sim["iccid"].as_str().map(str::len), Some(19), "without the check digit");
            assert_eq!(sim["iccid_with_luhn"].as_str().map(str::len), Some(20), "as printed");
            assert_eq!(sim["sim_profile_type_id"], 1);
        }
        let satellite = detail["tariff_profile"].get("satellite_capable");
        assert_eq!(satellite, (dialect > Dialect::D2022).then_some(&json!(false)), "{dialect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_created_device_without_a_sim_shows_that() {
    let driver = Driver::example().await;
    let shared = json!({
        "status": {"id": 0}, "service_profile": {"id": 101}, "tariff_profile": {"id": 201}, "endpoints": [{"name": "a"}],
    });
    let made = driver.post("/api/v2/endpoint/multi", shared).await;
    assert_eq!(made.body[0].get("sim"), Some(&Value::Null), "the key is there [S]");
    let listed = driver.get(&format!("/api/v1/endpoint?q=id:{}", made.body[0]["id"])).await;
    assert_eq!(listed.body[0].get("sim"), None, "but not in listings [R]");
}

#[tokio::test(start_paused = true)]
async fn a_device_created_with_a_sim_has_both_events_and_they_name_the_sim_only() {
    let body = json!({
        "name": "new", "status": {"id": 0}, "service_profile": {"id": 101}, "tariff_profile": {"id": 201},
        "sim": {"id": 10_000_001},
    });
    let driver = of(Dialect::D2022).await;
    let made = driver.post("/api/v1/endpoint", body.clone()).await.new_id();
    let log = driver.get(&format!("/api/v1/endpoint/{made}/event")).await;
    let events = log.body.as_array().expect("a list");
    let types: Vec<_> = events.iter().map(|event| event["event_type"]["id"].clone()).collect();
    assert_eq!(types, [json!(8), json!(51)], "both are in the log of the device");
    for event in events {
        assert_eq!(event.get("endpoint"), None, "no endpoint key");
        assert_eq!(
            (&event["sim"]["id"], &event["imsi"]["imsi"]),
            (&json!(10_000_001), &json!("901430000000001"))
        );
    }
    assert_eq!(events[0]["description"], "Status of SIM changed from 'Issued' to 'Activated'");
    assert_eq!(events[0].get("detail"), None);
    assert_eq!(events[1]["description"], format!("SIM 10000001 assigned to endpoint {made}"));
    assert_eq!(events[1]["detail"], json!({}));
    let order = [
        "timestamp",
        "alert",
        "description",
        "id",
        "event_type",
        "event_source",
        "organisation",
        "sim",
        "imsi",
    ];
    assert!(in_order(&log.text, &order), "{}", log.text);

    let documented = published().await;
    let mut body = body;
    body["sim"]["activate"] = true.into();
    documented.post("/api/v1/endpoint", body).await;
    let log = documented.get("/api/v1/event").await.body;
    for event in log.as_array().expect("a list") {
        assert_eq!(event["endpoint"]["name"], "new", "the documentation's samples name the device");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sim_shows_its_organisations_with_their_countries() {
    let driver = Driver::example().await;
    driver
        .simulator
        .edit(|state| {
            let sim = state.organisations.get_mut(&1001).and_then(|org| org.sims.get_mut(&10_000_001));
            let sim = sim.expect("the example's");
            sim.issuer_org = Some(2);
            sim.reseller_org = Some(1002);
        })
        .expect("still sound");
    let sim = driver.get("/api/v1/sim/10000001").await.body;
    let germany = json!({"id": 74, "name": "Germany"});
    assert_eq!(sim["customer_org"], json!({"id": 1001, "name": "Example", "country": germany}));
    assert_eq!(sim["issuer_org"], json!({"id": 2, "name": "org2", "country": germany}));
    assert_eq!(sim["reseller_org"]["name"], "Other");
    assert_eq!(sim["model"]["memory_size"], 128, "a number");
    for (q, found) in [
        ("issuer_org:2", 1),
        ("issuer_org:1001", 2),
        ("reseller_org:1002", 1),
        ("reseller_org:1001", 2),
        ("issuer_org:7", 0),
    ] {
        let rows = driver.get(&format!("/api/v1/sim?q={q}")).await.body;
        assert_eq!(rows.as_array().map(Vec::len), Some(found), "{q} finds what the rows show");
    }
    let before = of(Dialect::D2022).await.get("/api/v1/sim/10000001").await.body;
    assert_eq!(before.get("reseller_org"), None);
}

#[tokio::test(start_paused = true)]
async fn blocked_operators_are_listed_by_id() {
    let driver = Driver::example().await;
    let mut ids: Vec<u64> = crate::reference_data::Operator::all().iter().map(|one| one.id).take(5).collect();
    ids.sort_unstable();
    let path = format!("/api/v1/endpoint/{METER}/operator_blacklist");
    for id in ids.iter().rev() {
        assert_eq!(driver.put(&format!("{path}/{id}")).await.status, 204);
    }
    let listed = driver.get(&path).await.body;
    let listed: Vec<_> = listed.as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
    assert_eq!(listed, ids, "not in the order in which they were blocked");
    let again = driver.put(&format!("{path}/{}", ids[0])).await.body["message"].clone();
    assert_eq!(
        again,
        format!("Operator with Id '{}' is already blacklisted on Endpoint with Id '{METER}'.", ids[0])
    );
}

#[tokio::test(start_paused = true)]
async fn ids_that_nothing_has_are_told_like_unknown_ones() {
    let driver = Driver::example().await;
    for (path, what) in [
        ("/api/v1/endpoint/-1", "Endpoint with Id '-1' not found."),
        ("/api/v1/endpoint/7", "Endpoint with Id '7' not found."),
        ("/api/v1/endpoint/-1/connectivity", "Endpoint with Id '-1' not found."),
        ("/api/v1/sim/-1", "SIM with Id '-1' not found."),
        ("/api/v1/sim/7", "SIM with Id '7' not found."),
    ] {
        let missing = driver.get(path).await;
        assert_eq!((missing.status, &missing.body["error_code"]), (404, &json!(1401)), "{path}");
        assert_eq!(missing.body["message"], what);
    }
    let missing = driver.patch("/api/v1/endpoint/-1", json!({})).await;
    assert_eq!((missing.status, &missing.body["error_code"]), (404, &json!(1401)));
    let unreadable = driver.patch("/api/v1/endpoint/None", json!({})).await;
    assert_eq!((unreadable.status, &unreadable.body["error_code"]), (400, &json!(1000)));
    assert_eq!(unreadable.body["message"], "Cannot parse parameter id as Long: For input string: \"None\"");
}

#[tokio::test(start_paused = true)]
async fn references_that_cannot_be_are_nested_errors() {
    let driver = Driver::example().await;
    let path = format!("/api/v1/endpoint/{METER}");
    let refused = driver.patch(&path, json!({"service_profile": {"id": -1}})).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.text,
        r#"{"error_code":1400,"error_token":"InputValidationFailed","message":"Update endpoint validation error","errors":[{"error_code":1401,"error_token":"InvalidReference","message":"Service profile with Id '-1' not found."}]}"#,
        "as recorded, byte for byte"
    );
    for field in ["tariff_profile", "sim", "ip_address_space"] {
        let refused = driver.patch(&path, json!({field: {"id": -1}})).await;
        assert_eq!(refused.body["errors"][0]["error_code"], 1401, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_not_sorted_is_sorted_by_id_and_a_plus_ascends() {
    let driver = Driver::example().await;
    for list in ["endpoint", "sim", "event"] {
        assert_eq!(driver.get(&format!("/api/v1/{list}")).await.header("x-sort"), "id", "{list}");
    }
    for plus in ["%2B", "+"] {
        let rows = driver.get(&format!("/api/v1/sim?sort={plus}iccid")).await;
        assert_eq!((rows.status, &rows.body[0]["id"]), (200, &json!(10_000_001)));
    }
    assert_eq!(driver.get("/api/v1/sim?sort=-iccid").await.header("x-sort"), "-iccid");
}

#[tokio::test(start_paused = true)]
async fn keys_are_written_in_the_recorded_order() {
    let before = of(Dialect::D2022).await.get("/api/v1/endpoint").await.text;
    assert!(
        in_order(&before, &["id", "name", "tags", "created", "status", "sim", "imei", "imei_lock"]),
        "{before}"
    );
    let since = of(Dialect::D2024).await.get("/api/v1/endpoint").await.text;
    let order =
        ["id", "created", "last_updated", "name", "imei_lock", "status", "tariff_profile", "sim", "imsi"];
    assert!(in_order(&since, &order), "{since}");
    let sims = Driver::example().await.get("/api/v1/sim/10000003").await.text;
    let order = [
        "id",
        "iccid",
        "production_date",
        "customer_org",
        "issuer_org",
        "endpoint",
        "imsi",
        "msisdn",
        "model",
    ];
    assert!(in_order(&sims, &order), "{sims}");
}

#[tokio::test(start_paused = true)]
async fn the_front_door_signs_every_answer() {
    let mut driver = Driver::example().await;
    let rows = driver.get("/api/v1/endpoint").await;
    for (name, value) in [
        ("server", "CloudFront"),
        ("x-cache", "Miss from cloudfront"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(rows.header(name), value, "{name}");
    }
    let changed = driver.patch(&format!("/api/v1/endpoint/{METER}"), json!({})).await;
    assert_eq!((changed.status, changed.header("content-length")), (204, "0"));
    let first = rows.header("x-amzn-requestid").to_owned();
    assert_ne!(first, changed.header("x-amzn-requestid"), "every call has its own");
    let connectivity = driver.get(&format!("/api/v1/endpoint/{METER}/connectivity")).await;
    assert!(connectivity.header("p3p").starts_with("CP="));
    assert_eq!(connectivity.header("expires"), connectivity.header("date"));
    driver.token = "None".to_owned();
    let refused = driver.get("/api/v1/endpoint").await;
    assert_eq!(refused.text, r#"{"message":"token contains an invalid number of segments"}"#);
    assert_eq!(refused.header("x-amzn-errortype"), "AccessDeniedException");
    assert_eq!(refused.header("x-cache"), "Error from cloudfront");
}

#[tokio::test(start_paused = true)]
async fn a_session_tells_its_tunnel_and_where_it_is_charged() {
    let driver = Driver::example().await;
    driver.simulator.device(METER, Signal::Online).expect("a sound device");
    let session =
        driver.get(&format!("/api/v1/endpoint/{METER}/connectivity")).await.body["pdp_context"].clone();
    for key in [
        "ratezone_id",
        "imsi_id",
        "teid_data_plane",
        "teid_control_plane",
        "sgsn_control_plane_ip_address",
        "sgsn_data_plane_ip_address",
        "ggsn_control_plane_ip_address",
        "ggsn_data_plane_ip_address",
        "sac",
        "rac",
    ] {
        assert!(session[key].is_string(), "{key}: {session}");
    }
    assert_eq!(session["ratezone_id"], "71", "the selected zone that has the operator");
}

#[tokio::test(start_paused = true)]
async fn the_organisation_is_nested_as_sampled_and_flat_as_published() {
    let flat = published().await.get("/api/v1/organisation/my").await.body;
    assert_eq!((&flat["id"], &flat["name"]), (&json!(1001), &json!("Example")));
    for key in ["organisation_type_id", "country_id", "organisation_status_id", "brand_id"] {
        assert!(flat[key].is_string(), "{key}");
    }
    assert!(flat["currency_id"].is_u64() && flat.get("country").is_none());
    let driver = Driver::example().await;
    assert_eq!(driver.get("/api/v1/organisation/my").await.body["country"]["id"], 74);
    let plan = driver.get("/api/v1/organisation/1001/tariff_plan").await.body[0]["tariff_plan"].clone();
    assert_eq!(
        (&plan["api_access_allowed"], &plan["vpn_access"]),
        (&json!(1), &json!(1)),
        "numbers in the list"
    );
    let active = driver.get("/api/v1/tariff_plan/active").await.body["tariff_plan"].clone();
    assert_eq!(active["vpn_access"], true);
}
