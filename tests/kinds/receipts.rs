//! Callbacks about messages: receipts of those that an operation waits for, and messages of devices.

use emnify_engine::kind::message::{Heard, Message, MessageNews};
use emnify_simulator::state::State;
use serde_json::json;

use crate::{
    deeds::{DEVICES, Deed},
    operations::{KIND, platform, with_action},
    stage::Stage,
};

const DEVICE: u64 = DEVICES[0];

/// The first device gets a message while it is away, and is waited for.
async fn waiting() -> (Stage, u64) {
    let deed = Deed::named("sendSms with waitForDelivery");
    let (cluster, wire) = platform(deed);
    let away = |state: &mut State| {
        let org = state.organisations.get_mut(&1001).unwrap();
        org.endpoints.get_mut(&DEVICE).unwrap().connectivity.location = None;
    };
    wire.simulator.edit(away).unwrap();
    let stage = Stage::on(cluster.clone(), wire).await;
    let mut spec = with_action(deed, &(deed.action)());
    spec["target"] = json!({"endpoints": [{"id": DEVICE.to_string()}]});
    cluster.apply_a(KIND, "op", spec);
    stage.until_op("the message waits", |stage| sent(stage).is_some()).await;
    // by now it is asked about every three minutes
    stage.pass(1_800).await;
    let id = sent(&stage).unwrap();
    (stage, id)
}

fn sent(stage: &Stage) -> Option<u64> {
    let first = |state: &State| state.organisations[&1001].endpoints[&DEVICE].sms.keys().next().copied();
    stage.wire.simulator.inspect(first)
}

fn told(id: u64, news: MessageNews) -> Message {
    Message {
        organisation: Some("1001".to_owned()),
        endpoint: i64::try_from(DEVICE).ok(),
        id: i64::try_from(id).unwrap(),
        news,
        dest_address: None,
    }
}

/// How often the message was asked about.
fn asked(stage: &Stage, id: u64) -> usize {
    let path = format!("GET /api/v1/endpoint/{DEVICE}/sms/{id}");
    stage.wire.carried().iter().filter(|asked| **asked == path).count()
}

#[tokio::test(start_paused = true)]
async fn a_receipt_has_its_message_asked_about_at_once() {
    let (stage, id) = waiting().await;
    stage.wire.simulator.end_message(id, true).unwrap();
    let before = asked(&stage, id);
    assert_eq!(stage.call_back(&told(id, MessageNews::Delivered)), Heard::Here);
    stage.pass(5).await;
    assert_eq!(asked(&stage, id), before + 1, "one question");
    assert_eq!(stage.op()["status"]["phase"], "Complete", "{:#}", stage.op()["status"]);
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_forged_receipt_has_it_asked_about_and_does_no_more() {
    let (stage, id) = waiting().await;
    let before = asked(&stage, id);
    for _ in 0..20 {
        for _ in 0..10 {
            stage.call_back(&told(id, MessageNews::Delivered));
            stage.call_back(&told(id + 1, MessageNews::Delivered));
        }
        stage.pass(1).await;
    }
    let questions = asked(&stage, id) - before;
    assert!((1..=11).contains(&questions), "every other second at most: {questions}");
    let status = stage.op()["status"].clone();
    assert!(status["finishedAt"].is_null(), "emnify says that it still waits: {status:#}");
    stage.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_of_an_organisation_that_is_not_served_is_told_again_or_refused() {
    let (cluster, wire) = platform(Deed::named("sendSms"));
    let stage = Stage::on(cluster, wire).await;
    let served = told(7, MessageNews::Received);
    let other = Message { organisation: Some("1002".to_owned()), ..served.clone() };
    let unnamed = Message { organisation: None, ..served.clone() };
    assert_eq!(stage.call_back(&served), Heard::Here);
    assert_eq!(stage.call_back(&unnamed), Heard::Here, "what it names is looked for everywhere");
    assert_eq!(stage.call_back(&other), Heard::Elsewhere, "it may be logged in to soon");
    stage.pass(121).await;
    assert_eq!(stage.call_back(&other), Heard::Nowhere);
    stage.stop().await;
}
