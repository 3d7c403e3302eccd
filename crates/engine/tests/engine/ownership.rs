//! Whose an emnify object is when several objects mean it.

use emnify_engine::cluster::workspaces::Entry;
use serde_json::json;

use crate::support::{Stage, named, workspace};

#[tokio::test(start_paused = true)]
async fn an_edit_of_the_id_takes_nothing_from_anybody() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.apply("b", named("b"));
    stage.ready("b").await;
    // the older one of the two, and bound
    stage.cluster.apply("a", json!({"name": "a", "id": "2"}));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "ImmutableField").await;
    let told = stage.cluster.toy("a").unwrap()["status"]["conditions"].to_string();
    assert!(told.contains("id: 1 -> 2"), "both ids are named: {told}");
    stage.cluster.apply("b", named("still b"));
    stage.ready("b").await;
    stage.cluster.delete("b");
    stage.until("b is gone", |s| s.cluster.toy("b").is_none()).await;
    assert_eq!(stage.emnify.devices().len(), 1, "nobody else is bound to it, so it goes with its object");
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    assert_eq!(stage.status("a", "id"), "1");
}

#[tokio::test(start_paused = true)]
async fn who_only_looks_on_is_in_nobodys_way() {
    let stage = Stage::new().await;
    stage.emnify.add(json!({"name": "theirs"}));
    let looks_on = json!({"id": "1", "managementPolicy": "Observe"});
    stage.cluster.apply("o1", looks_on.clone());
    stage.cluster.apply("o2", looks_on);
    stage.ready("o1").await;
    stage.ready("o2").await;
    stage.cluster.apply("a", json!({"name": "ours", "id": "1"}));
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices()[0]["name"], "ours", "the one that manages it is not shut out");
    stage.emnify.edit(1, "name", json!("portal"));
    stage.until("it is corrected", |s| s.emnify.devices()[0]["name"] == "ours").await;
    for name in ["o1", "o2"] {
        stage.until("those who look on see it", |s| s.status(name, "name") == "ours").await;
        assert_eq!(stage.condition(name, "Ready").0, "True");
    }
    stage.emnify.event(9, 3, 1, 0);
    for name in ["a", "o1", "o2"] {
        stage.until("everybody hears of it", |s| s.status(name, "online") == true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_object_is_bound_to_is_left_to_it() {
    let stage = Stage::new().await;
    stage.emnify.add(json!({"name": "shared"}));
    stage.cluster.apply("a", json!({"name": "shared", "id": "1", "deletionPolicy": "Delete"}));
    stage.ready("a").await;
    stage.cluster.apply("b", json!({"name": "shared", "id": "1", "deletionPolicy": "Delete"}));
    stage.until("it stalls", |s| s.condition("b", "Stalled").1 == "OwnershipConflict").await;
    stage.cluster.delete("b");
    stage.until("b is gone", |s| s.cluster.toy("b").is_none()).await;
    assert_eq!(stage.emnify.devices().len(), 1);
    stage.cluster.delete("a");
    stage.until("a is gone", |s| s.cluster.toy("a").is_none()).await;
    assert_eq!(stage.emnify.devices().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_deletion_depends_on_is_read_after_a_restart() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("read first"));
    stage.ready("a").await;
    stage.cluster.delete("a");
    let stage = stage.restart().await;
    stage.until("a is gone", |s| s.cluster.toy("a").is_none()).await;
    let asked = stage.emnify.asked("");
    let at = |what: &str| asked.iter().position(|a| a.what.starts_with(what));
    let (read, deleted) = (at("GET /api/v2/endpoint/1/tags"), at("DELETE"));
    assert!(read.is_some() && read < deleted, "read before anything is retired: {asked:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_while_nobody_watched_claims_nothing_any_more() {
    let stage = Stage::new().await;
    stage.emnify.add(json!({"name": "it", "imei": "1"}));
    // without a finalizer nothing keeps an object that is deleted
    let path = "/apis/emnify.io/v1alpha1/namespaces/ns/toys/a";
    stage.cluster.apply("a", json!({"name": "it", "serial": "1", "id": "1"}));
    stage.ready("a").await;
    stage.cluster.apply("b", json!({"name": "b", "serial": "1", "id": "1"}));
    stage.until("it stalls", |s| s.condition("b", "Stalled").1 == "OwnershipConflict").await;
    stage.cluster.gap(|cluster| {
        let mut a = cluster.get(path).unwrap();
        a["metadata"]["finalizers"] = json!([]);
        cluster.put(path, a);
        cluster.delete("a");
    });
    assert!(stage.cluster.toy("a").is_none());
    stage.ready("b").await;
}

#[tokio::test(start_paused = true)]
async fn what_was_edited_while_nobody_watched_is_looked_at_as_it_is() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.gap(|cluster| cluster.apply("a", named("edited")));
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices()[0]["name"], "edited");
}

#[tokio::test(start_paused = true)]
async fn what_is_referred_to_looks_again_whether_or_not_somebody_says_so() {
    let stage = Stage::new().await;
    let path = "/apis/emnify.io/v1alpha1/namespaces/ns/toys/b";
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.apply("b", json!({"name": "b", "follows": "a"}));
    stage.ready("b").await;
    stage.cluster.delete("a");
    stage.until("it waits", |s| s.condition("a", "Ready").1 == "InUse").await;
    stage.cluster.gap(|cluster| {
        let mut b = cluster.get(path).unwrap();
        b["metadata"]["finalizers"] = json!([]);
        cluster.put(path, b);
        cluster.delete("b");
    });
    stage.until("a is gone", |s| s.cluster.toy("a").is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_rebuilt_cluster_a_device_without_a_key_is_not_made_twice() {
    let stage = Stage::new().await;
    let old = |mark: &str| json!({"name": "a", "tags": mark, "created": "2026-04-01T00:00:00Z"});
    stage.emnify.add(old("[k8s elsewhere]"));
    stage.emnify.add(old("[k8s prod]"));
    stage.cluster.apply("a", json!({"name": "a", "unmarked": true}));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "AlreadyExists").await;
    let told = stage.cluster.toy("a").unwrap()["status"]["conditions"].to_string();
    assert!(told.contains("add `id: \\\"2\\\"` to spec"), "the line to add is printed: {told}");
    stage.pass(900).await;
    assert_eq!(stage.emnify.devices().len(), 2);
    stage.cluster.apply("a", json!({"name": "a", "unmarked": true, "id": "2"}));
    stage.ready("a").await;
    assert_eq!(stage.status("a", "provenance"), "Created", "what carries our mark is ours");
    stage.cluster.apply("b", json!({"name": "a", "unmarked": true}));
    stage.ready("b").await;
    assert_eq!(
        stage.emnify.devices().len(),
        3,
        "a name may be given twice while somebody is bound to the first"
    );
}

#[tokio::test(start_paused = true)]
async fn consent_given_while_the_workspace_is_not_ready_is_kept() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", json!({"name": "a", "secret": "out"}));
    stage.ready("a").await;
    stage.emnify.remove(1);
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "Vanished").await;
    let entry = |state| Entry { state, allows: None, generation: Some(1) };
    stage.engine.shared.publish(&workspace(), entry(Err("its credentials are refused".into())));
    stage.cluster.annotate("a", "emnify.io/refresh", "now");
    stage.pass(60).await;
    assert!(stage.status("a", "lastHandledRefreshAt").is_null(), "nobody has handled it yet");
    stage.engine.shared.publish(&workspace(), entry(Ok(stage.access())));
    stage.ready("a").await;
    assert_eq!(stage.status("a", "id"), "2");
    assert_eq!(stage.status("a", "lastHandledRefreshAt"), "now");
}

#[tokio::test(start_paused = true)]
async fn consent_given_before_the_first_listing_is_kept() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", json!({"name": "a", "secret": "out"}));
    stage.ready("a").await;
    stage.emnify.remove(1);
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "Vanished").await;
    stage.cluster.annotate("a", "emnify.io/refresh", "now");
    let stage = stage.restart().await;
    stage.ready("a").await;
    assert_eq!(stage.status("a", "id"), "2");
}
