use serde_json::{Value, json};

use crate::testing::Driver;

#[tokio::test(start_paused = true)]
async fn sims_are_listed_with_their_own_defaults_and_found_when_unassigned() {
    let driver = Driver::example().await;
    let all = driver.get("/api/v1/sim").await;
    assert_eq!((all.header("x-count-per-page"), all.header("x-total-count")), ("2000", "3"));
    assert!(all.headers.get("x-count").is_none(), "the five headers only");
    let free = driver.get("/api/v1/sim?q=endpoint:null&sort=-iccid").await;
    let ids: Vec<_> = free.body.as_array().expect("a list").iter().map(|sim| sim["id"].clone()).collect();
    assert_eq!(ids, [json!(10_000_002), json!(10_000_001)]);
    let held = driver.get("/api/v1/sim/10000003").await.body;
    assert_eq!(held["endpoint"]["service_profile_id"], 101, "flat ids inside a SIM");
    assert!(all.body[0].get("activation_date").is_none(), "not before the first activation");
}

#[tokio::test(start_paused = true)]
async fn illegal_steps_of_a_sim_answer_400() {
    let driver = Driver::example().await;
    let path = "/api/v1/sim/10000001";
    let to = |status: u64| json!({"status": {"id": status}});
    assert_eq!(driver.patch(path, to(2)).await.status, 400, "issued SIMs cannot be suspended");
    assert_eq!(driver.patch(path, to(1)).await.status, 204);
    assert_eq!(driver.patch(path, to(1)).await.status, 204, "what is so stays so");
    assert_eq!(driver.patch(path, to(0)).await.status, 400, "never back to issued");
    assert_eq!(driver.patch(path, to(2)).await.status, 204);
    let sim = driver.get(path).await.body;
    assert!(sim["activation_date"].is_string(), "it survives suspension");
    assert_eq!(driver.patch(path, to(3)).await.status, 400, "deleting is another operation");
    assert_eq!(driver.event_types(), [8, 9]);
}

#[tokio::test(start_paused = true)]
async fn a_sim_is_deleted_for_ever_and_only_when_free() {
    let driver = Driver::example().await;
    assert_eq!(driver.delete("/api/v1/sim/10000003").await.status, 403, "it is assigned");
    assert_eq!(driver.delete("/api/v1/sim/10000001").await.status, 204);
    assert_eq!(driver.get("/api/v1/sim/10000001").await.body["status"]["id"], 3);
    let back = driver.patch("/api/v1/sim/10000001", json!({"status": {"id": 1}})).await;
    assert_eq!(back.status, 400);
    let both = json!([{"id": 10_000_002}, {"id": 10_000_003}]);
    assert_eq!(driver.call("DELETE", "/api/v1/sim/multi", both).await.status, 403, "all or none");
    assert_eq!(driver.get("/api/v1/sim/10000002").await.body["status"]["id"], 0);
    assert_eq!(driver.get("/api/v1/sim/7").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_registered_once_and_its_sims_stay_issued() {
    let driver = Driver::example().await;
    let path = "/api/v1/sim_batch/bic/BIC2-EXAMPLE";
    assert_eq!(driver.get("/api/v1/sim_batch/bic/NONE").await.status, 404);
    assert_eq!(driver.get(path).await.status, 200);
    let body = json!({"sim_status": {"id": 1}});
    let done = driver.patch(path, body.clone()).await;
    assert_eq!(done.status, 200);
    let sims = done.body["sim"].as_array().expect("SIMs");
    assert_eq!(sims[0].as_object().map(serde_json::Map::len), Some(2), "id and iccid only");
    let sim = driver.get(&format!("/api/v1/sim/{}", sims[0]["id"])).await.body;
    assert_eq!(sim["status"]["id"], 0, "whatever was asked");
    let again = driver.patch(path, body).await;
    assert_eq!((again.status, &again.body), (422, &Value::Null), "422 with an empty body");
    assert_eq!(driver.get(path).await.status, 400);
    assert_eq!(driver.event_types(), [48]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_registered_as_issued_when_no_status_is_asked_for() {
    let driver = Driver::example().await;
    let path = "/api/v1/sim_batch/bic/BIC2-EXAMPLE";
    assert_eq!(
        driver.patch(path, json!({"sim_status": {"id": 9}})).await.status,
        422,
        "a state that is none"
    );
    // What the vendor's client sends: the status beside the field it belongs into.
    let done = driver.patch(path, json!({"id": 1, "description": "Activated"})).await;
    assert_eq!(done.status, 200);
    assert!(done.text.starts_with(r#"{"sim":[{"id":"#), "{}", done.text);
    let sim = driver.get(&format!("/api/v1/sim/{}", done.body["sim"][0]["id"])).await.body;
    assert_eq!(sim["status"]["id"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_keeps_the_ids_its_seed_gives_and_shows_every_published_field() {
    let seed = include_str!("../../../examples/seed.yaml")
        .replace("{iccid: \"8988303000000000101\"", "{id: 19999999, iccid: \"8988303000000000101\"");
    let seed = crate::Seed::from_yaml(&seed).expect("a sound seed");
    let driver = Driver::start(crate::Options { seed, ..crate::Options::default() }).await;
    let path = "/api/v1/sim_batch/bic/BIC2-EXAMPLE";
    let batch = driver.get(path).await.body;
    for field in [
        "bsn",
        "sim_model_id",
        "model",
        "issuer_org_id",
        "reseller_org_id",
        "activated",
        "logistic_center_id",
        "article_id",
    ] {
        assert!(batch.get(field).is_some(), "{field} is published");
    }
    let sims = driver.patch(path, json!({"sim_status": {"id": 1}})).await.body["sim"].clone();
    assert_eq!(
        (&sims[0]["id"], &sims[1]["id"]),
        (&json!(19_999_999), &json!(20_000_000)),
        "the other one follows"
    );
    assert_eq!(driver.get("/api/v1/sim/19999999").await.body["iccid"], "8988303000000000101");
    let twice = include_str!("../../../examples/seed.yaml")
        .replace("{iccid: \"8988303000000000101\"", "{id: 10000001, iccid: \"8988303000000000101\"");
    let refused = crate::Seed::from_yaml(&twice).expect_err("an id is there once");
    assert!(refused.to_string().contains("10000001"), "{refused}");
}
