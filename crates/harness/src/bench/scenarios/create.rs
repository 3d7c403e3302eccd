//! New devices, from the first apply to the last Ready.

use std::time::Duration;

use anyhow::Result;

use super::Worlds;
use crate::bench::{
    figure::{Value, count, each, seconds},
    ground::{Ground, Site},
    report::Report,
};

/// What the 10,000 may cost.
const TEN_THOUSAND: Bars =
    Bars { devices: 10_000, calls: 36, memory: Some(120), deadline: Duration::from_secs(1_800) };

/// Writes to Kubernetes for each new device: its finalizer, its intent, its id together with Ready, an event.
const WRITES: f64 = 4.0;

/// What a number of new devices may cost.
struct Bars {
    devices: u64,
    calls: u64,
    /// MiB.
    memory: Option<u64>,
    deadline: Duration,
}

pub(super) async fn thousand(worlds: &Worlds, report: &mut Report) -> Result<()> {
    let bars = Bars { devices: 1_000, calls: 14, memory: None, deadline: Duration::from_secs(600) };
    let ground = create(&worlds.site, &bars, report).await?;
    ground.close().await
}

/// Leaves them for the scenarios that need so many.
pub(super) async fn ten_thousand(worlds: &mut Worlds, report: &mut Report) -> Result<()> {
    worlds.settled = Some(create(&worlds.site, &TEN_THOUSAND, report).await?);
    Ok(())
}

/// The same without a word, for scenarios that need them.
pub(super) async fn settled(site: &Site) -> Result<Ground> {
    let devices = site.devices.unwrap_or(TEN_THOUSAND.devices);
    let mut ground = Ground::open(site, devices).await?;
    ground.stage.apply_workspace("default").await?;
    ground.make(devices).await?;
    ground.all_ready(TEN_THOUSAND.deadline).await?;
    Ok(ground)
}

async fn create(site: &Site, bars: &Bars, report: &mut Report) -> Result<Ground> {
    let devices = site.devices.unwrap_or(bars.devices);
    let mut ground = Ground::open(site, devices).await?;
    let start = ground.mark().await?;
    ground.stage.apply_workspace("default").await?;
    ground.make(devices).await?;
    let applied = start.at.elapsed();
    let ready = ground.all_ready(bars.deadline).await;
    let (passed, calls) = (start.at.elapsed(), ground.calls(start));
    calls.show_against(report, "emnify calls, login and first sweeps included", bars.calls);
    report.is("calls refused as too many (429)", count(calls.throttled()), Value::Count(0));
    report.shows("from the first apply to the last one", seconds(applied));
    report.shows("from the first apply to the last Ready", seconds(passed));
    ground.show_memory(report, "when all are Ready", bars.memory);
    ready?;
    let ours = devices + 1;
    let writes = ground.kubernetes_writes_since(start, ours).await?;
    report.at_most(
        "Kubernetes writes of the operator for each object, events included",
        each(writes, devices),
        Value::Each(WRITES),
    );
    ground.show_duplicates(report, devices);
    Ok(ground)
}
