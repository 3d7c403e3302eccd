//! Devices come, and stay as the template says.

use emnify_harness::stage::Stage;
use http::Method;
use serde_json::{Value, json};

use super::{apply_settled, devices, held, iccid, pool, range, set, settled, sim_state, stage_with, tags};
use crate::{
    portal::{PortalClient, Traffic, last_request},
    support::{Result, holds, look},
};
use emnify_simulator::{Fault, state::SimState};

const DEVICES: u64 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_sims_become_fifty_devices_in_a_few_calls() -> Result<()> {
    let stage = stage_with("fleet-grows", DEVICES + 5).await?;
    let portal = PortalClient::open(&stage).await?;
    let traffic = Traffic::from_now(&stage);
    let manifest = set(&json!({"sims": {"selector": range(0, DEVICES - 1)}}));
    let object = apply_settled(&stage, &manifest, DEVICES).await?;
    let writes = traffic.writes();
    assert!(writes.len() <= 20, "a login, three tags, and all devices together: {writes:?}");
    assert_eq!(held(&stage), (0..DEVICES).collect::<Vec<_>>(), "one device for each SIM of the range");

    let status = &object["status"];
    assert_eq!((&status["desiredReplicas"], &status["replicas"]), (&json!(DEVICES), &json!(DEVICES)));
    let installation = stage.namespace();
    let marks = [format!("k8s:{installation}"), format!("k8s:{installation}/{installation}/meters")];
    look(&stage, |platform| {
        for (n, device) in devices(platform) {
            assert_eq!((device.name.as_str(), device.enabled), (&*format!("Meter {n:04}"), true));
            assert_eq!(sim_state(platform, n), SimState::Activated);
            assert_eq!(tags(platform, &device), [&*marks[0], &*marks[1], "meters"]);
        }
    });
    counted(&stage).await?;

    let (renamed, deleted) = look(&stage, |platform| {
        let devices = devices(platform);
        (devices[&7].id, devices[&9].id)
    });
    portal.patch(&format!("/api/v1/endpoint/{renamed}"), json!({"name": "Renamed"})).await?;
    portal.send(Method::DELETE, "/api/v2/endpoint/multi", json!([{"id": deleted}])).await?;
    holds(
        &stage,
        "a member that was renamed in the portal gets its name back",
        |platform| platform.endpoints[&renamed].name.clone(),
        "Meter 0007".into(),
    )
    .await?;
    holds(
        &stage,
        "a member that was deleted in the portal is made anew, once",
        |platform| devices(platform).get(&9).map(|device| (device.name.clone(), device.id != deleted)),
        Some(("Meter 0009".into(), true)),
    )
    .await?;
    assert_eq!(held(&stage).len() as u64, DEVICES);
    Ok(())
}

/// Waits until the status has the counts, which follow a little later.
async fn counted(stage: &Stage) -> Result<()> {
    let shown = |object: &Value| object["status"]["simStates"]["Activated"] == DEVICES;
    stage.wait_for("EndpointSet", "meters", "counting the states of its SIMs", shown).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_makes_nothing_twice() -> Result<()> {
    let mut stage = stage_with("fleet-restart", DEVICES).await?;
    // The first call takes effect and is never answered: only what was written down tells what it made.
    let lost = Fault {
        method: Some("POST".into()),
        route: Some("/api/v2/endpoint/multi".into()),
        nth: Some(1),
        commit: true,
        reset: true,
        ..Fault::default()
    };
    stage.simulator().fault(lost).map_err(anyhow::Error::msg)?;
    stage.apply(&set(&pool(DEVICES)).to_string()).await?;
    stage.eventually("devices are made", async || Ok(!held(&stage).is_empty())).await?;
    stage.crash_operator().await?;
    stage.start_operator()?;
    settled(&stage, DEVICES).await?;
    assert_eq!(held(&stage), (0..DEVICES).collect::<Vec<_>>());
    let made = look(&stage, |platform| platform.endpoints.len());
    assert_eq!(made as u64, DEVICES, "and none without a SIM");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_changes_nothing() -> Result<()> {
    let mut stage = stage_with("fleet-second", DEVICES).await?;
    apply_settled(&stage, &set(&pool(DEVICES)), DEVICES).await?;
    counted(&stage).await?;
    let accounted = |object: &Value| object["status"]["intent"].is_null();
    stage.wait_for("EndpointSet", "meters", "sure of what its calls made", accounted).await?;
    stage.stop_operator().await?;
    let version = |object: &Option<Value>| object.as_ref().map(|o| o["metadata"]["resourceVersion"].clone());
    let before = version(&stage.get("EndpointSet", "meters").await?);
    let last = last_request(&stage);
    stage.start_operator()?;
    let again = Traffic::since(&stage, last);
    again.two_sweeps("/api/v1/endpoint").await?;
    let writes: Vec<_> =
        again.writes().into_iter().filter(|write| !write.ends_with("/authenticate")).collect();
    assert_eq!(writes, Vec::<String>::new(), "a second start writes nothing to emnify");
    let after = version(&stage.get("EndpointSet", "meters").await?);
    assert_eq!(before, after, "nor to Kubernetes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sims_of_a_config_map_are_followed_and_a_mistake_in_it_costs_nothing() -> Result<()> {
    let stage = stage_with("fleet-text", 5).await?;
    let text = |text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sims"}, "data": {"iccids": text}})
            .to_string()
    };
    let manifest = set(&json!({"sims": {"configMapRef": {"name": "sims", "key": "iccids"}}}));
    stage.apply(&manifest.to_string()).await?;
    let about = ("EndpointSet", "meters");
    crate::support::says(&stage, about, ("Ready", "ReferenceNotReady"), &["sims"]).await?;
    stage.apply(&text(&format!("# roof\n{}\n{}, {}\n", iccid(0), iccid(1), iccid(2)))).await?;
    settled(&stage, 3).await?;

    stage.apply(&text(&format!("{}\n898830\n", iccid(0)))).await?;
    crate::support::says(&stage, about, ("Ready", "InvalidSpec"), &["line 2", "898830"]).await?;
    assert_eq!(held(&stage), [0, 1, 2], "a mistake lets nobody go");
    stage.apply(&text(&format!("{}\n{}\n", iccid(0), iccid(4)))).await?;
    settled(&stage, 2).await?;
    holds(&stage, "the text says who is a member", |p| devices(p).into_keys().collect::<Vec<_>>(), vec![0, 4])
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn activations_are_limited_per_window() -> Result<()> {
    let stage = stage_with("fleet-activations", 5).await?;
    let mut spec = pool(5);
    spec["rollout"] = json!({"maxActivations": {"count": 2, "window": "1h"}});
    let traffic = Traffic::from_now(&stage);
    stage.apply(&set(&spec).to_string()).await?;
    let two = |object: &Value| object["status"]["readyReplicas"] == 2;
    stage.wait_for("EndpointSet", "meters", "two members up to date", two).await?;
    traffic.two_sweeps("/api/v1/endpoint").await?;
    let activated = look(&stage, |platform| {
        platform
            .sims
            .values()
            .filter(|sim| sim.id >= super::FIRST_SIM && sim.status == SimState::Activated)
            .count()
    });
    assert_eq!(activated, 2, "the others wait for the window to pass");
    Ok(())
}
