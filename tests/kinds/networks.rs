//! Address spaces and resolvers where others have some already.

use serde_json::{Value, json};

use crate::stage::Stage;

fn status(stage: &Stage, kind: &str) -> Value {
    stage.cluster.object(kind, "a").unwrap()["status"].clone()
}

#[tokio::test(start_paused = true)]
async fn of_two_pairs_that_are_alike_the_lowest_is_meant_by_everybody() {
    let stage = Stage::new().await;
    let edited = stage.wire.simulator.edit(|state| {
        for id in [42, 41] {
            let pair = json!({"id": id, "primary": "10.0.0.1", "secondary": "10.0.0.2"});
            state.organisations.get_mut(&1001).unwrap().dns.put(serde_json::from_value(pair).unwrap());
        }
    });
    edited.unwrap();
    stage.cluster.apply_a(
        "ServiceProfile",
        "a",
        json!({"name": "Meters", "dns": {"externalName": "10.0.0.1, 10.0.0.2"}}),
    );
    stage.ready("ServiceProfile", "a").await;
    let used = stage.wire.simulator.inspect(|state| {
        let profiles = state.organisations[&1001].service_profiles.values();
        profiles.filter_map(|profile| profile.dns).collect::<Vec<_>>()
    });
    assert_eq!(used, [41], "also for who refers to it by its addresses");
    stage.cluster.apply_a("DnsConfig", "a", json!({"primary": "10.0.0.1", "secondary": "10.0.0.2"}));
    stage.ready("DnsConfig", "a").await;
    assert_eq!(status(&stage, "DnsConfig")["id"], "41");
    assert_eq!(stage.wire.carried().iter().filter(|asked| *asked == "POST /api/v1/dns").count(), 0);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_range_that_overlaps_another_is_a_persons_matter_and_asked_for_rarely() {
    let stage = Stage::new().await;
    stage.cluster.apply_a("IpAddressSpace", "a", json!({"cidr": "10.192.0.0/25"}));
    stage.pass(3_600).await;
    let status = status(&stage, "IpAddressSpace");
    let conditions = status["conditions"].as_array().unwrap();
    let stalled = conditions.iter().find(|condition| condition["type"] == "Stalled").unwrap();
    assert_eq!((&stalled["status"], &stalled["reason"]), (&json!("True"), &json!("Rejected")), "{stalled}");
    assert!(stalled["message"].as_str().unwrap().contains("overlaps a range"), "{stalled}");
    let asked = stage.wire.carried().iter().filter(|asked| *asked == "POST /api/v1/ip_address_space").count();
    assert!((1..=5).contains(&asked), "{asked} times in an hour");
    stage.stop().await;
}
