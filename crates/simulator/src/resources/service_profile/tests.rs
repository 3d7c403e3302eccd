//! Service profiles over the API.

use serde_json::{Value, json};

use crate::state::Quota;
use crate::testing::Driver;

const PROFILES: &str = "/api/v1/service_profile";

fn quota(now: jiff::Timestamp) -> Quota {
    Quota {
        status: 1,
        volume: 5.0,
        expiry_date: now + jiff::SignedDuration::from_hours(24),
        action_on_exhaustion: 1,
        auto_refill: false,
        last_volume_added: 5.0,
        last_status_change_date: now,
        threshold_percentage: None,
        refilled: crate::rules::dates::day(now),
    }
}

#[tokio::test]
async fn a_profile_is_made_with_defaults_and_shown_in_two_shapes() {
    let driver = Driver::example().await;
    let made = driver.post(PROFILES, json!({"name": "Trackers", "allowed_3g": false, "unknown": 1})).await;
    assert_eq!((made.status, &made.body), (201, &Value::Null), "a create answers with a Location alone");
    let id = made.new_id();
    let list = driver.get(PROFILES).await;
    assert_eq!(list.header("content-type"), "application/json", "PHP sends no charset");
    let row = list.body.as_array().expect("a list").iter().find(|row| row["id"] == id).expect("it is listed");
    assert_eq!(
        (&row["allowed_3g"], &row["allowed_4g"]),
        (&json!("0"), &json!("1")),
        "flags in lists are strings"
    );
    assert_eq!(row["used_count"], "0");
    assert_eq!(row.get("service"), None, "the list is the short view");
    let detail = driver.get(&format!("{PROFILES}/{id}")).await.body;
    assert_eq!((&detail["allowed_3g"], &detail["sms_p2p_ext"]), (&json!(0), &json!(1)), "and numbers alone");
    assert_eq!(detail["service"], json!([]));
    assert_eq!(detail["organisation_id"], "1001");
}

#[tokio::test]
async fn a_profile_needs_a_name_and_known_references() {
    let driver = Driver::example().await;
    let refused = driver.post(PROFILES, json!({"dns": {"id": 99}, "allowed_4g": "perhaps"})).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.body["error_code"], 1400);
    let codes: Vec<_> =
        refused.body["errors"].as_array().expect("causes").iter().map(|e| &e["error_code"]).collect();
    assert_eq!(codes, [1402, 1403, 1401]);
}

#[tokio::test]
async fn a_patch_answers_201_and_clears_references_by_null_ids() {
    let driver = Driver::example().await;
    let dns = json!({"primary": "10.0.0.1", "secondary": "10.0.0.2", "ip_address_version": 4});
    let dns = driver.post("/api/v1/dns", dns).await.new_id();
    let callback =
        driver.post("/api/v1/api_callback", json!({"url": "https://example.com/sms"})).await.new_id();
    let path = format!("{PROFILES}/101");
    let set = json!({"dns": {"id": dns}, "api_callback": {"id": callback}, "breakout_region": {"id": 2.0}});
    assert_eq!(driver.patch(&path, set).await.status, 201);
    let detail = driver.get(&path).await.body;
    assert_eq!(detail["dns"]["primary"], "10.0.0.1");
    assert_eq!(detail["api_callback"]["url"], "https://example.com/sms");
    assert_eq!(detail["name"], "Meters", "what a patch leaves out stays");
    assert_eq!(driver.delete(&format!("/api/v1/dns/{dns}")).await.status, 409, "it is in use");
    assert_eq!(driver.delete(&format!("/api/v1/api_callback/{callback}")).await.status, 409);
    driver.patch(&path, json!({"dns": {"id": null}, "api_callback": {"id": null}})).await;
    let detail = driver.get(&path).await.body;
    assert_eq!((&detail["dns"], &detail["api_callback"]), (&Value::Null, &Value::Null));
    assert_eq!(driver.delete(&format!("/api/v1/dns/{dns}")).await.status, 204);
    assert_eq!(driver.delete(&format!("/api/v1/api_callback/{callback}")).await.status, 200);
}

#[tokio::test]
async fn a_used_profile_cannot_be_deleted() {
    let driver = Driver::example().await;
    assert_eq!(driver.delete(&format!("{PROFILES}/101")).await.status, 409);
    let id = driver.post(PROFILES, json!({"name": "unused"})).await.new_id();
    assert_eq!(driver.delete(&format!("{PROFILES}/{id}")).await.status, 204);
    assert_eq!(driver.get(&format!("{PROFILES}/{id}")).await.status, 404);
}

#[tokio::test]
async fn a_service_is_added_once_and_removed_without_limits_only() {
    let driver = Driver::example().await;
    let sms = format!("{PROFILES}/101/service/5");
    assert_eq!(driver.put(&sms).await.status, 204);
    assert_eq!(driver.put(&sms).await.status, 409, "each service only once");
    assert_eq!(driver.put(&format!("{sms}/traffic_limit/999")).await.status, 404, "no such limit");
    assert_eq!(
        driver.put(&format!("{sms}/traffic_limit/401")).await.status,
        404,
        "a limit of another service"
    );
    assert_eq!(driver.put(&format!("{sms}/traffic_limit/501")).await.status, 200);
    assert_eq!(driver.put(&format!("{sms}/traffic_limit/501")).await.status, 422);
    let detail = driver.get(&format!("{PROFILES}/101")).await.body;
    assert_eq!(detail["service"][1]["traffic_limit"][0]["id"], 501);
    assert_eq!(driver.delete(&sms).await.status, 409, "it has a limit");
    assert_eq!(driver.delete(&format!("{sms}/traffic_limit/501")).await.status, 200);
    assert_eq!(driver.delete(&sms).await.status, 204);
    assert_eq!(driver.put(&format!("{sms}/traffic_limit/501")).await.status, 422, "the service is not there");
}

#[tokio::test]
async fn there_is_one_data_limit_per_service_and_satellite_flag() {
    let driver = Driver::example().await;
    let limits = format!("{PROFILES}/101/traffic_limit");
    let limit = json!({"service": {"id": "38"}, "volume": 1_000_000, "warning_percent": 80});
    let made = driver.post(&limits, limit.clone()).await;
    assert_eq!(made.status, 201);
    assert_eq!(driver.post(&limits, limit).await.status, 409);
    let satellite = json!({"service": {"id": 38}, "volume": 10, "satellite_only": true});
    assert_eq!(driver.post(&limits, satellite).await.status, 201);
    let listed = driver.get(&limits).await.body;
    assert_eq!(listed[0]["period"], json!({"id": 2, "time_units": 1, "unit": "months"}));
    assert_eq!(
        driver.delete(&format!("{PROFILES}/101/service/38")).await.status,
        409,
        "its service is limited"
    );
    let id = listed[0]["id"].as_u64().expect("an id");
    assert_eq!(driver.delete(&format!("{limits}/{id}")).await.status, 204);
    assert_eq!(driver.delete(&limits).await.status, 204);
    assert_eq!(driver.get(&limits).await.body, json!([]));
    assert_eq!(driver.post(&limits, json!({"service": {"id": 5}, "volume": 1})).await.status, 400);
    assert_eq!(
        driver.get(&format!("{PROFILES}/999/traffic_limit")).await.status,
        403,
        "missing means forbidden here"
    );
}

#[tokio::test]
async fn a_quota_flag_cuts_devices_without_quota_and_tells_of_it() {
    let driver = Driver::example().await;
    let now = driver.simulator.now();
    let connected = |state: &mut crate::State| {
        let org = state.organisations.get_mut(&1001).expect("the example");
        org.endpoints.get_mut(&11_000_001).expect("the example's").connectivity.pdp_context =
            Some(crate::state::PdpContext { id: 1, created: now, lac: 1, ci: 2, tx: 0.0, rx: 0.0 });
    };
    let online = || {
        driver.simulator.inspect(|state| {
            state.organisations[&1001].endpoints[&11_000_001].connectivity.pdp_context.is_some()
        })
    };
    driver.simulator.edit(connected).expect("a valid state");
    driver
        .simulator
        .edit(|state| {
            let org = state.organisations.get_mut(&1001).expect("the example");
            org.endpoints.get_mut(&11_000_001).expect("the example's").data_quota = Some(quota(now));
        })
        .expect("a valid state");
    driver.patch(&format!("{PROFILES}/101"), json!({"apply_data_quota": true})).await;
    assert!(online(), "a device with a quota stays");
    assert!(driver.event_types().ends_with(&[52]));
    assert_eq!(driver.delete(&format!("{PROFILES}/101/quota/data")).await.status, 204);
    assert!(!online(), "without its quota it is cut");
    assert!(driver.event_types().ends_with(&[52, 57, 0, 5]), "{:?}", driver.event_types());
    driver.patch(&format!("{PROFILES}/101"), json!({"apply_data_quota": "0", "apply_sms_quota": 1})).await;
    assert!(driver.event_types().ends_with(&[53, 54]));
    assert_eq!(driver.delete(&format!("{PROFILES}/101/quota/sms")).await.status, 204, "there may be none");
    assert_eq!(driver.delete(&format!("{PROFILES}/999/quota/sms")).await.status, 404);
}
