//! A leader that is stopped past its lease and wakes up starts nothing.

use std::time::Duration;

use emnify_harness::stage::{Signal, Stage, is_ready};

use super::processes::{SHORT, devices_are, pair, rename};
use crate::support::{DEVICE, ORGANISATION, Result, edited, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_frozen_past_its_lease_sends_nothing_and_ends() -> Result<()> {
    let mut options = options("frozen")?;
    // so that writes are queued and one is under way when it freezes
    options.simulator.endpoint_write_time = Duration::from_millis(400);
    let stage = Stage::start(options).await?;
    let (mut first, mut second) = pair(&stage, SHORT).await?;
    stage.apply_workspace("default").await?;
    for n in 1..=4 {
        let (meter, name, sim) = (format!("meter-{n}"), format!("Meter {n}"), format!("1000{n}\""));
        let device = edited(DEVICE, &[("meter-1", &meter), ("Meter 1", &name), ("10001\"", &sim)]);
        // not every SIM may be activated
        stage.apply(&edited(&device, &[("    state: Activated\n", "")])).await?;
        stage.wait_for("Endpoint", &meter, "Ready", is_ready).await?;
    }
    let renamed: Vec<_> = (1..=4).map(|n| format!("Meter {n} renamed")).collect();
    let renamed: Vec<&str> = renamed.iter().map(String::as_str).collect();
    for (n, name) in (1..).zip(&renamed) {
        rename(&stage, &format!("meter-{n}"), name).await?;
    }
    first.process.signal(Signal::Stop).await?;

    second.takes_over().await?;
    devices_are(&stage, ORGANISATION, &renamed).await?;
    rename(&stage, "meter-1", "Meter 1 of the successor").await?;
    let mut all = renamed.clone();
    all[0] = "Meter 1 of the successor";
    all.sort_unstable();
    devices_are(&stage, ORGANISATION, &all).await?;

    let asleep = stage.simulator().last_request();
    first.process.signal(Signal::Cont).await?;
    let status = first.process.ended().await?;
    assert!(!status.success(), "it ends on purpose, so that it is started anew: {status}");
    let calls = first.calls(&stage, asleep);
    assert!(calls.is_empty(), "who was frozen past its lease starts no request: {calls:#?}");
    let said = first.process.log();
    assert!(said.contains("the lease could not be renewed"), "and says why:\n{said}");
    devices_are(&stage, ORGANISATION, &all).await?;
    stage.wait_for("Endpoint", "meter-1", "Ready", is_ready).await?;
    second.process.stop().await?;
    Ok(())
}
