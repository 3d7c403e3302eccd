//! One leads, the other takes over.

use std::time::Duration;

use emnify_harness::stage::{Stage, condition, is_ready};
use jiff::SignedDuration;

use super::processes::{LONG, SHORT, devices, devices_are, holder, pair, rename};
use crate::support::{DEVICE, ORGANISATION, Result, edited, options};

const LEASE: &str = "emnify-operator";
/// A request of a killed leader may be under way for so long.
const REQUEST_TIMEOUT: SignedDuration = SignedDuration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sigterm_the_standby_goes_on_at_once() -> Result<()> {
    let stage = Stage::start(options("sigterm")?).await?;
    let (first, mut second) = pair(&stage, LONG).await?;
    stage.apply_workspace("default").await?;
    stage.apply(DEVICE).await?;
    stage.wait_for("Endpoint", "meter-1", "Ready", is_ready).await?;
    assert!(first.leads().await? && !second.leads().await?, "exactly one leads");
    assert!(first.is(&holder(&stage, LEASE).await?), "and the lease names it");
    assert!(second.process.is_ready().await, "the standby is ready: a rollout does not wait for the lease");
    assert!(second.calls(&stage, 0).is_empty(), "and it sends nothing");

    let before = stage.simulator().last_request();
    let log = {
        let log = first.process.log();
        first.process.stop().await?;
        log
    };
    assert!(!log.contains("cut short"), "what was under way ended in time");
    second.takes_over().await?;
    assert!(
        second.process.log().contains("\"before\":\"Released\""),
        "nobody waited for the lease to expire"
    );
    rename(&stage, "meter-1", "Meter 1 renamed").await?;
    devices_are(&stage, ORGANISATION, &["Meter 1 renamed"]).await?;
    assert!(second.wrote(&stage, before, "PATCH", "/api/v1/endpoint"), "the successor serves the edit");
    stage.wait_for("Endpoint", "meter-1", "Ready again", is_ready).await?;
    assert!(second.is(&holder(&stage, LEASE).await?), "the successor holds the lease");
    second.process.stop().await?;
    assert_eq!(holder(&stage, LEASE).await?, "", "the last one lets go of it as well");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_edits_go_on_and_creates_wait_for_what_was_under_way() -> Result<()> {
    let stage = Stage::start(options("sigkill")?).await?;
    let (first, mut second) = pair(&stage, SHORT).await?;
    stage.apply_workspace("default").await?;
    stage.apply(DEVICE).await?;
    stage.wait_for("Endpoint", "meter-1", "Ready", is_ready).await?;
    let before = stage.simulator().last_request();
    first.kill().await?;
    let killed = stage.simulator().now();
    rename(&stage, "meter-1", "Meter 1 renamed").await?;
    let another = edited(DEVICE, &[("meter-1", "meter-2"), ("Meter 1", "Meter 2"), ("10001\"", "10002\"")]);
    stage.apply(&another).await?;

    second.takes_over().await?;
    assert!(second.process.log().contains("\"before\":\"Expired\""), "nobody let go of the lease");
    devices_are(&stage, ORGANISATION, &["Meter 1 renamed"]).await?;
    let waits = |object: &serde_json::Value| {
        let ready = condition(object, "Ready");
        ready.is_some_and(|ready| ready["message"].as_str().unwrap_or_default().contains("former leader"))
    };
    stage.wait_for("Endpoint", "meter-2", "waiting for what the former leader may have sent", waits).await?;
    let patience = Duration::from_secs(180);
    stage.wait_within(patience, ("Endpoint", "meter-2"), "Ready", is_ready).await?;
    assert_eq!(devices(&stage, ORGANISATION), ["Meter 1 renamed", "Meter 2"], "each device is there once");
    let calls = second.calls(&stage, before);
    let create = calls.iter().find(|call| call.method == "POST" && call.path.contains("/endpoint"));
    let waited = create.expect("the successor made it").at.duration_since(killed);
    assert!(
        waited >= REQUEST_TIMEOUT,
        "a create waits until none of the former leader can be under way: {waited}"
    );
    second.process.stop().await?;
    Ok(())
}
