//! Each shard serves its workspaces, and one shard an organisation.

use emnify_harness::stage::{Options, Stage, condition, is_ready};
use emnify_simulator::Seed;

use super::processes::{Replica, SHORT, devices, devices_are, rename};
use crate::support::{DEVICE, Result, edited, told};

const GOLD: u64 = 1001;
const SILVER: u64 = 1002;

/// A workspace with labels of a shard.
async fn workspace(stage: &Stage, name: &str, organisation: &str, tier: &str) -> Result<()> {
    let secret = format!("emnify-{name}");
    stage.apply_secret(&secret, &[("token", &format!("{organisation}-token"))]).await?;
    let workspace = serde_json::json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace",
        "metadata": {"name": name, "labels": {"tier": tier}},
        "spec": {
            "baseUrl": stage.base_url(),
            "credentials": {"applicationTokenSecretRef": {"name": secret, "key": "token"}},
        },
    });
    stage.apply(&workspace.to_string()).await?;
    Ok(())
}

/// A device of a workspace with the `n`th SIM.
fn device(workspace: &str, name: &str, n: u64) -> String {
    let (service, tariff, sim) = (format!("\"10{n}\""), format!("\"20{n}\""), format!("1000{n}\""));
    let belongs = format!("spec:\n  workspaceRef:\n    kind: Workspace\n    name: {workspace}\n");
    edited(
        DEVICE,
        &[
            ("name: meter-1", &format!("name: {workspace}")),
            ("Meter 1", name),
            ("\"101\"", &service),
            ("\"201\"", &tariff),
            ("10001\"", &sim),
            ("spec:\n", &belongs),
        ],
    )
}

async fn version(stage: &Stage, object: &str) -> Result<String> {
    stage.kubectl_ok(&["get", "emep", object, "-o", "jsonpath={.metadata.resourceVersion}"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_shard_serves_its_own_and_no_organisation_is_served_twice() -> Result<()> {
    let mut options = Options::shared("shards");
    options.simulator.seed = Seed::from_yaml(include_str!("seed.yaml"))?;
    let stage = Stage::start(options).await?;
    let mut gold = Replica::start(&stage, "gold", SHORT, &["--shard-selector=tier=gold"]).await?;
    let mut silver =
        Replica::start(&stage, "silver", SHORT, &["--shard-selector=tier in (silver,bronze)"]).await?;
    gold.takes_over().await?;
    silver.takes_over().await?;
    stage.apply(&device("nobody", "Nobody's", 1)).await?;
    let lost = |object: &serde_json::Value| {
        condition(object, "Ready").is_some_and(|ready| ready["reason"] == "WorkspaceNotReady")
    };
    stage.wait_for("Endpoint", "nobody", "waiting for its workspace", lost).await?;

    workspace(&stage, "gold", "gold", "gold").await?;
    workspace(&stage, "silver", "silver", "silver").await?;
    stage.apply(&device("gold", "Gold meter", 1)).await?;
    stage.apply(&device("silver", "Silver meter", 2)).await?;
    for name in ["gold", "silver"] {
        stage.wait_for("Endpoint", name, "Ready", is_ready).await?;
    }
    let settled = version(&stage, "nobody").await?;
    assert_eq!(
        (devices(&stage, GOLD), devices(&stage, SILVER)),
        (vec!["Gold meter".into()], vec!["Silver meter".into()])
    );
    let organisations = |replica: &Replica| {
        let mut all: Vec<_> = replica.calls(&stage, 0).iter().filter_map(|call| call.organisation).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    assert_eq!(organisations(&gold), [GOLD], "a shard calls emnify for its own organisations only");
    assert_eq!(organisations(&silver), [SILVER]);

    // an organisation that the other shard serves
    workspace(&stage, "copy", "gold", "bronze").await?;
    let words = ["organisation 1001", "tier=gold", "labels of one shard"];
    told(&stage, ("Workspace", "copy"), ("Stalled", "ShardConflict"), &words).await?;
    stage.apply(&device("copy", "A second time", 1)).await?;
    stage.wait_for("Endpoint", "copy", "waiting for its workspace", lost).await?;
    assert!(
        !organisations(&silver).contains(&GOLD)
            || silver
                .calls(&stage, 0)
                .iter()
                .all(|call| { call.organisation != Some(GOLD) || call.path == "/api/v1/authenticate" }),
        "besides the login, which tells whose it is, nothing is sent for it"
    );
    assert_eq!(devices(&stage, GOLD), ["Gold meter"]);

    // the workspace moves, and with it everything that belongs to it
    stage.kubectl_ok(&["delete", "emep", "copy"]).await?;
    let moved = stage.simulator().last_request();
    stage.kubectl_ok(&["label", "emws", "gold", "tier=silver", "--overwrite"]).await?;
    stage
        .wait_for("Workspace", "copy", "Ready, now that its shard serves the organisation", is_ready)
        .await?;
    rename(&stage, "gold", "Gold meter renamed").await?;
    devices_are(&stage, GOLD, &["Gold meter renamed"]).await?;
    stage.wait_for("Endpoint", "gold", "Ready", is_ready).await?;
    assert!(silver.wrote(&stage, moved, "PATCH", "/api/v1/endpoint"), "the other shard serves it now");
    assert!(!gold.wrote(&stage, moved, "PATCH", "/api/v1/endpoint"), "and the former one does not");
    assert_eq!(version(&stage, "nobody").await?, settled, "no two shards fight over what belongs to neither");
    gold.process.stop().await?;
    silver.process.stop().await?;
    Ok(())
}
