//! What happens to a device in the network shows in its status, and nowhere does it touch `Ready`.

use std::sync::atomic::{AtomicBool, Ordering};

use emnify_harness::stage::{Stage, condition, is_ready};
use emnify_simulator::Signal;
use serde_json::Value;

use crate::{
    portal::Traffic,
    support::{DEVICE, Result, id, make_ready, stage},
};

/// Waits until the device is shown in this state; Ready may not fall meanwhile.
async fn shown(stage: &Stage, state: &str, connected: &str) -> Result<Value> {
    let always_ready = AtomicBool::new(true);
    let says = |object: &Value| {
        always_ready.fetch_and(is_ready(object), Ordering::Relaxed);
        let found = condition(object, "Connected");
        object["status"]["connectivity"]["state"] == state
            && found.is_some_and(|found| found["status"] == connected && found["reason"] == state)
    };
    let object =
        stage.wait_for("Endpoint", "meter-1", &format!("{state}, Connected={connected}"), says).await?;
    assert!(always_ready.into_inner(), "Connected is never part of Ready");
    Ok(object)
}

async fn printed(stage: &Stage) -> Result<String> {
    stage.kubectl_ok(&["get", "endpoints.emnify.io", "meter-1", "-o", "wide"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_show_in_status() -> Result<()> {
    let stage = stage("connectivity").await?;
    let traffic = Traffic::from_now(&stage);
    let id = id(&make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?)?;
    let signal = |signal| stage.simulator().device(id, signal).map_err(anyhow::Error::msg);
    shown(&stage, "Offline", "False").await?;
    assert!(printed(&stage).await?.contains("Offline"), "kubectl shows where a new device is");

    signal(Signal::Attach)?;
    let attached = shown(&stage, "Attached", "True").await?;
    let place = &attached["status"]["connectivity"];
    let (operator, country) = (place["operator"].as_str(), place["country"].as_str());
    assert!(
        operator.is_some() && country.is_some() && place["since"].is_string(),
        "it says where and since when: {place}"
    );
    let message = condition(&attached, "Connected").map(|found| found["message"].clone()).unwrap_or_default();
    assert_eq!(message.as_str(), Some(format!("{}, {}", operator.unwrap(), country.unwrap()).as_str()));

    signal(Signal::Online)?;
    let online = shown(&stage, "Online", "True").await?;
    assert_eq!(
        online["status"]["connectivity"]["operator"].as_str(),
        operator,
        "a session does not move the device"
    );
    assert!(online["status"]["connectivity"]["ratType"].is_string(), "a session tells the radio technology");
    let table = printed(&stage).await?;
    assert!(table.contains("Online") && table.contains(operator.unwrap()), "kubectl shows it:\n{table}");

    signal(Signal::Detach)?;
    shown(&stage, "Attached", "True").await?;
    signal(Signal::Block)?;
    shown(&stage, "Blocked", "False").await?;
    signal(Signal::Attach)?;
    signal(Signal::Offline)?;
    shown(&stage, "Offline", "False").await?;

    let reads = traffic.all().iter().filter(|entry| entry.path.ends_with("/connectivity")).count();
    assert!(reads <= 1, "one read at the start, events after: {reads} reads");
    Ok(())
}
