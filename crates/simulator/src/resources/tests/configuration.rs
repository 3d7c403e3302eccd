//! Lookups, DNS, address spaces, application tokens, callbacks.

use serde_json::{Value, json};

use crate::testing::Driver;

#[tokio::test]
async fn lookups_are_served_in_the_dialect_of_their_back_end() {
    let driver = Driver::example().await;
    let operators = driver.get("/api/v1/operator").await;
    assert_eq!(operators.header("content-type"), "application/json");
    assert_eq!(operators.header("x-total-count"), "", "the operator list is not paged");
    assert_eq!(operators.body[0]["mnc"][0]["operator_id"], "552");
    let all = driver.get("/api/v1/country").await.body.as_array().expect("a list").len();
    let geographic = driver.get("/api/v1/country?geographic=true").await.body;
    let geographic = geographic.as_array().expect("a list");
    assert!(geographic.len() < all, "second entries of a country are left out");
    assert!(geographic.iter().all(|country| country["name"] != "ANY"));
    for lookup in [
        "breakout_region",
        "currency",
        "data_blocksize",
        "data_throttle",
        "esme_interface_type",
        "rat_type",
        "service",
        "service_level",
        "traffic_limit",
        "service/5/traffic_limit",
        "user/role",
        "user/status",
        "user/mfa/type",
        "user/mfa/status",
        "organisation/status",
        "event/type",
    ] {
        let answered = driver.get(&format!("/api/v1/{lookup}")).await;
        assert_eq!(answered.status, 200, "{lookup}");
        assert!(answered.body.as_array().is_some_and(|rows| !rows.is_empty()), "{lookup} has rows");
    }
    assert_eq!(driver.get("/api/v1/service/77/traffic_limit").await.status, 404);
}

#[tokio::test]
async fn a_pair_of_resolvers_fits_its_ip_version() {
    let driver = Driver::example().await;
    let pair = |primary: &str, version: u64| json!({"primary": primary, "secondary": "8.8.4.4", "ip_address_version": version});
    let made = driver.post("/api/v1/dns", pair("8.8.8.8", 4)).await;
    assert_eq!((made.status, &made.body), (201, &Value::Null));
    assert_eq!(driver.post("/api/v1/dns", pair("8.8.8.8", 6)).await.status, 422);
    assert_eq!(driver.post("/api/v1/dns", pair("resolver", 4)).await.status, 422);
    assert_eq!(driver.post("/api/v1/dns", json!({})).await.body["errors"].as_array().map(Vec::len), Some(3));
    let listed = driver.get("/api/v1/dns").await.body;
    assert_eq!(listed[0]["primary"], "8.8.8.8");
    assert_eq!(driver.delete(&format!("/api/v1/dns/{}", made.new_id())).await.status, 204);
    assert_eq!(driver.delete(&format!("/api/v1/dns/{}", made.new_id())).await.status, 404);
}

#[tokio::test]
async fn an_address_space_must_be_allowed_free_and_unused() {
    const SPACES: &str = "/api/v1/ip_address_space";
    let driver = Driver::example().await;
    let post = |cidr: &str| driver.post(SPACES, json!({"ip_address_space": cidr, "ip_address_version": 4}));
    let made = post("10.192.0.0/28").await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["ip_address_space"], "10.192.0.0/28", "this create answers with the object");
    let id = made.body["id"].as_u64().expect("an id");
    assert_eq!(post("10.192.0.0/24").await.status, 409, "it overlaps");
    let (outside, reserved) = (post("192.168.0.0/24").await, post("100.64.0.0/28").await);
    assert_eq!((outside.status, reserved.status), (422, 422));
    assert_eq!(outside.body["error_code"], reserved.body["error_code"], "two causes, one code");
    assert_ne!(outside.body["errors"][0]["message"], reserved.body["errors"][0]["message"]);
    assert_eq!(post("10.192.0.5/28").await.status, 400);
    let listed = driver.get(SPACES).await.body;
    let row = |id: u64| {
        listed.as_array().expect("a list").iter().find(|row| row["id"] == id).cloned().expect("listed")
    };
    assert_eq!((&row(id)["used_count"], &row(id)["available_count"]), (&json!(0), &json!(14)));
    assert_eq!(row(31)["used_count"], 1, "the example's device has an address there");
    assert_eq!(driver.delete(&format!("{SPACES}/31")).await.status, 409);
    assert_eq!(driver.delete(&format!("{SPACES}/{id}")).await.status, 204);
    assert_eq!(driver.delete(&format!("{SPACES}/{id}")).await.status, 404);
}

#[tokio::test]
async fn ten_unassigned_spaces_are_offered_and_can_be_assigned() {
    const SPACES: &str = "/api/v1/ip_address_space";
    let driver = Driver::example().await;
    let offers = driver.get(&format!("{SPACES}/available")).await.body;
    assert_eq!(offers.as_array().map(Vec::len), Some(10));
    let path = format!("{SPACES}/{}", offers[0]["id"]);
    assert_eq!(driver.put(&path).await.status, 204);
    let listed = driver.get(SPACES).await.body;
    assert!(
        listed
            .as_array()
            .expect("a list")
            .iter()
            .any(|row| row["ip_address_space"] == offers[0]["ip_address_space"])
    );
    assert_eq!(driver.put(&path).await.status, 409);
    assert_eq!(driver.put(&format!("{SPACES}/1")).await.status, 404);
    assert_eq!(driver.get(&format!("{SPACES}/available?ip_address_version=6")).await.body, json!([]));
    let state = driver.simulator.state();
    driver.simulator.set_state(state.clone()).expect("its own state");
    assert_eq!(driver.simulator.state(), state, "an assigned id leaves the counters as they were");
}

#[tokio::test]
async fn an_application_token_is_shown_once_and_revoked_for_ever() {
    const TOKENS: &str = "/api/v1/application_token";
    let mut driver = Driver::example().await;
    let made = driver.post(TOKENS, json!({"description": "ci", "ip": "10.0.0.0/8"})).await;
    assert_eq!(made.status, 200, "no 201");
    assert_eq!(made.body.as_object().map(serde_json::Map::len), Some(1), "the secret alone, no id");
    let listed = driver.get(TOKENS).await.body;
    let row =
        listed.as_array().expect("a list").iter().find(|row| row["description"] == "ci").expect("listed");
    assert_eq!(row["status"], json!({"id": 0, "description": "Activated"}));
    assert!(!listed.to_string().contains(made.body["application_token"].as_str().expect("a token")));
    let secret =
        driver.post(TOKENS, json!({})).await.body["application_token"].as_str().expect("a token").to_owned();
    driver.login(&secret).await;
    let id =
        driver.get(TOKENS).await.body.as_array().expect("a list").last().expect("the new one")["id"].clone();
    assert_eq!(driver.patch(&format!("{TOKENS}/{id}"), json!({"status": {"id": 1}})).await.status, 204);
    assert_eq!(driver.get(TOKENS).await.status, 200, "sessions made from it live on");
    let refused = driver.post("/api/v1/authenticate", json!({"application_token": secret})).await;
    assert_eq!(refused.status, 401, "but it opens no new one");
    assert_eq!(driver.patch(&format!("{TOKENS}/{id}"), json!({"status": {"id": 0}})).await.status, 422);
}

#[tokio::test]
async fn an_application_token_with_an_unreadable_bound_is_refused() {
    let driver = Driver::example().await;
    for wrong in [json!({"expiry_date": "soon"}), json!({"ip": "10.0.0.0/40"}), json!({"ip": "host"})] {
        let refused = driver.post("/api/v1/application_token", wrong.clone()).await;
        assert_eq!((refused.status, &refused.body["error_code"]), (422, &json!(1403)), "{wrong}");
    }
}

#[tokio::test]
async fn an_expired_application_token_opens_no_session() {
    let driver = Driver::example().await;
    let expiry = (driver.simulator.now() + jiff::SignedDuration::from_hours(1)).to_string();
    let made = driver.post("/api/v1/application_token", json!({"expiry_date": expiry})).await;
    let login = json!({"application_token": made.body["application_token"]});
    assert_eq!(driver.post("/api/v1/authenticate", login.clone()).await.status, 200);
    driver.simulator.advance(std::time::Duration::from_secs(3601));
    assert_eq!(driver.post("/api/v1/authenticate", login).await.status, 401);
}

#[tokio::test]
async fn callbacks_and_secrets_are_made_shown_and_deleted() {
    let driver = Driver::example().await;
    assert_eq!(driver.post("/api/v1/api_callback", json!({"url": "ftp://x"})).await.status, 422);
    let callback =
        driver.post("/api/v1/api_callback", json!({"url": "https://x.example", "purpose": "SMS"})).await;
    let path = format!("/api/v1/api_callback/{}", callback.new_id());
    assert_eq!(driver.get(&path).await.body["organisation_id"], "1001");
    assert_eq!(driver.delete(&path).await.status, 200, "no 204 here");
    assert_eq!(driver.get(&path).await.status, 404);
    let secret = driver.post("/api/v1/api_secret", json!({"purpose": "sign", "secret": "hush"})).await;
    let path = format!("/api/v1/api_secret/{}", secret.new_id());
    let shown = driver.get(&path).await.body;
    assert_eq!(shown["purpose"], "sign");
    assert!(!shown.to_string().contains("hush"), "the value is never returned");
    assert_eq!(driver.delete(&path).await.status, 200);
}

#[tokio::test]
async fn an_application_token_is_refused_from_outside_its_network() {
    let driver = Driver::example().await;
    for (ip, status) in [("10.0.0.0/8", 401), ("127.0.0.0/8", 200)] {
        let made = driver.post("/api/v1/application_token", json!({"ip": ip})).await;
        let login = json!({"application_token": made.body["application_token"]});
        assert_eq!(driver.post("/api/v1/authenticate", login).await.status, status, "{ip}");
    }
}
