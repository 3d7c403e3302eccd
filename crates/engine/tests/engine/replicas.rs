//! A standby that is to lead, a leader that follows one who is gone, and workspaces of other shards.

use std::time::Duration;

use emnify::{Gate, Moment};
use emnify_engine::{cluster::workspaces::Entry, run::Engine};
use serde_json::json;

use crate::support::{Stage, cluster::Cluster, emnify::Emnify, named, workspace};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_standby_writes_nothing_and_begins_with_what_is_there_by_then() {
    let stage = Stage::closed(Cluster::default(), Emnify::default()).await;
    stage.cluster.apply("a", named("old"));
    stage.pass(600).await;
    assert_eq!((stage.cluster.toy_writes(), stage.emnify.writes()), (0, 0), "a standby only watches");
    // the leader of that time made and bound it
    let id = stage.emnify.add(json!({"name": "new", "description": "[k8s prod/ns/a]"}));
    stage.cluster.apply("a", named("new"));
    let path = "/apis/emnify.io/v1alpha1/namespaces/ns/toys/a";
    let mut toy = stage.cluster.get(path).unwrap();
    toy["metadata"]["finalizers"] = json!(["emnify.io/finalizer"]);
    toy["status"] = json!({"id": id.to_string(), "organisationId": "42", "provenance": "Created"});
    stage.cluster.put(path, toy);
    stage.pass(60).await;
    stage.engine.open();
    stage.ready("a").await;
    assert_eq!(
        stage.status("a", "id"),
        json!(id.to_string()),
        "a look that waited does not write what it saw long ago"
    );
    assert_eq!(stage.emnify.devices().len(), 1, "and nothing is made twice");
}

#[tokio::test(start_paused = true)]
async fn after_a_leader_that_is_gone_edits_go_on_and_creates_wait() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let gate = Gate::shut();
    gate.open_until(Moment::now().after(HOUR));
    gate.hold_creates(Duration::from_secs(60));
    stage.caller.client.set_gate(gate);
    let creates = stage.emnify.asked("POST").len();
    stage.cluster.apply("a", named("edited"));
    stage.cluster.apply("b", named("b"));
    stage.until("the edit is served", |s| s.emnify.devices()[0]["name"] == "edited").await;
    stage.pass(20).await;
    let ready = stage.cluster.toy("b").unwrap()["status"]["conditions"].to_string();
    assert!(ready.contains("the requests of the former leader"), "whoever waits is told why: {ready}");
    assert_eq!(stage.emnify.asked("POST").len(), creates, "a second create could be one too many");
    stage.ready("b").await;
    assert_eq!(stage.emnify.devices().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_another_shard_is_not_touched() {
    let stage = Stage::closed(Cluster::default(), Emnify::default()).await;
    stage.engine.shared.leave(&workspace());
    stage.engine.open();
    stage.cluster.apply("a", named("a"));
    stage.cluster.apply_a("ToySet", "h", json!({}));
    stage.pass(600).await;
    stage.cluster.delete("a");
    stage.cluster.annotate_a("ToySet", "h", "emnify.io/refresh", "1");
    stage.pass(600).await;
    let wrote = stage.cluster.wrote("");
    assert!(wrote.is_empty(), "no status, no finalizer, no event: {wrote:?}");
    assert_eq!(stage.emnify.writes(), 0);
    stage.cluster.apply("b", named("b"));
    let ours = Entry { state: Ok(stage.access()), allows: None, generation: Some(1) };
    stage.engine.shared.publish(&workspace(), ours);
    stage.ready("b").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_ends_and_nothing_new_begins() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let engine: Engine = stage.engine.clone();
    engine.drained().await;
    let before = stage.emnify.writes();
    stage.cluster.apply("a", named("edited"));
    stage.pass(120).await;
    assert_eq!(stage.emnify.writes(), before, "a process that ends begins nothing at emnify");
}
