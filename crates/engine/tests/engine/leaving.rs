//! What emnify does not delete because something there still uses it.

use serde_json::json;

use crate::support::{Stage, emnify::Fault, named};

/// Toy `a`, and toy `b` that follows it in emnify.
async fn followed(b: serde_json::Value) -> Stage {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.apply("b", b);
    stage.ready("b").await;
    stage
}

impl Stage {
    async fn goes(&self, name: &str) {
        self.until(&format!("{name} goes"), |s| s.cluster.toy(name).is_none()).await;
    }

    fn left(&self) -> Vec<String> {
        let name = |device: &serde_json::Value| device["name"].as_str().unwrap_or_default().to_owned();
        self.emnify.devices().iter().map(name).collect()
    }

    fn message(&self, name: &str, kind: &str) -> String {
        let toy = self.cluster.toy(name).unwrap_or_default();
        let all = toy["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let one = all.into_iter().find(|c| c["type"] == kind);
        one.and_then(|c| c["message"].as_str().map(ToOwned::to_owned)).unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_used_by_something_that_was_left_behind_is_left_behind_too() {
    let stage = followed(json!({"name": "b", "follows": "a", "deletionPolicy": "Orphan"})).await;
    stage.cluster.delete("a");
    stage.cluster.delete("b");
    stage.goes("b").await;
    stage.goes("a").await;
    assert_eq!(stage.left(), ["a", "b"], "both stay in emnify");
    let events = stage.cluster.events();
    let told = events.iter().any(|(reason, note)| {
        reason == "Orphaned" && note.contains("left behind Toy 1 in emnify: it is used there by Toy 2 (b)")
    });
    assert!(told, "an event names who holds it: {events:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_used_by_something_that_is_managed_here_waits_for_it() {
    let stage = followed(named("b")).await;
    stage.emnify.edit(2, "service_profile", json!({"id": 1}));
    stage.pass(400).await;
    stage.cluster.delete("a");
    stage.until("it is told who uses it", |s| s.condition("a", "Reconciling").1 == "InUse").await;
    assert!(stage.message("a", "Ready").contains("Toy 2 (b)"), "{}", stage.message("a", "Ready"));
    stage.pass(300).await;
    assert_eq!(stage.condition("a", "Reconciling").1, "InUse", "whoever is here is waited for");
    stage.cluster.delete("b");
    stage.goes("a").await;
    assert_eq!(stage.left(), Vec::<String>::new(), "and then it is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_emnify_does_not_allow_now_names_the_way_out() {
    let stage = followed(named("b")).await;
    let busy = json!({"error_code": 1406, "message": "busy"});
    stage.emnify.fail("DELETE /api/v1/endpoint/1", 2, Fault::Answer(409, busy));
    stage.cluster.delete("a");
    stage.until("it is told", |s| s.condition("a", "Reconciling").1 == "Conflict").await;
    let message = stage.message("a", "Ready");
    assert!(message.contains("busy") && message.contains("emnify.io/force-orphan=true"), "{message}");
    stage.goes("a").await;
    assert_eq!(stage.left(), ["b"], "what nobody uses is deleted when emnify lets it go");
}
