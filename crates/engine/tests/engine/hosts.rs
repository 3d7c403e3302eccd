//! Two hosts, each with an organisation of the same id: two vendors' sandboxes, or the platform and a stand-in for it.

use emnify_engine::{cluster::workspaces::Entry, session::Access};
use serde_json::json;

use crate::support::{OTHER_HOST, Stage, elsewhere, emnify::Emnify, named};

/// A stage whose Workspace `other` works on another host with an organisation of the same id.
async fn two_hosts() -> (Stage, Emnify, Access) {
    let stage = Stage::new().await;
    let (second, access) = join_other(&stage, Emnify::default()).await;
    (stage, second, access)
}

async fn join_other(stage: &Stage, second: Emnify) -> (Emnify, Access) {
    let access = second.access_on(OTHER_HOST, elsewhere()).await;
    assert_eq!(access.session.organisation, stage.session.organisation, "the ids are the same");
    stage.engine.serve(&access.session);
    let entry = Entry { state: Ok(access.clone()), allows: None, generation: Some(1) };
    stage.engine.shared.publish(&elsewhere(), entry);
    (second, access)
}

fn there(name: &str) -> serde_json::Value {
    json!({"name": name, "workspaceRef": {"name": "other"}})
}

#[tokio::test(start_paused = true)]
async fn objects_of_two_hosts_are_in_nobodys_way() {
    let (stage, second, _) = two_hosts().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.apply("b", there("b"));
    stage.ready("b").await;
    assert_eq!((stage.status("a", "id"), stage.status("b", "id")), (json!("1"), json!("1")));
    let stage = stage.restart().await;
    let (second, _) = join_other(&stage, second).await;
    for (name, spec) in [("a", named("a anew")), ("b", there("b anew"))] {
        stage.cluster.apply(name, spec);
        stage.ready(name).await;
    }
    let names = |emnify: &Emnify| emnify.devices()[0]["name"].clone();
    assert_eq!((names(&stage.emnify), names(&second)), (json!("a anew"), json!("b anew")));
    assert_eq!((stage.emnify.devices().len(), second.devices().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_id_of_one_host_is_not_used_on_the_other_one() {
    let (stage, second, _) = two_hosts().await;
    second.add(json!({"name": "somebody's"}));
    stage.cluster.apply("a", there("a"));
    stage.ready("a").await;
    assert_eq!(stage.status("a", "id"), "2");
    stage.emnify.add(json!({"name": "not meant 1"}));
    stage.emnify.add(json!({"name": "not meant 2"}));
    stage.cluster.apply("b", json!({"name": "b", "follows": "a"}));
    stage
        .until("it is told", |s| {
            s.cluster.toy("b").is_some_and(|b| b["status"].to_string().contains(OTHER_HOST))
        })
        .await;
    assert_eq!(stage.condition("b", "Ready").1, "ReferenceNotReady");
    assert_eq!(stage.emnify.devices().len(), 2, "nothing was made with a number of the other host");
}

#[tokio::test(start_paused = true)]
async fn an_alert_of_one_host_is_not_told_on_objects_of_the_other_one() {
    let (stage, second, _) = two_hosts().await;
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    stage.cluster.apply("b", there("b"));
    stage.ready("b").await;
    second.event(1 << 50, 11, 1, 0);
    second.event((1 << 50) + 1, 3, 1, 0);
    stage.until("its own object hears of it", |s| s.status("b", "online") == true).await;
    assert_ne!(stage.status("a", "online"), true, "the other's device 1 is another one");
    let alerts = |s: &Stage| s.cluster.named_events("Blocked");
    stage.until("the alert is told", |s| !alerts(s).is_empty()).await;
    stage.pass(60).await;
    assert_eq!(alerts(&stage).len(), 1, "on one object: {:?}", alerts(&stage));
    second.edit(1, "name", json!("portal"));
    stage.until("it is corrected", |_| second.devices()[0]["name"] == "b").await;
}
