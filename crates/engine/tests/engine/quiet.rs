//! Warnings are for what a person should look at: what sorts itself out within half a minute is none.

use serde_json::json;

use crate::support::{Stage, named};

impl Stage {
    /// Reason and note of every Warning.
    fn warnings(&self) -> Vec<(String, String)> {
        let wrote = self.cluster.wrote("POST /apis/events.k8s.io");
        let warnings = wrote.iter().filter(|w| w.body["type"] == "Warning");
        let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
        warnings.map(|w| (text(&w.body["reason"]), text(&w.body["note"]))).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_applied_in_the_wrong_order_warns_of_nothing() {
    let stage = Stage::new().await;
    stage.emnify.stock(1..=2);
    stage.cluster.apply("b", json!({"name": "b", "follows": "a"}));
    let toy_set = json!({"chips": [1, 2], "follows": "a"});
    stage.cluster.apply_a("ToySet", "h", toy_set);
    stage.pass(20).await;
    assert_eq!(stage.condition("b", "Ready").1, "ReferenceNotReady", "the condition says so at once");
    stage.cluster.apply("a", named("a"));
    for name in ["a", "b"] {
        stage.ready(name).await;
    }
    stage.pass(120).await;
    assert_eq!(stage.warnings(), [], "20 s are no matter of concern");
}

#[tokio::test(start_paused = true)]
async fn what_lasts_is_told_after_half_a_minute_though_nothing_else_happens() {
    let stage = Stage::new().await;
    stage.cluster.apply("b", json!({"name": "b", "follows": "a"}));
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [], "follows": "a"}));
    stage.pass(28).await;
    assert_eq!(stage.warnings(), []);
    stage.pass(5).await;
    let told = stage.warnings();
    let about =
        |what: &str| told.iter().filter(|(r, n)| r == "ReferenceNotReady" && n.contains(what)).count();
    assert_eq!((told.len(), about("there is no Toy a")), (2, 2), "the object and the set: {told:?}");
    stage.pass(600).await;
    assert_eq!(stage.warnings().len(), 2, "and once");
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_in_one_go_warns_of_nothing() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.apply("b", json!({"name": "b", "follows": "a"}));
    stage.ready("b").await;
    stage.cluster.delete("a");
    stage.until("it waits for who uses it", |s| s.condition("a", "Ready").1 == "InUse").await;
    stage.pass(10).await;
    stage.cluster.delete("b");
    stage.until("both are gone", |s| s.cluster.toy("a").is_none() && s.cluster.toy("b").is_none()).await;
    assert_eq!(stage.warnings(), []);
}
