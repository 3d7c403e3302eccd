//! Operations that emnify goes on working on, and what some are refused for.

use emnify_engine::session::guard::GuardLimit;
use emnify_simulator::state::State;
use serde_json::{Value, from_value, json};

use crate::{
    clock,
    deeds::{DEVICES, Deed, EID, TOKEN},
    operations::{KIND, platform, with_action},
    stage::Stage,
    wire::{Asked, Wrong},
};

/// What becomes of an operation, where emnify is made so before.
async fn status_of(deed: &Deed, spec: Value, furnish: impl FnOnce(&mut State)) -> (Stage, Value) {
    let (cluster, wire) = platform(deed);
    wire.simulator.edit(furnish).unwrap();
    let stage = Stage::on(cluster.clone(), wire).await;
    cluster.apply_a(KIND, "op", spec);
    let status = stage.finishes("it ends").await;
    (stage, status)
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_the_time_is_over_is_unknown_and_named() {
    let deed = Deed::named("euicc");
    let mut spec = with_action(deed, &(deed.action)());
    spec["activeDeadlineSeconds"] = json!(1_800);
    let (stage, status) = status_of(deed, spec, |state| {
        // it polls in a day
        state.organisations.get_mut(&1001).unwrap().euiccs.get_mut(&1).unwrap().last_polled = None;
    })
    .await;
    let left = &status["results"][0];
    assert_eq!((&status["phase"], &left["state"]), (&json!("Failed"), &json!("Unknown")), "{status:#}");
    assert!(left["message"].to_string().contains("emnify still works on it, as "), "{left:#}");
    let asked = stage
        .wire
        .carried()
        .iter()
        .filter(|asked| asked.starts_with("GET /api/v1/euicc/1/operation/"))
        .count();
    assert!((10..=50).contains(&asked), "it is asked about ever less often: {asked} times in half an hour");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_followed_until_the_device_has_it_or_never_will() {
    let deed = Deed::named("sendSms with waitForDelivery");
    let action = json!({"sendSms": {"payload": "hello", "waitForDelivery": true, "expiresIn": "10m"}});
    let mut spec = with_action(deed, &action);
    spec["maxFailedTargets"] = json!(3);
    let (stage, status) = status_of(deed, spec, |state| {
        let away = state.organisations.get_mut(&1001).unwrap().endpoints.get_mut(&DEVICES[0]).unwrap();
        away.connectivity.location = None;
    })
    .await;
    let results = status["results"].as_array().unwrap();
    let state =
        |id: u64| &results.iter().find(|result| result["target"] == json!(id.to_string())).unwrap()["state"];
    assert_eq!(state(DEVICES[0]), "Failed", "the device is away, and the message expires: {status:#}");
    assert_eq!(state(DEVICES[1]), "Succeeded", "{status:#}");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_text_from_a_secret_reaches_the_devices_and_nothing_else() {
    let deed = Deed::named("sendSms");
    let secret = json!({"name": "signing", "key": "key"});
    let spec = with_action(deed, &json!({"sendSms": {"payloadSecretRef": secret}}));
    let (stage, status) = status_of(deed, spec, |_| {}).await;
    let sent = stage.wire.simulator.inspect(|state| {
        let device = &state.organisations[&1001].endpoints[&DEVICES[0]];
        device.sms.values().map(|sms| sms.payload.clone()).collect::<Vec<_>>()
    });
    assert_eq!(sent, [TOKEN], "{status:#}");
    let told = stage.cluster.wrote("").iter().any(|write| write.body.to_string().contains(TOKEN));
    assert!(!told, "neither status nor event repeats it");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_euicc_that_has_a_profile_is_not_linked_again() {
    let deed = Deed::named("euicc");
    let product = json!({"externalName": "IoT"});
    let mut spec = with_action(deed, &json!({"simOperation": {"action": "Link", "product": product}}));
    let other = "89049032000001000000000000000002";
    spec["target"] = json!({"euiccs": [EID, other]});
    spec["confirm"] = json!({"targets": 2});
    let (stage, status) = status_of(deed, spec, |state| {
        let product = from_value(json!({"id": 5, "name": "IoT", "quantity": 3})).unwrap();
        state.organisations.get_mut(&1001).unwrap().esim_products.insert(5, product);
    })
    .await;
    let results = status["results"].as_array().unwrap();
    let result = |eid: &str| results.iter().find(|result| result["target"] == eid).unwrap();
    assert_eq!(result(EID)["reason"], "Linked", "{status:#}");
    assert_eq!(result(other)["state"], "Succeeded", "{status:#}");
    let left = stage.wire.simulator.inspect(|state| state.organisations[&1001].esim_products[&5].quantity);
    assert_eq!(left, 2, "one profile is used up");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn quotas_stay_while_the_profile_asks_for_them() {
    let deed = Deed::named("removeQuotas");
    let spec = with_action(deed, &(deed.action)());
    let (stage, status) = status_of(deed, spec, |state| {
        let org = state.organisations.get_mut(&1001).unwrap();
        org.service_profiles.get_mut(&101).unwrap().apply_data_quota = true;
    })
    .await;
    assert!(status["results"][0]["message"].to_string().contains("every device"), "{status:#}");
    let kept = stage
        .wire
        .simulator
        .inspect(|state| state.organisations[&1001].endpoints[&DEVICES[0]].data_quota.is_some());
    assert!(kept, "or the devices would be cut off");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_guard_hears_of_every_device_of_a_profile() {
    let deed = Deed::named("removeQuotas");
    let (cluster, wire) = platform(deed);
    let stage = Stage::on(cluster.clone(), wire).await;
    let limit = |devices| GuardLimit { devices, ..GuardLimit::default() };
    stage.access().caller.guard.set_limit(limit(2), "ns/default");
    cluster.apply_a(KIND, "op", with_action(deed, &(deed.action)()));
    let told = |stage: &Stage| stage.op()["status"]["conditions"].to_string();
    stage.until_op("three are too many", |stage| told(stage).contains("GuardTripped")).await;
    assert!(stage.op()["status"]["startedAt"].is_null(), "nothing is sent");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_operator_does_not_shut_itself_out() {
    let deed = Deed::named("resetMfa");
    let mut spec = with_action(deed, &(deed.action)());
    spec["target"] = json!({"user": {"externalName": "ada@example.com"}});
    let (stage, status) = status_of(deed, spec, |state| {
        let device = json!({"id": 9, "fingerprint": "laptop", "activation_date": "2026-01-01T00:00:00Z"});
        state.users.get_mut(&301).unwrap().trusted_devices.insert(9, from_value(device).unwrap());
    })
    .await;
    assert!(status["results"][0]["message"].to_string().contains("shut itself out"), "{status:#}");
    let kept = stage.wire.simulator.inspect(|state| state.users[&301].trusted_devices.values().count());
    assert_eq!(kept, 1, "nothing is taken from it");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_offline_is_kept_from_the_network_that_it_was_in_last() {
    let deed = Deed::named("blockCurrentOperator");
    let spec = with_action(deed, &json!({"blockCurrentOperator": {}}));
    let (stage, status) = status_of(deed, spec, |state| {
        let org = state.organisations.get_mut(&1001).unwrap();
        for device in DEVICES {
            let device = org.endpoints.get_mut(&device).unwrap();
            (device.enabled, device.connectivity.location) = (false, None);
        }
        org.events.remove(&DEVICES[2]);
    })
    .await;
    let blocked = |id: u64| {
        stage
            .wire
            .simulator
            .inspect(|state| state.organisations[&1001].endpoints[&id].operator_blacklist.clone())
    };
    assert_eq!((blocked(DEVICES[0]), blocked(DEVICES[2])), (vec![2035], vec![]), "{status:#}");
    assert_eq!(status["results"][2]["reason"], "OperatorUnknown", "nothing tells where it was: {status:#}");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_goes_on_by_itself_is_kept_from_no_second_network() {
    let deed = Deed::named("blockCurrentOperator");
    let (cluster, wire) = platform(deed);
    let resets = |asked: &Asked| asked.method == "PATCH" && asked.path.ends_with("/connectivity");
    wire.fail(resets, Wrong::Answer(429, json!({"error_code": 0, "message": "slow down"})));
    let stage = Stage::on(cluster.clone(), wire).await;
    let mut spec = with_action(deed, &(deed.action)());
    spec["target"] = json!({"endpoints": [{"id": DEVICES[0].to_string()}]});
    cluster.apply_a(KIND, "op", spec);
    let blocked = |stage: &Stage| {
        let seen =
            |state: &State| state.organisations[&1001].endpoints[&DEVICES[0]].operator_blacklist.clone();
        stage.wire.simulator.inspect(seen)
    };
    stage.until_op("its network is blocked", |stage| !blocked(stage).is_empty()).await;
    stage.wire.simulator.edit(|state| goes_to(state, 2004)).unwrap();
    stage.wire.heal();
    let status = stage.finishes("it ends").await;
    assert_eq!((blocked(&stage), &status["phase"]), (vec![2035], &json!("Complete")), "{status:#}");
    stage.stop().await;
}

/// The first device attaches to another network.
fn goes_to(state: &mut State, operator: u64) {
    let org = state.organisations.get_mut(&1001).unwrap();
    let at = json!({"operator": operator, "since": clock::now().to_string(), "rat_type": 6});
    org.endpoints.get_mut(&DEVICES[0]).unwrap().connectivity.location = from_value(at).unwrap();
}
