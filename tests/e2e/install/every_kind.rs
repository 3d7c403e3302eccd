//! Every kind, made, edited and deleted under exactly the rights that the chart gives.

use std::collections::BTreeMap;

use anyhow::Context as _;
use emnify_harness::stage::Stage;
use serde_json::{Value, json};

use super::{OBJECTS, PATIENCE, Release, SYSTEM, all_ready, every, forbidden, kubectl, own, ready, until};
use crate::support::{Result, id, look, says};

/// An edit of each object, by kind.
const EDITS: &str = include_str!("edits.yaml");

async fn edit(stage: &Stage, kind: &str, name: &str, spec: &Value) -> Result<()> {
    let (resource, patch) = (format!("{}.emnify.io", kind.to_lowercase()), json!({"spec": spec}).to_string());
    stage.kubectl_ok(&["patch", &resource, name, "--type=merge", "--patch", &patch]).await?;
    ready(stage, kind, name).await.map(drop)
}

async fn delete(stage: &Stage, kind: &str, name: &str) -> Result<()> {
    stage
        .kubectl_ok(&["delete", &format!("{}.emnify.io", kind.to_lowercase()), name, "--wait=false"])
        .await?;
    until(&format!("{kind} {name} is gone"), async || Ok(stage.get(kind, name).await?.is_none())).await
}

fn cluster_workspace(stage: &Stage, allowed: &Value) -> String {
    let token = json!({"name": "emnify", "key": "token"});
    let mut spec = json!({"baseUrl": stage.base_url(), "credentials": {"applicationTokenSecretRef": token}});
    for (key, value) in allowed.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    let metadata = json!({"name": "shared"});
    json!({"apiVersion": "emnify.io/v1alpha1", "kind": "ClusterWorkspace", "metadata": metadata, "spec": spec})
        .to_string()
}

fn through_cluster_workspace(kind: &str, spec: Value) -> String {
    let mut spec = spec;
    spec["workspaceRef"] = json!({"kind": "ClusterWorkspace", "name": "shared"});
    json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": {"name": "shared"}, "spec": spec})
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_lives_under_the_rights_of_the_chart() -> Result<()> {
    let stage = own("unused").await?;
    let release = Release::install(&stage, SYSTEM, &json!({})).await?;
    let before = forbidden(&stage).await?;
    let process = release.start().await?;
    stage.apply_workspace("default").await?;
    stage.apply(OBJECTS).await?;
    all_ready(&stage).await?;
    let edits: BTreeMap<String, Value> = serde_yaml::from_str(EDITS)?;
    for (kind, name) in every() {
        let spec = edits.get(&kind).with_context(|| format!("edits.yaml edits a {kind}"))?;
        edit(&stage, &kind, &name, spec).await?;
    }
    shared(&stage).await?;
    let events = kubectl(&stage, &["get", "events", "--namespace", "iot", "--output", "name"]).await?;
    assert!(!events.trim().is_empty(), "what happened is told as Events");
    leave(&stage).await?;
    definition_goes(&stage).await?;

    let refused: Vec<_> =
        forbidden(&stage).await?.into_iter().filter(|line| !before.contains(line)).collect();
    assert!(refused.is_empty(), "the rights are enough for everything: {refused:#?}");
    let log = process.log();
    let told: Vec<_> = log.lines().filter(|line| line.to_lowercase().contains("forbidden")).collect();
    assert!(told.is_empty(), "and the operator met no refusal: {told:#?}");
    process.stop().await?;
    release.uninstall().await?;
    stage.finish().await
}

/// A cluster workspace refuses namespaces and kinds that it does not allow.
async fn shared(stage: &Stage) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "emnify", "namespace": SYSTEM},
        "stringData": {"token": "metering-token-2"},
    });
    stage.plane().kubectl_with(&["apply", "-f", "-"], &secret.to_string()).await?;
    stage.apply(&cluster_workspace(stage, &json!({}))).await?;
    ready(stage, "ClusterWorkspace", "shared").await?;
    stage.apply(&through_cluster_workspace("ServiceProfile", json!({"name": "Shared"}))).await?;
    stage.apply(&through_cluster_workspace("ApplicationToken", json!({"description": "Shared"}))).await?;
    let (waits, profile) = (("Ready", "WorkspaceNotReady"), ("ServiceProfile", "shared"));
    says(stage, profile, waits, &["ClusterWorkspace shared", "iot", "spec.allowedNamespaces"]).await?;
    stage.kubectl_ok(&["label", "namespace", "iot", "emnify.example/fleet=true"]).await?;
    let labelled = json!({"allowedNamespaces": {"matchLabels": {"emnify.example/fleet": "true"}}});
    stage.apply(&cluster_workspace(stage, &labelled)).await?;
    ready(stage, "ServiceProfile", "shared").await?;
    let token = ("ApplicationToken", "shared");
    says(stage, token, waits, &["ClusterWorkspace shared", "ApplicationToken", "spec.allowedKinds"]).await?;
    for kind in ["ApplicationToken", "ServiceProfile", "ClusterWorkspace"] {
        delete(stage, kind, "shared").await?;
    }
    Ok(())
}

/// What the last part is about.
const STAY: [&str; 3] = ["Endpoint", "ServiceProfile", "TariffProfile"];

/// Everything that was made is deleted, dependents first; the last Endpoint and its profiles stay.
async fn leave(stage: &Stage) -> Result<()> {
    for (kind, name) in every().iter().rev().filter(|(kind, _)| !STAY.contains(&kind.as_str())) {
        delete(stage, kind, name).await?;
    }
    let (endpoints, tokens) = look(stage, |platform| {
        let tokens = platform.application_tokens.values().filter(|token| !token.revoked).count();
        (platform.endpoints.len(), tokens)
    });
    assert_eq!((endpoints, tokens), (1, 2), "what was deleted here is gone in emnify");
    Ok(())
}

/// A definition that is deleted takes its objects along, and nothing in emnify.
async fn definition_goes(stage: &Stage) -> Result<()> {
    let endpoint = id(&ready(stage, "Endpoint", "meter-1").await?)?;
    kubectl(stage, &["delete", "crd", "endpoints.emnify.io", "--wait=false"]).await?;
    let gone = async || {
        let found = stage.plane().kubectl(&["get", "crd", "endpoints.emnify.io"]).await?;
        Ok(!found.status.success())
    };
    until("the definition is gone", gone).await?;
    let stays = look(stage, |platform| platform.endpoints.contains_key(&endpoint));
    assert!(stays, "a definition deleted by mistake costs no device");
    // what referred to profiles is gone, so these can go
    for (kind, name) in [("ServiceProfile", "meters"), ("TariffProfile", "meters"), ("Workspace", "default")]
    {
        let resource = format!("{}.emnify.io", kind.to_lowercase());
        stage.kubectl_ok(&["annotate", &resource, name, "emnify.io/force-orphan=true"]).await?;
        let deadline = format!("--timeout={}s", PATIENCE.as_secs());
        stage.kubectl_ok(&["delete", &resource, name, &deadline]).await?;
    }
    Ok(())
}
