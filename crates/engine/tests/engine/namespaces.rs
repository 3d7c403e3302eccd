//! Namespaces that are to be watched and are not there.

use std::time::Duration;

use tokio::time::timeout;

use crate::support::{Stage, cluster::Cluster, named};

fn paths(namespace: &str) -> Vec<String> {
    let plurals = ["toys", "chips", "toysets"];
    plurals.iter().map(|p| format!("/apis/emnify.io/v1alpha1/namespaces/{namespace}/{p}")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_forbidden_does_not_hold_up_the_others() {
    let cluster = Cluster::default();
    // the toys of `ns` come last: what `gone` is here is served from the start
    for path in &paths("gone") {
        cluster.forbid(path);
    }
    let stage = timeout(Duration::from_secs(60), Stage::watching(cluster, &["gone", "ns"])).await;
    let stage = stage.expect("one namespace that is gone keeps nobody from starting");
    assert_eq!(stage.engine.shared.unserved.names(), ["gone"], "and it is told");
    stage.cluster.apply("a", named("a"));
    stage.ready("a").await;
    for path in &paths("gone") {
        stage.cluster.allow(path);
    }
    stage.until("it is picked up", |s| s.engine.shared.unserved.names().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_comes_is_served() {
    let cluster = Cluster::default();
    for path in &paths("ns") {
        cluster.forbid(path);
    }
    let stage = Stage::watching(cluster, &["ns", "other"]).await;
    stage.cluster.apply("a", named("a"));
    stage.pass(60).await;
    assert_eq!(stage.emnify.devices().len(), 0, "nobody sees it");
    for path in &paths("ns") {
        stage.cluster.allow(path);
    }
    stage.ready("a").await;
}

#[tokio::test(start_paused = true)]
async fn without_any_namespace_nothing_begins() {
    let cluster = Cluster::default();
    for path in &paths("ns") {
        cluster.forbid(path);
    }
    let begun = timeout(Duration::from_secs(60), Stage::watching(cluster, &["ns"])).await;
    assert!(begun.is_err(), "an operator that may see nothing at all is not ready");
}
