//! Operations on SIMs and EIDs.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Signal;
use crate::testing::Driver;

const PATH: &str = "/api/v1/sim/operation";
const FREE: &str = "89049032000001000000000000000001";
const TAKEN: &str = "89049032000001000000000000000002";

/// The example with a product of which two profiles are left, and an EID that has one already.
async fn stocked() -> Driver {
    let driver = Driver::example().await;
    let stock = |state: &mut crate::State| {
        let (org, next) = state.split(1001);
        let product = json!({"name": "IoT profile", "quantity": 2});
        org.esim_products.add(next, serde_json::from_value(product).expect("a product"));
        let euicc = json!({"eid": TAKEN, "profiles": [{"iccid": "8988303000000000777"}]});
        org.euiccs.add(next, serde_json::from_value(euicc).expect("an eUICC"));
    };
    driver.simulator.edit(stock).expect("a state that makes sense");
    driver
}

fn link(eids: &[&str]) -> Value {
    let target: Vec<Value> = eids.iter().map(|eid| json!({"eid": eid})).collect();
    json!({"action": {"id": 1}, "product": {"id": 1}, "target": target})
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_linked_after_a_while_and_errors_are_told_by_eid() {
    let driver = stocked().await;
    assert_eq!(
        driver.get("/api/v1/sim/unlinked_product_stats").await.body,
        json!([{"product": {"id": 1, "name": "IoT profile"}, "quantity": 2}])
    );
    let asked = json!({"target": [{"eid": FREE}, {"eid": TAKEN}]});
    let linked = driver.post("/api/v1/euicc/unlinked_validation", asked).await.body;
    assert_eq!(linked, json!([{"eid": TAKEN}]));
    let made = driver.post(PATH, link(&[FREE, TAKEN])).await;
    assert_eq!((made.status, &made.body["status"]["description"]), (201, &json!("Scheduled")));
    let path = format!("{PATH}/{}", made.body["id"].as_str().expect("a UUID"));
    driver.simulator.advance(Duration::from_secs(3));
    assert_eq!(driver.get(&path).await.body["status"]["description"], "In Progress");
    driver.simulator.advance(Duration::from_secs(3));
    let ended = driver.get(&path).await.body;
    assert_eq!(ended["status"]["description"], "Completed");
    assert!(ended["finalization_date"].is_string(), "{ended}");
    let counts = ["total_count", "success_count", "failed_count"].map(|key| ended[key].clone());
    assert_eq!(counts, [json!(2), json!(1), json!(1)]);
    assert_eq!(ended["error"][0]["eid"], TAKEN);
    let euicc = driver.get(&format!("/api/v1/euicc?q=eid:{FREE}")).await.body;
    let profile = &euicc[0]["profile"][0];
    assert_eq!(profile["status"], json!({"id": 1, "description": "Available"}), "{euicc}");
    let sims = driver.get(&format!("/api/v1/sim?q=eid:{FREE}")).await.body;
    assert_eq!(sims[0]["iccid_with_luhn"], profile["iccid_with_luhn"], "it is a SIM of the organisation");
    assert_eq!(driver.get("/api/v1/sim/unlinked_product_stats").await.body[0]["quantity"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_eid_gets_no_second_profile_and_a_product_runs_out() {
    let driver = stocked().await;
    let eids = [FREE, FREE, "89049032000001000000000000000003", "89049032000001000000000000000004"];
    let made = driver.post(PATH, link(&eids)).await.body;
    driver.simulator.advance(Duration::from_secs(4));
    let ended = driver.get(&format!("{PATH}/{}", made["id"].as_str().expect("a UUID"))).await.body;
    let told: Vec<_> = ended["error"].as_array().expect("errors").iter().map(|row| &row["eid"]).collect();
    assert_eq!(told, [FREE, eids[3]], "{ended}");
    assert_eq!(driver.get(&format!("{PATH}?q=status:3&sort=-creation_date")).await.body, json!([ended]));
}

#[tokio::test(start_paused = true)]
async fn a_reset_takes_the_device_of_a_sim_out_of_the_network() {
    let driver = Driver::example().await;
    driver.simulator.device(11_000_001, Signal::Online).expect("it goes online");
    let body = json!({"action": {"id": 2}, "target": [{"sim": {"id": 10_000_003}}]});
    assert_eq!(driver.post(PATH, body).await.body["target"], json!([{"sim": {"id": 10_000_003}}]));
    driver.simulator.advance(Duration::from_secs(4));
    let connectivity = driver.get("/api/v1/endpoint/11000001/connectivity").await.body;
    assert_eq!(connectivity["status"]["description"], "OFFLINE");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_done_is_refused_with_status_and_message() {
    let driver = stocked().await;
    let with = |key: &str, value: Value| {
        let mut body = link(&[FREE]);
        body[key] = value;
        body
    };
    for (refused, status) in [
        (with("action", json!({"id": 77})), 400),
        (with("product", json!({"id": 77})), 400),
        (with("product", Value::Null), 400),
        (with("target", json!([])), 400),
        (with("target", json!([{"eid": "123"}])), 400),
        (with("target", json!([{}])), 400),
        (with("target", json!([{"sim": {"id": 7}}])), 404),
    ] {
        let answer = driver.post(PATH, refused.clone()).await;
        assert_eq!((answer.status, &answer.body["status_code"]), (status, &json!(status)), "{refused}");
    }
    assert_eq!(driver.get(PATH).await.body, json!([]));
    assert_eq!(driver.get(&format!("{PATH}/00000051-0000-4000-8000-000000000009")).await.status, 404);
    assert_eq!(driver.get(&format!("{PATH}?sort=colour")).await.body["status_code"], 400);
}
