//! Devices leave: the newest first, what was adopted as it is, and not too many at once.

use emnify_harness::stage::Stage;
use emnify_simulator::state::SimState;
use serde_json::{Value, json};

use super::{apply_settled, by_hand, devices, held, list, pool, set, settled, sim_state, stage_with, tags};
use crate::support::{Result, delete, holds, look, says};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_down_retires_the_newest() -> Result<()> {
    let stage = stage_with("fleet-scale", 10).await?;
    apply_settled(&stage, &set(&pool(3)), 3).await?;
    // What joins later is newer, whatever its ICCID.
    apply_settled(&stage, &set(&pool(6)), 6).await?;
    let newest = look(&stage, |platform| {
        let mut all: Vec<_> = devices(platform).into_iter().map(|(n, device)| (device.id, n)).collect();
        all.sort_unstable();
        all.into_iter().rev().take(4).map(|(_, n)| n).collect::<Vec<_>>()
    });
    stage.kubectl_ok(&["scale", "endpointset.emnify.io/meters", "--replicas=2"]).await?;
    settled(&stage, 2).await?;
    look(&stage, |platform| {
        let kept = devices(platform);
        for n in &newest {
            assert!(!kept.contains_key(n), "SIM {n} was among the newest: {newest:?}");
            assert_eq!(sim_state(platform, *n), SimState::Suspended, "SIM {n}: its state is the set's");
        }
        assert_eq!((kept.len(), platform.endpoints.len()), (2, 2));
        assert!(kept.keys().all(|n| sim_state(platform, *n) == SimState::Activated));
    });

    let scale = stage
        .kubectl_ok(&["get", "endpointset.emnify.io/meters", "--subresource=scale", "-o", "json"])
        .await?;
    let scale: Value = serde_json::from_str(&scale)?;
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["replicas"]), (&json!(2), &json!(2)));
    let selector = scale["status"]["selector"].as_str().unwrap_or_default();
    assert!(selector.starts_with("emnify.io/endpointset-uid="), "an autoscaler can read it: {scale}");

    stage.kubectl_ok(&["scale", "emeps/meters", "--replicas=4"]).await?;
    settled(&stage, 4).await?;
    assert_eq!(held(&stage).len(), 4);
    let refused = stage.kubectl(&["scale", "emeps/meters", "--replicas=-1"]).await?;
    assert!(!refused.status.success(), "the schema has a minimum");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_is_scaled_whose_number_git_leaves_out() -> Result<()> {
    let stage = stage_with("fleet-scaled", 4).await?;
    let mut open = set(&pool(0));
    open["spec"]["pool"].as_object_mut().expect("a pool").remove("replicas");
    let open = open.to_string();
    let flux =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller", "-f", "-"];
    let apply = async || anyhow::Ok(stage.kubectl_with(&flux, &open).await?.status.success());
    assert!(apply().await?, "the number may be left out");
    settled(&stage, 0).await?;
    stage.kubectl_ok(&["scale", "emeps/meters", "--replicas=2"]).await?;
    settled(&stage, 2).await?;
    assert!(apply().await?, "what Git does not have is not taken back");
    let scale = ["get", "emeps/meters", "--subresource=scale", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(stage.kubectl_ok(&scale).await?, "2");
    let gone = json!([{"op": "remove", "path": "/spec/pool/replicas"}]).to_string();
    stage.kubectl_ok(&["patch", "emeps/meters", "--type=json", "-p", &gone]).await?;
    settled(&stage, 2).await?;
    assert_eq!(held(&stage).len(), 2, "whoever takes the number away lets no device go");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_adopted_survives_the_list_and_the_set() -> Result<()> {
    const FIRST: u64 = 11_000_001;
    let stage = stage_with("fleet-adopts", 5).await?;
    by_hand(&stage, FIRST, 1)?;
    by_hand(&stage, FIRST + 1, 2)?;
    let adopting = |sims: &[u64]| {
        let mut spec = list(sims);
        spec["adoptionPolicy"] = json!("IfUnowned");
        set(&spec)
    };
    apply_settled(&stage, &adopting(&[0, 1, 2, 3]), 4).await?;
    let mark = format!("k8s:{0}/{0}/meters", stage.namespace());
    look(&stage, |platform| {
        let device = &platform.endpoints[&FIRST];
        assert_eq!(device.name, "Meter 0001", "what was adopted follows the template");
        assert_eq!(tags(platform, device), [&*mark, "meters"], "but is not marked as ours to delete");
    });

    apply_settled(&stage, &adopting(&[2, 3]), 2).await?;
    look(&stage, |platform| {
        let device = &platform.endpoints[&FIRST];
        assert_eq!((device.sim, device.enabled), (Some(super::FIRST_SIM + 1), true), "let go as it is");
        assert_eq!(tags(platform, device), ["meters"], "without the tag of the set");
        assert!(!devices(platform).contains_key(&0), "what the set made is retired");
        assert_eq!(sim_state(platform, 0), SimState::Suspended);
    });

    delete(&stage, "EndpointSet", "meters").await?;
    look(&stage, |platform| {
        assert_eq!(
            devices(platform).into_keys().collect::<Vec<_>>(),
            [1, 2],
            "both are still in their devices"
        );
        assert_eq!(tags(platform, &platform.endpoints[&(FIRST + 1)]), ["meters"]);
        assert_eq!(sim_state(platform, 3), SimState::Suspended, "the last one that the set made");
    });
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_takes_its_devices_with_it() -> Result<()> {
    let stage = stage_with("fleet-ends", 5).await?;
    apply_settled(&stage, &set(&pool(5)), 5).await?;
    delete(&stage, "EndpointSet", "meters").await?;
    look(&stage, |platform| {
        assert!(platform.endpoints.is_empty(), "every device was the set's");
        assert!(
            (0..5).all(|n| sim_state(platform, n) == SimState::Suspended),
            "and so were the states of the SIMs"
        );
    });
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_great_loss_waits_for_approval() -> Result<()> {
    let stage = stage_with("fleet-guard", 10).await?;
    stage
        .kubectl_ok(&[
            "patch",
            "emws/default",
            "--type=merge",
            "-p",
            r#"{"spec":{"guard":{"maxDevices":3,"window":"1h"}}}"#,
        ])
        .await?;
    stage.wait_for("Workspace", "default", "Ready", emnify_harness::stage::is_ready).await?;
    stage.apply(&set(&pool(10)).to_string()).await?;
    approve(&stage, "10 devices would be disturbed").await?;
    settled(&stage, 10).await?;
    stage.kubectl_ok(&["scale", "emeps/meters", "--replicas=2"]).await?;
    // the approval of their activation says nothing of their deletion
    approve(&stage, "18 devices would be disturbed").await?;
    settled(&stage, 2).await?;
    holds(&stage, "the approved eight are retired", |platform| platform.endpoints.len(), 2).await
}

/// Waits for a trip of the guard with these words, and approves it as the workspace says.
async fn approve(stage: &Stage, words: &str) -> Result<()> {
    says(stage, ("EndpointSet", "meters"), ("Stalled", "GuardTripped"), &[words, " is 3"]).await?;
    let before = held(stage).len();
    let tripped = says(
        stage,
        ("Workspace", "default"),
        ("GuardTripped", "GuardTripped"),
        &[words, "emnify.io/approve="],
    )
    .await?;
    assert_eq!(held(stage).len(), before, "nobody comes or goes before somebody says so");
    let condition = emnify_harness::stage::condition(&tripped, "GuardTripped").cloned().unwrap_or_default();
    let message = condition["message"].as_str().unwrap_or_default();
    let (_, command) = message.split_once("kubectl ").unwrap_or_default();
    // the command as it is written, but for the namespace, which the stage gives
    let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "--namespace").collect();
    let words: Vec<&str> = words.into_iter().filter(|word| *word != stage.namespace()).collect();
    stage.kubectl_ok(&words).await?;
    Ok(())
}
