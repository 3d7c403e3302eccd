//! What emnify does not delete because something there still uses it.

use std::sync::Arc;

use emnify_engine::{
    cluster::workspaces::{Allows, Entry, Refusal},
    kind::spec::WorkspaceKey,
};
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

/// A `ClusterWorkspace` that allows the namespace, or no longer.
fn share(stage: &Stage, allowed: bool) {
    let key = WorkspaceKey { namespace: None, name: "shared".into() };
    let allows: Allows =
        Arc::new(move |who| if allowed { Ok(()) } else { Err(Refusal::Namespace(who.namespace.to_owned())) });
    let generation = Some(if allowed { 1 } else { 2 });
    stage.engine.shared.publish(&key, Entry { state: Ok(stage.access()), allows: Some(allows), generation });
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_allowed_no_more_deletes_nothing_whatever_a_status_claims() {
    let stage = Stage::new().await;
    share(&stage, true);
    let through = json!({"kind": "ClusterWorkspace", "name": "shared"});
    let another = stage.emnify.add(json!({"name": "another's"}));
    for name in ["made", "let go", "forged"] {
        stage.cluster.apply(&name.replace(' ', "-"), json!({"name": name, "workspaceRef": through}));
        stage.ready(&name.replace(' ', "-")).await;
    }
    share(&stage, false);
    let mut forged = stage.cluster.toy("forged").unwrap();
    forged["status"]["id"] = json!(another.to_string());
    stage.cluster.put("/apis/emnify.io/v1alpha1/namespaces/ns/toys/forged", forged);
    for name in ["made", "let-go", "forged"] {
        stage.cluster.delete(name);
    }
    stage.cluster.annotate("let-go", "emnify.io/force-orphan", "true");
    stage.goes("let-go").await;
    stage.pass(600).await;
    assert_eq!(stage.left(), ["another's", "made", "let go", "forged"], "nothing is deleted without leave");
    for name in ["made", "forged"] {
        assert_eq!(stage.condition(name, "Ready").1, "WorkspaceNotReady", "{name} says why it stays");
        assert!(stage.message(name, "Ready").contains("allowedNamespaces"), "and what to do about it");
    }
    stage.cluster.annotate("forged", "emnify.io/force-orphan", "true");
    stage.goes("forged").await;
    share(&stage, true);
    stage.goes("made").await;
    assert_eq!(stage.left(), ["another's", "let go", "forged"], "allowed again it goes with its object");
    stage.stop().await;
}
