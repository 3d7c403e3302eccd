//! SIMs that move from one workspace to another.

use serde_json::{Value, json};

use crate::testing::Driver;

const PATH: &str = "/api/v1/sim/migration/workspace";
const HELD: u64 = 10_000_003;

fn to_other(more: &Value) -> Value {
    let mut body = json!({"target_workspace": {"id": 1002}});
    for (key, value) in more.as_object().cloned().unwrap_or_default() {
        body[key] = value;
    }
    body
}

/// Ada, who administers both workspaces.
async fn administrator() -> Driver {
    let driver = Driver::ada().await;
    let promote = |state: &mut crate::State| {
        for membership in &mut state.users.get_mut(&301).expect("Ada").workspaces {
            membership.roles = vec![1];
        }
    };
    driver.simulator.edit(promote).expect("a state that makes sense");
    driver
}

fn events(driver: &Driver, organisation: u64) -> Vec<u64> {
    driver.simulator.inspect(|state| {
        state.organisations[&organisation].events.values().map(|event| event.event_type).collect()
    })
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_looks_and_a_real_one_suspends_detaches_and_moves() {
    let driver = administrator().await;
    let wanted = json!({"sims": [{"id": HELD}, {"id": 10_000_001}], "auto_detach_devices": true});
    let looked = driver.post(PATH, to_other(&wanted)).await;
    assert_eq!((looked.status, &looked.body["dry_run"]), (200, &json!(true)), "{}", looked.text);
    assert_eq!(looked.body["sim_count"], 2);
    assert_eq!(looked.body["target_workspace"], json!({"id": 1002, "name": "Other"}));
    assert_eq!(looked.body["sims"][1]["endpoint"], json!({"id": 11_000_001, "name": "meter-1"}));
    assert_eq!(driver.get(&format!("/api/v1/sim/{HELD}")).await.status, 200, "nothing has moved");
    let mut wanted = to_other(&wanted);
    wanted["dry_run"] = json!(false);
    assert_eq!(driver.post(PATH, wanted.clone()).await.status, 200);
    assert_eq!(driver.get(&format!("/api/v1/sim/{HELD}")).await.status, 404);
    assert_eq!(driver.get("/api/v1/endpoint/11000001").await.body["sim"], Value::Null);
    assert_eq!(events(&driver, 1001), [50, 9, 69]);
    assert_eq!(events(&driver, 1002), [69]);
    assert_eq!(driver.post(PATH, wanted).await.status, 404, "a second time there is none left");
    let mut other = Driver { simulator: driver.simulator.clone(), token: String::new() };
    other.login("other-token").await;
    let moved = other.get(&format!("/api/v1/sim/{HELD}")).await.body;
    assert_eq!((&moved["status"]["id"], &moved["customer_org"]["id"]), (&json!(2), &json!(1002)));
}

#[tokio::test(start_paused = true)]
async fn sims_are_named_in_exactly_one_of_three_ways() {
    let driver = administrator().await;
    let count = async |more: Value| driver.post(PATH, to_other(&more)).await.body["sim_count"].clone();
    assert_eq!(count(json!({"iccids": ["8988303000000000001", "89883030000000000028"]})).await, 2);
    let range = json!({"start": "8988303000000000001", "end": "8988303000000000002"});
    assert_eq!(count(json!({"iccid_range": range})).await, 2);
    for refused in [
        json!({}),
        json!({"sims": []}),
        json!({"sims": [{"id": 10_000_001}], "iccids": ["8988303000000000001"]}),
        json!({"sims": [{"id": 10_000_001}], "target_workspace": {"id": 1001}}),
        json!({"sims": [{"id": 10_000_001}], "target_workspace": null}),
        json!({"sims": [{"id": 10_000_001}], "allowed_sim_statuses": [{"id": 77}]}),
    ] {
        assert_eq!(driver.post(PATH, to_other(&refused)).await.status, 400, "{refused}");
    }
    for missing in [
        json!({"sims": [{"id": 7}]}),
        json!({"iccids": ["8988303000000009999"]}),
        json!({"sims": [{"id": 10_000_001}], "target_workspace": {"id": 7}}),
    ] {
        assert_eq!(driver.post(PATH, to_other(&missing)).await.status, 404, "{missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_the_way_is_told_with_its_sims() {
    let driver = administrator().await;
    let both = json!({"sims": [{"id": HELD}, {"id": 10_000_001}], "allowed_sim_statuses": [{"id": 1}]});
    let refused = driver.post(PATH, to_other(&both)).await;
    assert_eq!((refused.status, &refused.body["status_code"]), (409, &json!(409)));
    let told: Vec<_> = refused.body["errors"].as_array().expect("errors").iter().collect();
    let named = |n: usize| (told[n]["error_code"].clone(), told[n]["sims"][0]["id"].clone());
    assert_eq!(named(0), (json!(1502), json!(HELD)), "it is attached: {}", refused.text);
    assert_eq!(named(1), (json!(1503), json!(10_000_001)), "it is issued");
    assert_eq!(told.len(), 2);
    let observer = Driver::ada().await;
    let refused = observer.post(PATH, to_other(&json!({"sims": [{"id": 10_000_001}]}))).await;
    assert_eq!((refused.status, &refused.body["errors"][0]["error_code"]), (409, &json!(1504)));
    let application = Driver::example().await;
    let refused = application.post(PATH, to_other(&json!({"sims": [{"id": 10_000_001}]}))).await;
    assert_eq!(refused.status, 403, "an application token belongs to one workspace");
}
