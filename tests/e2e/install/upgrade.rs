//! What the release before most kinds came had stored: its definitions, and an object in step of each kind that it had.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use emnify_harness::stage::Stage;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{OBJECTS, Release, SYSTEM, chart, definitions::define, helm, own, ready, until};
use crate::support::Result;

/// The definitions of that release.
const EARLIER: &str = include_str!("earlier.yaml");

/// What the Secret of a login did not hold then.
const NEWER: [&str; 3] = ["passwords", "totp", "otpauth"];

fn documents(yaml: &str) -> Result<Vec<Value>> {
    serde_yaml::Deserializer::from_str(yaml).map(|document| Ok(Value::deserialize(document)?)).collect()
}

/// Manifests of every kind that the release had, and of what they read.
fn manifests(definitions: &[Value]) -> Result<Vec<Value>> {
    let kinds: Vec<&Value> = definitions.iter().map(|crd| &crd["spec"]["names"]["kind"]).collect();
    let mut all = documents(OBJECTS)?;
    all.retain(|object| object["apiVersion"] == "v1" || kinds.contains(&&object["kind"]));
    let token = json!({"name": "emnify", "key": "token"});
    Ok(all
        .into_iter()
        .chain([json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "ClusterWorkspace", "metadata": {"name": "shared"},
            "spec": {"credentials": {"applicationTokenSecretRef": token}},
        })])
        .collect())
}

/// Kind and name of those of ours, the workspace of the namespace first.
fn ours(manifests: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = manifests.iter().filter(|object| object["apiVersion"] != "v1");
    let own = all.map(|object| (text(&object["kind"]), text(&object["metadata"]["name"])));
    std::iter::once(("Workspace".to_owned(), "default".to_owned())).chain(own).collect()
}

/// Writes the status of an object under the definitions of that release, which keep what they know. The API server goes on with those before
/// for a moment, which do not take it.
async fn store(stage: &Stage, kind: &str, name: &str) -> Result<()> {
    let api = stage.api(kind)?;
    let written = async || {
        let mut object: DynamicObject = api.get(name).await?;
        let status = object.data.get_mut("status").context("it was in step")?;
        if kind.ends_with("Workspace") {
            status["counts"] = json!({"endpoints": 2, "sims": 4});
            if let Some(organisation) = status["organisation"].as_object_mut() {
                organisation.retain(|field, _| ["id", "name", "baseUrl"].contains(&field.as_str()));
            }
        }
        match api.replace_status(name, &PostParams::default(), &object).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(refused)) if refused.code == 422 => Ok(false),
            Err(error) => Err(error.into()),
        }
    };
    until("the earlier release has written its status", written).await
}

/// Takes from the Secrets of logins what that release did not keep there.
async fn forget(stage: &Stage) -> Result<()> {
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(stage.client().clone(), SYSTEM);
    let data: BTreeMap<_, _> = NEWER.iter().map(|key| (*key, Value::Null)).collect();
    for name in ["session.workspace.iot.default", "session.clusterworkspace.shared"] {
        let patch = Patch::Merge(json!({"data": data}));
        secrets.patch(name, &PatchParams::default(), &patch).await?;
    }
    Ok(())
}

/// The ids in emnify that objects are bound to.
async fn ids(stage: &Stage, objects: &[(String, String)]) -> Result<BTreeMap<String, Value>> {
    let mut ids = BTreeMap::new();
    for (kind, name) in objects {
        let object = stage.get(kind, name).await?.with_context(|| format!("{kind} {name} is there"))?;
        let status = &object["status"];
        let id = if status["organisation"].is_null() { &status["id"] } else { &status["organisation"]["id"] };
        ids.insert(format!("{kind} {name}"), id.clone());
    }
    Ok(ids)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_release_stored_goes_on_and_nothing_is_sent_again() -> Result<()> {
    let stage = own("unused").await?;
    let definitions = documents(EARLIER)?;
    let mut manifests = manifests(&definitions)?;
    let objects = ours(&manifests);
    let release = Release::install(&stage, SYSTEM, &json!({})).await?;
    let process = release.start().await?;
    let token = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "emnify", "namespace": SYSTEM},
        "stringData": {"token": "metering-token-2"},
    });
    stage.plane().kubectl_with(&["apply", "-f", "-"], &token.to_string()).await?;
    stage.apply_workspace("default").await?;
    for manifest in &mut manifests {
        if manifest["kind"] == "ClusterWorkspace" {
            manifest["spec"]["baseUrl"] = json!(stage.base_url());
        }
        stage.apply(&manifest.to_string()).await?;
    }
    for (kind, name) in &objects {
        ready(&stage, kind, name).await?;
    }
    process.stop().await?;

    for definition in &definitions {
        define(&stage, definition).await?;
    }
    for (kind, name) in &objects {
        store(&stage, kind, name).await.with_context(|| format!("{kind} {name}"))?;
    }
    forget(&stage).await?;
    let before = ids(&stage, &objects).await?;
    let asked = stage.simulator().requests_after(0).last().map_or(0, |entry| entry.number);

    let (name, charts) = ("emnify-operator-crds", chart("emnify-operator-crds"));
    helm(&stage, &["upgrade", "--install", name, &charts, "--namespace", SYSTEM, "--take-ownership"]).await?;
    let process = release.start().await?;
    for (kind, name) in &objects {
        ready(&stage, kind, name).await?;
    }
    // an edit that is served says that everything was looked at
    let edit = json!({"spec": {"name": "Meter one"}}).to_string();
    stage.kubectl_ok(&["patch", "endpoints.emnify.io", "meter-1", "--type=merge", "--patch", &edit]).await?;
    ready(&stage, "Endpoint", "meter-1").await?;
    let sent = stage.simulator().requests_after(asked);
    let sent: Vec<_> = sent.iter().filter(|entry| entry.method != "GET").collect();
    ensure!(sent.len() == 1, "only the edit is sent, and nobody logs in: {sent:#?}");
    assert_eq!(ids(&stage, &objects).await?, before, "everything is bound to what it was bound to");
    process.stop().await?;
    stage.finish().await
}
