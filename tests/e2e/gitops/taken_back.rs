//! A deletion that the guard holds, and that nobody meant: Kubernetes takes none back, whatever Git says afterwards.

use std::collections::BTreeMap;

use emnify_harness::stage::{Stage, condition, is_ready};
use serde_json::Value;

use crate::{
    manifests::FLUX,
    support::{DEVICE, Result, edited, id, look, stage},
};

/// Devices whose SIMs nobody activates: they may be made whatever the guard says.
fn devices() -> String {
    let device = |n: u32| {
        let (object, name, sim) = (format!("meter-{n}"), format!("Meter {n}"), format!("1000{n}\""));
        let device = edited(DEVICE, &[("meter-1", &object), ("Meter 1", &name), ("10001\"", &sim)]);
        edited(&device, &[("    state: Activated\n", "")])
    };
    [1, 2, 3].map(device).join("---\n")
}

/// What Flux does at each reconciliation.
async fn sync(stage: &Stage) -> Result<()> {
    let arguments: Vec<_> = ["apply"].iter().chain(FLUX).chain(&["-f", "-"]).copied().collect();
    let output = stage.kubectl_with(&arguments, &devices()).await?;
    anyhow::ensure!(output.status.success(), "{}{}", output.stdout, output.stderr);
    Ok(())
}

fn is_held(object: &Value) -> bool {
    condition(object, "Stalled").is_some_and(|stalled| {
        let message = stalled["message"].as_str().unwrap_or_default();
        stalled["reason"] == "GuardTripped" && message.contains("emnify.io/force-orphan=true")
    })
}

/// The device as the platform has it, with the time of its last change.
fn device(stage: &Stage, id: u64) -> Value {
    look(stage, |platform| serde_json::to_value(&platform.endpoints[&id]).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_guard_holds_in_deletion_is_let_go_and_found_again_by_the_next_sync() -> Result<()> {
    let stage = stage("taken-back").await?;
    sync(&stage).await?;
    for n in 1..=3 {
        stage.wait_for("Endpoint", &format!("meter-{n}"), "Ready", is_ready).await?;
    }
    let guard = r#"{"spec":{"guard":{"maxDevices":1,"window":"1h"}}}"#;
    stage.kubectl_ok(&["patch", "emws", "default", "--type=merge", "-p", guard]).await?;
    stage.wait_for("Workspace", "default", "Ready with the guard", is_ready).await?;

    // a commit prunes them in one wave; one device is as many as the guard lets go
    stage.kubectl_ok(&["delete", "emep", "meter-1", "meter-2", "meter-3", "--wait=false"]).await?;
    let held = async || {
        let mut held = BTreeMap::new();
        for n in 1..=3 {
            let name = format!("meter-{n}");
            if let Some(object) = stage.get("Endpoint", &name).await?.filter(is_held) {
                held.insert(name, id(&object)?);
            }
        }
        Ok::<_, anyhow::Error>(held)
    };
    stage.eventually("the guard holds two", async || Ok(held().await?.len() >= 2)).await?;
    let held = held().await?;
    let before: Vec<_> = held.values().map(|id| device(&stage, *id)).collect();

    // the commit is reverted
    sync(&stage).await?;
    for name in held.keys() {
        let object = stage.get("Endpoint", name).await?.unwrap_or_default();
        assert!(object["metadata"]["deletionTimestamp"].is_string(), "a revert ends no deletion: {object:#}");
        let let_go = ["annotate", "emep", name, "emnify.io/force-orphan=true", "--field-manager=emnify"];
        stage.kubectl_ok(&let_go).await?;
        stage.wait_gone("Endpoint", name).await?;
    }
    sync(&stage).await?;
    for (name, id) in &held {
        let id = id.to_string();
        let same = |object: &Value| is_ready(object) && object["status"]["id"] == id.as_str();
        let object = stage.wait_for("Endpoint", name, "Ready with the device it had", same).await?;
        assert_eq!(object["status"]["provenance"], "Created", "it is its own again, and goes with it");
    }
    let after: Vec<_> = held.values().map(|id| device(&stage, *id)).collect();
    assert_eq!(after, before, "nothing has changed in emnify");
    Ok(())
}
