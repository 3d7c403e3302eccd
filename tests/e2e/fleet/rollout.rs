//! How fast a change of the template reaches the devices.

use anyhow::Context as _;
use emnify_harness::stage::Stage;
use emnify_simulator::state::Organisation;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{apply_settled, devices, pool, set, settled, stage_with, template};
use crate::{
    portal::{PortalClient, Traffic},
    support::{Result, holds, look},
};

/// A service profile made in the portal; its id.
async fn another_profile(stage: &Stage, portal: &PortalClient) -> Result<u64> {
    portal.send(Method::POST, "/api/v1/service_profile", json!({"name": "Silver"})).await?;
    let made = look(stage, |platform| {
        let mut all = platform.service_profiles.iter();
        all.find(|(_, profile)| profile.name == "Silver").map(|(id, _)| *id)
    });
    made.context("the portal made a profile")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_devices_than_allowed_are_disturbed_at_once() -> Result<()> {
    // Ten seconds from sending to sending; how long a call takes to have its effect varies with the machine.
    const PAUSE: SignedDuration = SignedDuration::from_secs(5);
    let stage = stage_with("fleet-rollout", 6).await?;
    let portal = PortalClient::open(&stage).await?;
    let mut spec = pool(6);
    // Two of six; a third is rounded down.
    spec["rollout"] = json!({"maxUnavailable": "34%", "minReady": "10s"});
    apply_settled(&stage, &set(&spec), 6).await?;
    let silver = another_profile(&stage, &portal).await?;
    let traffic = Traffic::from_now(&stage);
    spec["template"] = template(silver);
    apply_settled(&stage, &set(&spec), 6).await?;
    let all =
        look(&stage, |platform| devices(platform).values().all(|device| device.service_profile == silver));
    assert!(all, "in the end every device has the new profile");

    let patches: Vec<Timestamp> = traffic
        .all()
        .into_iter()
        .filter(|entry| entry.method == "PATCH" && entry.route.contains("endpoint"))
        .map(|entry| entry.at)
        .collect();
    let changed: Vec<Timestamp> =
        look(&stage, |platform| devices(platform).values().map(|device| device.last_updated).collect());
    for start in &changed {
        let together = changed.iter().filter(|at| *at >= start && at.duration_since(*start) < PAUSE).count();
        assert!(together <= 2, "two of six at a time, each for ten seconds: {changed:?} by {patches:?}");
    }
    assert!(patches.len() >= 3, "so in three calls at least: {patches:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_holds_the_oldest_back() -> Result<()> {
    let stage = stage_with("fleet-partition", 5).await?;
    let portal = PortalClient::open(&stage).await?;
    let mut spec = pool(5);
    apply_settled(&stage, &set(&spec), 5).await?;
    let silver = another_profile(&stage, &portal).await?;
    spec["template"] = template(silver);
    spec["rollout"] = json!({"partition": 3});
    stage.apply(&set(&spec).to_string()).await?;
    let updated = |platform: &Organisation| {
        let mut all: Vec<_> = devices(platform).into_values().collect();
        all.sort_by_key(|device| device.id);
        all.iter().map(|device| device.service_profile == silver).collect::<Vec<_>>()
    };
    holds(&stage, "the two newest are updated", updated, vec![false, false, false, true, true]).await?;
    let held =
        |object: &Value| object["status"]["readyReplicas"] == 2 && object["status"]["heldReplicas"] == 3;
    stage.wait_for("EndpointSet", "meters", "holding three back", held).await?;
    let traffic = Traffic::from_now(&stage);
    traffic.two_sweeps("/api/v1/endpoint").await?;
    assert_eq!(look(&stage, updated), [false, false, false, true, true], "and stay so");

    spec["rollout"] = json!({"partition": 0});
    stage.apply(&set(&spec).to_string()).await?;
    settled(&stage, 5).await?;
    assert_eq!(look(&stage, updated), [true; 5]);
    Ok(())
}
