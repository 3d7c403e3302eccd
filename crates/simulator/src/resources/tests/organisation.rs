//! The organisation over the API.

use serde_json::json;

use crate::testing::Driver;

#[tokio::test]
async fn an_organisation_knows_itself_and_no_other() {
    let driver = Driver::example().await;
    let my = driver.get("/api/v1/organisation/my").await.body;
    assert_eq!((&my["id"], &my["name"]), (&json!(1001), &json!("Example")));
    assert_eq!(my["country"]["name"], "Germany", "nested, as sampled live");
    let plan = driver.get("/api/v1/tariff_plan/active").await.body;
    assert_eq!(driver.get("/api/v1/organisation/my/tariff_plan/active").await.body, plan);
    assert_eq!(driver.get("/api/v1/organisation/1001/tariff_plan").await.body[0]["organisation_id"], "1001");
    assert_eq!(driver.get("/api/v1/organisation/1002/stats").await.status, 403);
}

#[tokio::test]
async fn usage_is_counted_by_day_and_month() {
    let driver = Driver::example().await;
    let today = crate::rules::dates::day(driver.simulator.now());
    driver
        .simulator
        .edit(|state| {
            let org = state.organisations.get_mut(&1001).expect("the example");
            let usage = crate::state::Usage { data_tx: 1.5, data_rx: 2.0, sms_tx: 1, sms_rx: 0 };
            org.endpoints.get_mut(&11_000_001).expect("the example's").usage.insert(today, usage);
        })
        .expect("a valid state");
    let stats = driver.get("/api/v1/organisation/my/stats").await.body;
    assert_eq!(stats["current_month"]["data"]["volume"], "3.500000", "volumes are strings of MB");
    assert_eq!(stats["current_month"]["sms"]["volume_tx"], "1");
    assert_eq!((&stats["sim"]["issued"], &stats["sim"]["active"]), (&json!(2), &json!(1)));
    let days = driver.get("/api/v1/organisation/my/stats/daily").await.body;
    assert_eq!(days.as_array().map(Vec::len), Some(30));
    assert_eq!(days[29]["date"], today.to_string());
    assert_eq!(days[29]["data"]["volume_tx"], "1.500000");
    let hours = driver.get(&format!("/api/v1/organisation/my/stats/hourly?start_date={today}")).await.body;
    assert_eq!(hours["data"]["rx"].as_array().map(Vec::len), Some(24));
    let total =
        driver.get("/api/v2/workspace/stats/daily").await.body["total"]["data_volume"]["volume"].clone();
    assert_eq!(total, 3.5);
    assert_eq!(driver.get("/api/v1/organisation/my/stats/daily?start_date=never").await.status, 422);
}

#[tokio::test]
async fn only_an_evaluation_changes_its_tariff_and_gets_all_zones() {
    let driver = Driver::example().await;
    let path = "/api/v1/organisation/1001/tariff";
    assert_eq!(driver.patch(path, json!({"id": 11})).await.status, 422);
    driver
        .simulator
        .edit(|state| {
            let org = state.organisations.get_mut(&1001).expect("the example");
            org.tariff_plan.evaluation = true;
        })
        .expect("a valid state");
    assert_eq!(driver.patch(path, json!({"id": 99})).await.status, 404);
    assert_eq!(driver.patch(path, json!({"id": 11})).await.status, 200);
    let zones = driver.get("/api/v1/tariff_profile/201").await.body["ratezone"].clone();
    assert!(zones.as_array().expect("zones").iter().all(|zone| zone["selected"] == true));
    assert!(driver.event_types().ends_with(&[31]));
}

#[tokio::test]
async fn a_state_with_every_table_filled_comes_back_as_it_went() {
    let driver = Driver::example().await;
    driver
        .post("/api/v1/dns", json!({"primary": "8.8.8.8", "secondary": "8.8.4.4", "ip_address_version": 4}))
        .await;
    driver.post("/api/v1/api_callback", json!({"url": "https://example.com"})).await;
    driver.post("/api/v1/api_secret", json!({"secret": "hush"})).await;
    driver.post("/api/v1/application_token", json!({"description": "ci"})).await;
    driver.put("/api/v1/service_profile/101/service/5").await;
    driver.put("/api/v1/service_profile/101/service/5/traffic_limit/501").await;
    let limit = json!({"service": {"id": 38}, "volume": 10});
    driver.post("/api/v1/service_profile/101/traffic_limit", limit).await;
    driver.put("/api/v1/organisation/my/inclusive_volume/81").await;
    driver.put("/api/v1/tariff_profile/201/inclusive_volume/81").await;
    driver.put("/api/v2/tariff_profile/201/operator_blocklist/operator/24").await;
    driver.post("/api/v2/endpoint/11000001/tags", json!({"id": 41})).await;
    driver.patch("/api/v1/service_profile/101", json!({"apply_data_quota": true})).await;
    let state = driver.simulator.state();
    let text = serde_json::to_string(&state).expect("a state is JSON");
    driver.simulator.set_state(serde_json::from_str(&text).expect("it is a seed")).expect("it is valid");
    assert_eq!(driver.simulator.state(), state, "reading the state and writing it back changes nothing");
}

#[tokio::test]
async fn a_plan_bounds_the_number_of_profiles() {
    let driver = Driver::example().await;
    driver
        .simulator
        .edit(|state| {
            let plan = &mut state.organisations.get_mut(&1001).expect("the example").tariff_plan;
            (plan.max_service_profiles, plan.max_tariff_profiles) = (Some(1), Some(1));
        })
        .expect("a valid state");
    assert_eq!(driver.post("/api/v1/service_profile", json!({"name": "second"})).await.status, 422);
    let second = json!({"name": "second", "description": "", "tariff": {"id": 11}});
    assert_eq!(driver.post("/api/v1/tariff_profile", second).await.status, 422);
}
