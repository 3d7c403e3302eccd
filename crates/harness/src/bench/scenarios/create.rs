//! New devices, from the first apply to the last Ready.

use std::time::Duration;

use anyhow::Result;

use crate::bench::{
    environment::{Environment, Site},
    environments::{DEADLINE, DEVICES, Environments},
    figure::{Value, count, each, seconds},
    report::Report,
};

/// What the 10,000 may cost.
const TEN_THOUSAND: Bars = Bars { devices: DEVICES, calls: 36, memory: Some(120), deadline: DEADLINE };

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

pub(super) async fn thousand(environments: &Environments, report: &mut Report) -> Result<()> {
    let bars = Bars { devices: 1_000, calls: 14, memory: None, deadline: Duration::from_secs(600) };
    let environment = create(&environments.site, &bars, report).await?;
    environment.close().await
}

/// Leaves them for the scenarios that need so many.
pub(super) async fn ten_thousand(environments: &mut Environments, report: &mut Report) -> Result<()> {
    environments.settled = Some(create(&environments.site, &TEN_THOUSAND, report).await?);
    Ok(())
}

async fn create(site: &Site, bars: &Bars, report: &mut Report) -> Result<Environment> {
    let devices = site.devices.unwrap_or(bars.devices);
    let mut environment = Environment::open(site, devices).await?;
    let start = environment.mark().await?;
    environment.stage.apply_workspace("default").await?;
    environment.make(devices).await?;
    let applied = start.at.elapsed();
    let ready = environment.all_ready(bars.deadline).await;
    let (passed, calls) = (start.at.elapsed(), environment.calls(start));
    calls.show_against(report, "emnify calls, login and first sweeps included", bars.calls);
    report.is("calls refused as too many (429)", count(calls.throttled()), Value::Count(0));
    report.shows("from the first apply to the last one", seconds(applied));
    report.shows("from the first apply to the last Ready", seconds(passed));
    environment.show_memory(report, "when all are Ready", bars.memory);
    ready?;
    let ours = devices + 1;
    let writes = environment.kubernetes_writes_since(start, ours).await?;
    report.at_most(
        "Kubernetes writes of the operator for each object, events included",
        each(writes, devices),
        Value::Each(WRITES),
    );
    environment.show_duplicates(report, devices);
    Ok(environment)
}
