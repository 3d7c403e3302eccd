//! Callbacks without TLS.

use serde_json::json;

use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn calls_in_clear_are_warned_of_once_for_each_generation() {
    let stage = Stage::new().await;
    let warned = |stage: &Stage| stage.cluster.named_events("InsecureCallback").len();
    stage.cluster.apply_a("ApiCallback", "b", json!({"url": "https://sms.example.com/emnify"}));
    stage.ready("ApiCallback", "b").await;
    stage.pass(60).await;
    assert_eq!(warned(&stage), 0, "with TLS there is nothing to warn of");

    let mut clear = json!({"url": "http://sms.example.com/emnify"});
    stage.cluster.apply_a("ApiCallback", "a", clear.clone());
    stage.ready("ApiCallback", "a").await;
    stage.pass(7_200).await;
    assert_eq!(warned(&stage), 1);
    let stage = stage.restart().await;
    stage.pass(7_200).await;
    assert_eq!(warned(&stage), 1, "a restart says nothing anew");

    clear["driftPolicy"] = json!("Warn");
    stage.cluster.apply_a("ApiCallback", "a", clear);
    stage.ready("ApiCallback", "a").await;
    stage.pass(60).await;
    assert_eq!(warned(&stage), 2, "whoever edits it and leaves it in clear hears of it again");
}
