//! docs/backup.md: what a backup brings back is found again in emnify, and nothing is made twice.

use anyhow::{Context as _, ensure};
use emnify_harness::stage::{Stage, is_ready};
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{DEVICE, Result, delete, id, look, make_ready, stage};

const OTHERS: &str = "
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata: {name: meters}
spec: {name: Meters}
---
apiVersion: emnify.io/v1alpha1
kind: ApplicationToken
metadata: {name: ci}
spec: {description: Build job, cidr: 127.0.0.0/24, jwt: {enabled: true}}
---
apiVersion: emnify.io/v1alpha1
kind: EndpointSet
metadata: {name: west}
spec:
  template: {serviceProfile: {name: meters}, tariffProfile: {id: '201'}}
  sims: {list: ['8988303000000010002']}
";

/// In the order in which they are restored.
const KINDS: [(&str, &str); 5] = [
    ("Workspace", "default"),
    ("Endpoint", "meter-1"),
    ("ApplicationToken", "ci"),
    ("EndpointSet", "west"),
    ("ServiceProfile", "meters"),
];

/// Objects and Secrets as a backup holds them.
struct Backup {
    objects: Vec<(&'static str, DynamicObject)>,
    secrets: Vec<Secret>,
}

impl Backup {
    async fn take(stage: &Stage) -> Result<Self> {
        let mut objects = Vec::new();
        for (kind, name) in KINDS {
            let object = serde_json::to_value(stage.api(kind)?.get(name).await?)?;
            objects.push((kind, serde_json::from_value(object)?));
        }
        let secrets = secrets(stage).list(&ListParams::default()).await?.items;
        ensure!(secrets.iter().any(|secret| secret.name_any() == "ci-token"), "the token is in a Secret");
        Ok(Self { objects, secrets })
    }

    /// What Velero does: nothing of the old cluster's bookkeeping comes back, and a status only when it is asked for.
    async fn restore(&self, stage: &Stage, status: bool) -> Result<()> {
        for secret in &self.secrets {
            let mut secret = secret.clone();
            let (name, labels, notes) =
                (secret.name_any(), secret.metadata.labels, secret.metadata.annotations);
            secret.metadata =
                kube::api::ObjectMeta { name: Some(name), labels, annotations: notes, ..Default::default() };
            secrets(stage).create(&PostParams::default(), &secret).await?;
        }
        for (kind, object) in &self.objects {
            let meta = &object.metadata;
            let mut new = object.clone();
            new.metadata = kube::api::ObjectMeta {
                name: meta.name.clone(),
                labels: meta.labels.clone(),
                annotations: meta.annotations.clone(),
                finalizers: meta.finalizers.clone(),
                ..Default::default()
            };
            let api: Api<DynamicObject> = stage.api(kind)?;
            api.create(&PostParams::default(), &new).await?;
            if status {
                let patch = Patch::Merge(json!({"status": object.data["status"]}));
                api.patch_status(&object.name_any(), &PatchParams::default(), &patch).await?;
            }
        }
        Ok(())
    }
}

fn secrets(stage: &Stage) -> Api<Secret> {
    Api::namespaced(stage.client().clone(), stage.namespace())
}

/// The cluster is lost: nothing of it is retired in emnify.
async fn lose_everything(stage: &Stage) -> Result<()> {
    for (kind, name) in KINDS {
        let api: Api<DynamicObject> = stage.api(kind)?;
        let bare = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        api.patch(name, &PatchParams::default(), &bare).await?;
        api.delete(name, &DeleteParams::default()).await?;
        stage.wait_gone(kind, name).await?;
    }
    for secret in secrets(stage).list(&ListParams::default()).await?.items {
        // the one of the token may have gone with its object
        secrets(stage).delete(&secret.name_any(), &DeleteParams::default()).await.ok();
    }
    let empty = async || Ok(secrets(stage).list(&ListParams::default()).await?.items.is_empty());
    stage.eventually("all Secrets are gone", empty).await
}

async fn token_in_secret(stage: &Stage) -> Result<(Secret, Vec<u8>)> {
    let secret = secrets(stage).get("ci-token").await?;
    let value = secret.data.as_ref().and_then(|data| data.get("token")).context("no token")?.0.clone();
    Ok((secret, value))
}

/// Devices, profiles and tokens of the organisation.
fn counts(stage: &Stage) -> (usize, usize, usize) {
    look(stage, |o| {
        let live = o.application_tokens.values().filter(|token| !token.revoked).count();
        (o.endpoints.len(), o.service_profiles.len(), live)
    })
}

async fn restored(name: &str, status: bool) -> Result<()> {
    let mut stage = stage(name).await?;
    make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    stage.apply(OTHERS).await?;
    for (kind, name) in KINDS {
        stage.wait_for(kind, name, "Ready", is_ready).await?;
    }
    let (before, token) = (counts(&stage), token_in_secret(&stage).await?.1);
    let backup = Backup::take(&stage).await?;
    stage.stop_operator().await?;
    lose_everything(&stage).await?;
    backup.restore(&stage, status).await?;
    stage.start_operator()?;
    for (kind, object) in &backup.objects {
        let name = object.name_any();
        let what = "Ready with a status of its own";
        let uid = object.uid();
        let found = stage
            .wait_for(kind, &name, what, |now| {
                is_ready(now) && now["status"]["id"] == object.data["status"]["id"]
            })
            .await?;
        ensure!(found["metadata"]["uid"].as_str() != uid.as_deref(), "{kind} {name} is another object");
    }
    let owned = async || {
        let (secret, _) = token_in_secret(&stage).await?;
        let owner = stage.get("ApplicationToken", "ci").await?.unwrap_or_default()["metadata"]["uid"].clone();
        Ok(secret.owner_references().iter().any(|reference| owner == reference.uid.as_str()))
    };
    stage.eventually("the Secret goes with its object again", owned).await?;
    assert_eq!(counts(&stage), before, "nothing is made twice, and nothing is retired");
    assert_eq!(token_in_secret(&stage).await?.1, token, "who uses the token goes on doing so");
    let events: Api<Event> = Api::namespaced(stage.client().clone(), stage.namespace());
    for event in events.list(&ListParams::default().fields("type=Warning")).await? {
        let reason = event.reason.unwrap_or_default();
        assert!(
            !["SecretNotOwned", "AlreadyExists", "Ambiguous"].contains(&reason.as_str()),
            "{reason}: {:?}",
            event.message
        );
    }
    let ci = stage.get("ApplicationToken", "ci").await?.context("it is there")?;
    delete(&stage, "ApplicationToken", "ci").await?;
    assert!(
        look(&stage, |o| o.application_tokens[&id(&ci).unwrap_or_default()].revoked),
        "the token is its own again"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_come_back_without_status() -> Result<()> {
    restored("backup", false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_come_back_with_status() -> Result<()> {
    restored("backup-status", true).await
}

/// A snapshot of etcd brings back the same uids, and a status that is older than what is in emnify.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_snapshot_of_the_same_objects() -> Result<()> {
    let mut stage = stage("backup-etcd").await?;
    stage.apply(OTHERS).await?;
    for (kind, name) in KINDS.into_iter().filter(|(kind, _)| *kind != "Endpoint") {
        stage.wait_for(kind, name, "Ready", is_ready).await?;
    }
    let old: Value = stage.get("ApplicationToken", "ci").await?.context("it is there")?;
    let (secret, token) = token_in_secret(&stage).await?;
    let narrower = json!({"spec": {"cidr": "127.0.0.0/28"}});
    let api: Api<DynamicObject> = stage.api("ApplicationToken")?;
    api.patch("ci", &PatchParams::default(), &Patch::Merge(&narrower)).await?;
    let renewed = |now: &Value| is_ready(now) && now["status"]["id"] != old["status"]["id"];
    let new = stage.wait_for("ApplicationToken", "ci", "renewed", renewed).await?;
    stage.stop_operator().await?;
    // as it was
    api.patch("ci", &PatchParams::default(), &Patch::Merge(&json!({"spec": old["spec"]}))).await?;
    let mut status = old["status"].clone();
    for gone in ["retiring", "renewedAt"] {
        status[gone] = Value::Null;
    }
    api.patch_status("ci", &PatchParams::default(), &Patch::Merge(&json!({"status": status}))).await?;
    let was = json!({"data": secret.data, "metadata": {"annotations": secret.metadata.annotations}});
    secrets(&stage).patch("ci-token", &PatchParams::default(), &Patch::Merge(&was)).await?;
    stage.start_operator()?;
    let alone = async || Ok(look(&stage, |o| o.application_tokens[&id(&new).unwrap_or_default()].revoked));
    stage.eventually("the token that nobody holds any more is revoked", alone).await?;
    let found = stage.wait_for("ApplicationToken", "ci", "Ready", is_ready).await?;
    assert_eq!(found["status"]["id"], old["status"]["id"], "the one in the Secret is the object's again");
    assert_eq!(token_in_secret(&stage).await?.1, token);
    Ok(())
}
