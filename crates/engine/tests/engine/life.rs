//! From apply to delete.

use emnify_engine::{cluster::workspaces::Entry, kind::FINALIZER};
use serde_json::json;

use crate::support::{Stage, emnify::Fault, named, workspace};

#[tokio::test(start_paused = true)]
async fn an_object_is_created_once_and_bound() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    assert_eq!(stage.emnify.asked("POST /api/v1/endpoint").len(), 1, "one create");
    assert_eq!(stage.status("a", "id"), "1");
    assert_eq!(stage.status("a", "organisationId"), "42");
    assert_eq!(stage.status("a", "provenance"), "Created");
    assert!(stage.status("a", "intent").is_null(), "the intent is accounted for");
    assert_eq!(stage.emnify.devices()[0]["tags"], "[k8s prod/ns/a]", "it carries our mark");
}

#[tokio::test(start_paused = true)]
async fn a_second_look_writes_nothing_to_either_side() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.pass(5).await;
    let before = (stage.cluster.toy_writes(), stage.emnify.writes());
    assert!(before.0 <= 8, "own status writes do not cause a loop: {:?}", stage.cluster.wrote("PATCH"));
    stage.cluster.annotate("a", "example.org/note", "look again");
    stage.pass(1_800).await;
    assert_eq!(
        (stage.cluster.toy_writes(), stage.emnify.writes()),
        before,
        "nothing differs, so nothing is written"
    );
    let stage = stage.restart().await;
    stage.pass(900).await;
    assert_eq!(
        (stage.cluster.toy_writes(), stage.emnify.writes()),
        before,
        "a restart writes nothing either"
    );
}

#[tokio::test(start_paused = true)]
async fn every_status_write_names_the_object_it_means() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let writes = stage.cluster.wrote("PATCH /apis/emnify.io/v1alpha1/namespaces/ns/toys/a/status");
    assert!(!writes.is_empty());
    for write in writes {
        let tests_uid = write
            .body
            .as_array()
            .unwrap()
            .iter()
            .any(|op| op["op"] == "test" && op["path"] == "/metadata/uid");
        assert!(tests_uid, "a namesake must not receive it: {write:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_namesake_made_meanwhile_is_not_touched() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.mute(true);
    stage.cluster.replace_unseen("a", named("other"));
    stage.emnify.edit(1, "name", json!("drifted"));
    stage.pass(900).await;
    let toy = stage.cluster.toy("a").unwrap();
    assert!(toy["status"].is_null(), "the status of its predecessor does not reach it: {toy}");
    assert!(toy["metadata"]["finalizers"].is_null());
}

#[tokio::test(start_paused = true)]
async fn an_edit_while_the_call_is_under_way_is_seen() {
    let stage = Stage::new().await;
    stage.emnify.fail("POST /api/v1/endpoint", 1, Fault::Slow(std::time::Duration::from_secs(20)));
    stage.cluster.apply("a", named("a"));
    stage.until("the create is under way", |s| s.emnify.asked("POST /api/v1/endpoint").len() == 1).await;
    stage.cluster.apply("a", named("b"));
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices().len(), 1, "the edit does not make a second one");
    assert_eq!(stage.emnify.devices()[0]["name"], "b", "the edit arrived");
}

#[tokio::test(start_paused = true)]
async fn drift_is_corrected_and_unmanaged_fields_are_left_alone() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.pass(60).await;
    stage.emnify.edit(1, "name", json!("changed in the portal"));
    stage.emnify.edit(1, "status", json!({"id": 1}));
    stage.until("the name is set back", |s| s.emnify.devices()[0]["name"] == "a").await;
    assert_eq!(stage.emnify.devices()[0]["status"]["id"], 1, "the spec says nothing of the state");
}

#[tokio::test(start_paused = true)]
async fn an_event_moves_the_status_without_a_read() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let reads = stage.emnify.asked("GET /api/v1/endpoint/1").len();
    stage.emnify.event(1 << 50, 3, 1, 0);
    stage.until("it is online", |s| s.status("a", "online") == true).await;
    assert_eq!(stage.emnify.asked("GET /api/v1/endpoint/1").len(), reads, "the event itself says it");
    let writes = stage.cluster.toy_writes();
    stage.pass(60).await;
    assert_eq!(
        stage.cluster.toy_writes(),
        writes,
        "an event that is read again in the next window counts once"
    );
}

#[tokio::test(start_paused = true)]
async fn deletion_retires_step_by_step_and_lets_go() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.delete("a");
    stage.until("the object is gone", |s| s.cluster.toy("a").is_none()).await;
    let writes: Vec<String> = stage
        .emnify
        .asked("")
        .into_iter()
        .map(|a| a.what)
        .filter(|w| w.starts_with("PATCH") || w.starts_with("DELETE"))
        .collect();
    assert_eq!(
        writes,
        ["PATCH /api/v1/endpoint/1", "DELETE /api/v1/endpoint/1"],
        "disabled first, then deleted"
    );
    assert_eq!(stage.emnify.devices().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_referent_waits_for_its_referrers_to_leave_first() {
    let stage = Stage::new().await;
    stage.cluster.apply("b", json!({"name": "b", "follows": "a"}));
    stage.until("b waits", |s| s.condition("b", "Ready").1 == "ReferenceNotReady").await;
    stage.cluster.apply("a", named("a"));
    stage.ready("b").await;
    assert_eq!(
        stage.emnify.asked("POST").last().unwrap().body["service_profile"]["id"],
        1,
        "references are sent as ids"
    );
    stage.cluster.delete("a");
    stage.until("a is in use", |s| s.condition("a", "Ready").1 == "InUse").await;
    stage.cluster.delete("b");
    stage.until("both are gone", |s| s.emnify.devices().is_empty() && s.cluster.toy("a").is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_adopted_is_left_behind() {
    let stage = Stage::new().await;
    stage.emnify.add(json!({"name": "old", "status": {"id": 0}}));
    stage.cluster.apply("a", json!({"name": "new", "id": "1"}));
    stage.ready("a").await;
    assert_eq!(
        (stage.status("a", "provenance"), stage.emnify.devices()[0]["name"].clone()),
        (json!("Adopted"), json!("new"))
    );
    stage.cluster.delete("a");
    stage.until("the object is gone", |s| s.cluster.toy("a").is_none()).await;
    assert_eq!(stage.emnify.devices().len(), 1);
    assert!(stage.cluster.events().iter().any(|(reason, _)| reason == "Orphaned"), "what stays is said");
}

#[tokio::test(start_paused = true)]
async fn removing_the_kind_from_the_cluster_deletes_nothing_in_emnify() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let definition = json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": "toys.emnify.io", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["cleanup"]},
    });
    stage.cluster.put("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/toys.emnify.io", definition);
    stage.cluster.delete("a");
    stage.until("the object is gone", |s| s.cluster.toy("a").is_none()).await;
    assert_eq!(stage.emnify.devices().len(), 1, "a definition deleted by mistake costs no device");
}

#[tokio::test(start_paused = true)]
async fn without_rights_to_definitions_discovery_tells_that_a_kind_goes() {
    for (goes, kept) in [(true, 1), (false, 0)] {
        let stage = Stage::new().await;
        stage.cluster.apply("a", named("a"));
        stage.ready("a").await;
        let discovered = |verbs: &[&str]| {
            let toys = json!({"name": "toys", "singularName": "toy", "namespaced": true, "kind": "Toy", "verbs": verbs});
            json!({"kind": "APIResourceList", "groupVersion": "emnify.io/v1alpha1", "resources": [toys]})
        };
        stage.cluster.forbid("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/toys.emnify.io");
        stage
            .cluster
            .put("/apis/emnify.io/v1alpha1", discovered(&["create", "delete", "list", "patch", "watch"]));
        stage.cluster.delete("a");
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert_eq!(stage.emnify.devices().len(), 1, "discovery may lag behind the deletion of the object");
        if goes {
            stage.cluster.put("/apis/emnify.io/v1alpha1", discovered(&["delete", "list", "watch"]));
        }
        stage.until("the object is gone", |s| s.cluster.toy("a").is_none()).await;
        assert_eq!(stage.emnify.devices().len(), kept, "a kind that goes (here: {goes}) costs no device");
    }
}

#[tokio::test(start_paused = true)]
async fn an_undecodable_object_stalls_and_can_be_deleted() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.apply("a", json!({"name": ["not", "a", "text"]}));
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "Undecodable").await;
    assert_eq!(stage.status("a", "id"), "1", "it keeps its claim");
    assert_eq!(stage.status("a", "name"), "a", "and everything else that its status says");
    let writes = stage.cluster.toy_writes();
    stage.cluster.annotate("a", "example.org/note", "look again");
    stage.pass(10).await;
    assert_eq!(stage.cluster.toy_writes(), writes, "it is told once");
    stage.cluster.apply("c", named("c"));
    stage.ready("c").await;
    stage.cluster.delete("a");
    stage.until("the object is gone", |s| s.cluster.toy("a").is_none()).await;
    assert_eq!(stage.emnify.devices().len(), 1, "and so is its device");
}

#[tokio::test(start_paused = true)]
async fn the_finalizer_is_there_before_anything_is_sent() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage
        .until("a create is sent", |s| {
            let held = s.cluster.toy("a").unwrap()["metadata"]["finalizers"] == json!([FINALIZER]);
            let sent = !s.emnify.asked("POST /api/v1/endpoint").is_empty();
            assert!(held || !sent, "a create without a finalizer could be forgotten");
            sent
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_suspended_object_is_not_touched_and_keeps_ready() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let before = stage.emnify.writes();
    stage.cluster.annotate("a", "emnify.io/suspend", "true");
    stage.emnify.edit(1, "name", json!("portal"));
    stage.pass(900).await;
    assert_eq!(stage.emnify.writes(), before, "no correction while suspended");
    assert_eq!(stage.condition("a", "Ready").0, "True");
    stage.cluster.annotate("a", "emnify.io/suspend", "false");
    stage.until("it is corrected after", |s| s.emnify.devices()[0]["name"] == "a").await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_appears_late_is_heard_and_an_older_one_changes_nothing() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.pass(120).await;
    stage.emnify.event(2, 3, 1, 40);
    stage.until("it is online", |s| s.status("a", "online") == true).await;
    stage.emnify.event(1, 4, 1, 50);
    stage.pass(60).await;
    assert_eq!(stage.status("a", "online"), true, "what happened before does not undo it");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_somebody_elses_change_brings_the_correction_before_the_sweep() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.pass(60).await;
    let listings =
        |s: &Stage| s.emnify.asked("GET").iter().filter(|a| a.what.ends_with("v1/endpoint")).count();
    let before = listings(&stage);
    stage.emnify.edit(1, "name", json!("portal"));
    stage.emnify.event(7, 99, 1, 0);
    stage.until("the name is set back", |s| s.emnify.devices()[0]["name"] == "a").await;
    assert_eq!(listings(&stage), before, "one read of one device was enough");
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_goes_away_lowers_nothing_and_heals_by_itself() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    let down = Entry { state: Err("the credentials are refused".into()), allows: None, generation: Some(1) };
    stage.engine.shared.publish(&workspace(), down);
    stage.pass(10).await;
    assert_eq!(stage.condition("a", "Ready"), ("True".into(), "UpToDate".into()));
    stage.cluster.apply("a", named("b"));
    stage
        .until("an edit says what it waits for", |s| s.condition("a", "Ready").1 == "WorkspaceNotReady")
        .await;
    let up = Entry { state: Ok(stage.access()), allows: None, generation: Some(1) };
    stage.engine.shared.publish(&workspace(), up);
    stage.ready("a").await;
    assert_eq!(stage.emnify.devices()[0]["name"], "b");
}

#[tokio::test(start_paused = true)]
async fn a_vanished_token_is_minted_anew_only_on_request() {
    let stage = Stage::new().await;
    stage.cluster.apply("a", json!({"name": "a", "secret": "mine"}));
    stage.ready("a").await;
    stage.pass(60).await;
    stage.emnify.remove(1);
    stage.until("it stalls", |s| s.condition("a", "Stalled").1 == "Vanished").await;
    stage.pass(600).await;
    assert_eq!(stage.emnify.devices().len(), 0, "a person decides");
    stage.cluster.annotate("a", "emnify.io/refresh", "now");
    stage.ready("a").await;
    let secret = stage.cluster.get("/api/v1/namespaces/ns/secrets/mine").unwrap();
    assert_eq!(secret["metadata"]["annotations"]["emnify.io/token-id"], "2", "the Secret holds the new one");
    assert_eq!(stage.status("a", "id"), "2");
}
