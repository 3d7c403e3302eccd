//! Whatever happens while a call is under way, or while members are in doubt.

use std::time::Duration;

use emnify_engine::kind::Managed;
use serde_json::json;

use super::{BULK, stocked, toy_set, with};
use crate::support::{
    Stage,
    cluster::Cluster,
    emnify::{Emnify, Fault},
    toy_set::Chip,
};

const STATUS: &str = "PATCH /apis/emnify.io/v1alpha1/namespaces/ns/toysets/h/status";

fn serials(stage: &Stage) -> Vec<String> {
    let mut all: Vec<String> =
        stage.emnify.devices().iter().map(|d| d["imei"].as_str().unwrap_or_default().to_owned()).collect();
    all.sort();
    all
}

/// A bulk create that takes effect ten seconds after it was sent.
async fn creating(stage: &Stage, spec: serde_json::Value) {
    stage.emnify.fail(BULK, 1, Fault::Slow(Duration::from_secs(10)));
    stage.cluster.apply_a("ToySet", "h", spec);
    stage.until("the create is under way", |s| s.emnify.asked(BULK).len() == 1).await;
}

/// A complete listing that the set has looked at.
async fn swept<K: Managed>(stage: &Stage) {
    let kind_state = stage.session.kind_state::<K>();
    let before = kind_state.mirror.complete_since();
    kind_state.sweep.notify_one();
    stage.until("it is listed", |_| kind_state.mirror.complete_since() > before).await;
    stage.cluster.annotate_a("ToySet", "h", "example.org/note", "look");
    stage.pass(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_create_under_way_keeps_its_seat() {
    let stage = Stage::new().await;
    stage.emnify.stock(5..=7);
    creating(&stage, json!({"replicas": 3})).await;
    stage.emnify.stock(1..=4);
    swept::<Chip>(&stage).await;
    stage.toy_set_ready().await;
    assert_eq!(serials(&stage), ["5", "6", "7"], "chips that would come first now change nothing");
    assert_eq!(stage.toy_set_status("desired"), 3);
    assert!(stage.emnify.devices().iter().all(|d| d["tags"] == "made [k8s prod/ns/h]"));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_any_more_when_its_create_is_answered_goes() {
    // with slow listings the edit comes before anything has shown what was made
    for (lost, slow, gap) in [(false, 0, 0), (true, 0, 0), (true, 25, 0), (true, 25, 11), (true, 40, 31)] {
        let stage = stocked(4).await;
        stage.emnify.fail("GET /api/v1/endpoint", 2, Fault::Slow(Duration::from_secs(slow)));
        let fault = if lost { Fault::LostAnswer } else { Fault::Slow(Duration::from_secs(10)) };
        stage.emnify.fail(BULK, 1, fault);
        stage.cluster.apply_a("ToySet", "h", toy_set(1..=4));
        stage.until("the create is under way", |s| s.emnify.asked(BULK).len() == 1).await;
        stage.pass(gap).await;
        stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
        stage.pass(20).await;
        stage.toy_set_ready().await;
        stage.until("what is left over is gone", |s| s.emnify.devices().len() == 2).await;
        assert_eq!(serials(&stage), ["1", "2"], "lost: {lost}, listings {slow} s, edit after {gap} s");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_create_made_goes_even_if_the_edit_that_drops_it_names_devices_anew() {
    let stage = stocked(4).await;
    stage.emnify.fail("GET /api/v1/endpoint", 2, Fault::Slow(Duration::from_secs(25)));
    stage.emnify.fail(BULK, 1, Fault::LostAnswer);
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=4));
    stage.until("the create took effect", |s| s.emnify.devices().len() == 4).await;
    stage.cluster.apply_a("ToySet", "h", json!({"chips": [9], "prefix": "other"}));
    stage.until("what is left over is gone", |s| s.emnify.devices().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_set_that_is_deleted_waits_for_its_create() {
    let stage = stocked(3).await;
    creating(&stage, toy_set(1..=3)).await;
    stage.cluster.delete_a("ToySet", "h");
    stage.pass(5).await;
    assert!(stage.cluster.object("ToySet", "h").is_some(), "nobody would know of what it makes");
    stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
    assert_eq!((stage.emnify.asked(BULK).len(), stage.emnify.devices().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_create_made_goes_with_the_set_even_if_its_list_went_first() {
    const MAP: &str = "/api/v1/namespaces/ns/configmaps/list";
    for text in [None, Some("1 2 3")] {
        let stage = stocked(3).await;
        let map = |text: &str| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "list", "resourceVersion": "1"},
                   "data": {"chips": text}})
        };
        stage.cluster.put(MAP, map("1 2 3"));
        stage.emnify.fail(BULK, 1, Fault::LostAnswer);
        stage.emnify.add(json!({"name": "a stranger", "imei": "9", "status": {"id": 0}}));
        stage.cluster.apply_a("ToySet", "h", json!({"listedIn": "list"}));
        stage.until("it took effect", |s| s.emnify.devices().len() == 4).await;
        stage.cluster.delete_a("ToySet", "h");
        match text {
            Some(text) => stage.cluster.put(MAP, map(text)),
            None => stage.cluster.put(
                MAP,
                json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "list", "resourceVersion": "2"}}),
            ),
        }
        let stage = stage.restart().await;
        stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
        assert_eq!(serials(&stage), ["9"], "with the text {text:?}");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_doubt_alone_changes_no_count() {
    let stage = stocked(8).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=8));
    stage.toy_set_ready().await;
    stage.pass(60).await;
    let before = stage.cluster.wrote(STATUS).len();
    (1..=4).for_each(|id| stage.emnify.event(id, 99, id, 0));
    let reads = |s: &Stage| s.emnify.asked("GET /api/v1/endpoint/").len();
    stage.until("they are read", |s| reads(s) == 4).await;
    stage.pass(60).await;
    assert_eq!(stage.cluster.wrote(STATUS).len(), before, "a read that finds nothing is not news");

    let (cluster, emnify) = (stage.cluster.clone(), stage.emnify.clone());
    stage.stop().await;
    (5..=8).for_each(|id| emnify.event(id, 99, id, 0));
    let stage = Stage::on(cluster, emnify).await;
    stage.until("they are read", |s| reads(s) == 8).await;
    stage.pass(60).await;
    assert_eq!(stage.cluster.wrote(STATUS).len(), before, "nor is it after a second start");
    assert_eq!((stage.toy_set_status("ready"), stage.toy_set_status("enabled")), (json!(8), json!(8)));
}

#[tokio::test(start_paused = true)]
async fn members_without_the_tag_of_their_set_go_with_it_after_a_restart_too() {
    let strip = |emnify: &Emnify| {
        for device in emnify.devices() {
            // the installation made all of them, and no tag of the set is left
            emnify.edit(device["id"].as_i64().unwrap(), "tags", json!("made"));
        }
    };
    for restart in [false, true] {
        let stage = stocked(4).await;
        stage.cluster.apply("a", json!({"name": "a", "serial": "4"}));
        stage.ready("a").await;
        stage.cluster.apply_a("ToySet", "h", toy_set(1..=3));
        stage.toy_set_ready().await;
        stage.pass(60).await;
        let emnify = stage.emnify.clone();
        let stage = if restart {
            let meanwhile = |cluster: &Cluster| {
                strip(&emnify);
                cluster.delete_a("ToySet", "h");
            };
            stage.restart_after(meanwhile).await
        } else {
            strip(&emnify);
            stage.cluster.delete_a("ToySet", "h");
            stage
        };
        stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
        assert_eq!(stage.names(), ["a"], "what it made goes with it, nothing of others (restart: {restart})");
        stage.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_that_never_came_to_be_takes_nothing_along() {
    let stage = stocked(2).await;
    // left behind by somebody else of this installation
    stage.emnify.add(json!({"name": "left", "imei": "1", "tags": "made", "created": "2020-01-01T00:00:00Z"}));
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    let stage = stage.restart_after(|cluster| cluster.delete_a("ToySet", "h")).await;
    stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
    assert!(stage.names().contains(&"left".to_owned()), "it was never a member: {:?}", stage.names());
}

/// The set leaves the cluster and nobody sees it: a backup tool or a person took its finalizer off.
fn leaves_unseen(cluster: &Cluster) {
    let path = "/apis/emnify.io/v1alpha1/namespaces/ns/toysets/h";
    let mut toy_set = cluster.get(path).unwrap();
    toy_set["metadata"]["finalizers"] = json!([]);
    cluster.put(path, toy_set);
    cluster.delete_a("ToySet", "h");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_left_while_nobody_watched_claims_nothing_any_more() {
    let stage = stocked(2).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=2));
    stage.toy_set_ready().await;
    stage.cluster.apply("a", json!({"name": "a", "serial": "1", "adoptionPolicy": "Force"}));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "OwnershipConflict").await;
    let writes = stage.emnify.writes();
    stage.cluster.gap(leaves_unseen);
    assert!(stage.cluster.object("ToySet", "h").is_none());
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices().len(), 2, "what the set left behind is taken over and not made twice");
    assert!(stage.emnify.writes() > writes && stage.emnify.asked("DELETE").is_empty(), "nothing is deleted");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_begins_to_go_while_nobody_watches_goes_with_its_members() {
    let stage = stocked(3).await;
    stage.cluster.apply_a("ToySet", "h", toy_set(1..=3));
    stage.toy_set_ready().await;
    stage.pass(60).await;
    stage.cluster.gap(|cluster| cluster.delete_a("ToySet", "h"));
    stage.until("the set is gone", |s| s.cluster.object("ToySet", "h").is_none()).await;
    assert!(stage.emnify.devices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_set_refers_to_goes_after_a_set_that_left_unseen() {
    let stage = stocked(2).await;
    stage.cluster.apply("a", json!({"name": "a"}));
    stage.ready("a").await;
    stage.cluster.apply_a("ToySet", "h", with(toy_set(1..=2), "follows", json!("a")));
    stage.toy_set_ready().await;
    stage.cluster.delete("a");
    stage.until("it waits", |s| s.condition("a", "Ready").1 == "InUse").await;
    stage.cluster.gap(leaves_unseen);
    stage.until("it goes", |s| s.cluster.toy("a").is_none()).await;
}
