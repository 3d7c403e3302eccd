//! Tariff profiles over the API.

use serde_json::{Value, json};

use crate::testing::Driver;

const PROFILES: &str = "/api/v1/tariff_profile";

fn zone<'a>(profile: &'a Value, id: &str) -> &'a Value {
    let zones = profile["ratezone"].as_array().expect("zones");
    zones.iter().find(|zone| zone["id"] == id).expect("the zone is shown, its id as a string")
}

#[tokio::test]
async fn a_new_profile_has_no_zone_until_one_is_selected() {
    let driver = Driver::example().await;
    let made =
        driver.post(PROFILES, json!({"name": "Roaming", "description": "", "tariff": {"id": 11}})).await;
    assert_eq!((made.status, &made.body), (201, &Value::Null));
    let path = format!("{PROFILES}/{}", made.new_id());
    let detail = driver.get(&path).await.body;
    assert_eq!(zone(&detail, "71")["selected"], false);
    assert_eq!((&detail["used_count"], &detail["organisation_id"]), (&json!("0"), &json!("1001")));
    assert_eq!(detail["tariff"]["name"], "Standard");
    assert_eq!(driver.get(&format!("{path}/coverage")).await.body, json!([]), "no zone, no coverage");
    assert_eq!(driver.put(&format!("{path}/ratezone_selection/72")).await.status, 204);
    assert_eq!(zone(&driver.get(&path).await.body, "72")["selected"], true);
    let covered = driver.get(&format!("{path}/coverage")).await.body;
    assert!(covered.as_array().expect("a list").len() > 30, "a zone without operators has them all");
    assert_eq!(driver.put(&format!("{path}/ratezone_selection/999")).await.status, 404);
    assert_eq!(driver.delete(&format!("{path}/ratezone_selection/72")).await.status, 204);
    assert_eq!(zone(&driver.get(&path).await.body, "72")["selected"], false);
    assert_eq!(driver.delete(&path).await.status, 204);
    let list = driver.get(PROFILES).await.body;
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(list[0].get("ratezone"), None, "zones are in the detail only");
}

#[tokio::test]
async fn another_tariff_wipes_the_selected_zones() {
    let driver = Driver::example().await;
    driver
        .simulator
        .edit(|state| {
            let mut tariff = state.tariffs[&11].clone();
            (tariff.id, tariff.name) = (12, "Other".to_owned());
            tariff.rate_zones = crate::state::Table::default();
            tariff.inclusive_volumes = crate::state::Table::default();
            state.tariffs.insert(12, tariff);
        })
        .expect("a valid state");
    let path = format!("{PROFILES}/201");
    assert_eq!(driver.patch(&path, json!({"name": "Renamed", "tariff": {"id": 11}})).await.status, 204);
    assert_eq!(zone(&driver.get(&path).await.body, "71")["selected"], true, "the same tariff keeps them");
    assert_eq!(driver.patch(&path, json!({"tariff": {"id": 12}})).await.status, 204);
    driver.patch(&path, json!({"tariff": {"id": 11}})).await;
    assert_eq!(zone(&driver.get(&path).await.body, "71")["selected"], false);
    let lacks = |state: &crate::State| {
        let org = &state.organisations[&1001];
        org.lacks_rate_zone(&org.endpoints[&11_000_001])
    };
    assert!(driver.simulator.inspect(lacks), "its devices are blocked at the next attach");
    assert_eq!(driver.patch(&path, json!({"tariff": {"id": 99}})).await.status, 422);
    assert_eq!(driver.delete(&path).await.status, 409, "a device uses it");
}

#[tokio::test]
async fn only_a_currently_valid_zone_can_be_selected() {
    let driver = Driver::example().await;
    let ended = driver.simulator.now() - jiff::SignedDuration::from_hours(1);
    driver
        .simulator
        .edit(|state| {
            let tariff = state.tariffs.get_mut(&11).expect("the example's");
            tariff.rate_zones.get_mut(&72).expect("the example's").valid_until = Some(ended);
        })
        .expect("a valid state");
    assert_eq!(driver.put(&format!("{PROFILES}/201/ratezone_selection/72")).await.status, 422);
}

#[tokio::test]
async fn an_inclusive_volume_is_bought_then_assigned_once() {
    let driver = Driver::example().await;
    let path = format!("{PROFILES}/201/inclusive_volume/81");
    assert_eq!(driver.put(&path).await.status, 404, "the organisation does not hold it yet");
    let bought =
        driver.call("PUT", "/api/v1/organisation/my/inclusive_volume/81", json!({"pooled": false})).await;
    assert_eq!((bought.status, &bought.body["pooled"]), (201, &json!(false)));
    assert_eq!(driver.get("/api/v1/organisation/my/inclusive_volume/active").await.body[0]["id"], 81);
    assert_eq!(driver.delete(&path).await.status, 400, "it is not assigned");
    assert_eq!(driver.put(&path).await.status, 204);
    assert_eq!(driver.put(&path).await.status, 409);
    assert_eq!(driver.get(PROFILES).await.body[0]["inclusive_volume"]["ratezone"]["name"], "Europe");
    assert_eq!(driver.delete(&path).await.status, 204);
    driver
        .call("PUT", "/api/v1/organisation/my/inclusive_volume/81", json!({"end_date": "2001-01-01"}))
        .await;
    assert_eq!(driver.put(&path).await.status, 400, "it has expired");
    assert_eq!(driver.get("/api/v1/organisation/my/inclusive_volume/active").await.body, json!([]));
}

#[tokio::test]
async fn an_operator_is_blocked_as_a_whole_or_by_technology_independently() {
    let driver = Driver::example().await;
    let list = "/api/v2/tariff_profile/201/operator_blocklist/operator";
    let one = format!("{list}/24");
    assert_eq!(driver.get(list).await.body, json!([]));
    assert_eq!(
        driver.post(&format!("{one}/rat_type"), json!({"rat_types": [{"id": 6}, {"id": 8}]})).await.status,
        204
    );
    assert_eq!(driver.put(&one).await.status, 204);
    let shown = driver.get(&one).await.body;
    assert_eq!(shown["blocklist"]["operator"], true);
    assert_eq!(
        shown["blocklist"]["rat_types"][0],
        json!({"id": 6, "description": "4G"}),
        "neither overrides the other"
    );
    assert_eq!(driver.delete(&one).await.status, 204);
    assert_eq!(driver.get(list).await.body[0]["blocklist"]["operator"], false);
    assert_eq!(driver.delete(&format!("{one}/rat_type/6")).await.status, 204);
    assert_eq!(driver.delete(&format!("{one}/rat_type/8")).await.status, 204);
    assert_eq!(driver.get(list).await.body, json!([]), "an entry that refuses nothing is gone");
    assert_eq!(driver.post(&format!("{one}/rat_type"), json!({"rat_types": [{"id": 99}]})).await.status, 422);
    assert_eq!(driver.put(&format!("{list}/999999")).await.status, 404);
}
