//! Ten thousand devices, of which some attach and move, and nobody edits anything.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, interval_at};

use crate::{
    bench::{
        environments::Environments,
        figure::{Value, count, per_second, seconds},
        report::Report,
    },
    devices::Devices,
};

/// How many of a hundred devices do something in a minute.
const MOVING: u64 = 1;
/// Lets what the apply began come to its end.
const SETTLE: Duration = Duration::from_secs(60);
const MEASURED: Duration = Duration::from_secs(300);
const BEAT: Duration = Duration::from_secs(3);

pub(super) async fn steady(environments: &mut Environments, report: &mut Report) -> Result<()> {
    let (settle, measured) =
        if environments.site.quick { (SETTLE / 4, MEASURED / 5) } else { (SETTLE, MEASURED) };
    let environment = environments.settled(report).await?;
    let mut devices = Devices::new(environment.stage.simulator().clone());
    let pace = usize::try_from(environment.made() * MOVING * BEAT.as_secs() / (100 * 60))?.max(1);
    report.note(format!(
        "{pace} of the simulated devices attach, go online, leave or move to another network every 3 s"
    ));
    let mut turn = async |until: Instant| {
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        while Instant::now() < until {
            beat.tick().await;
            devices.turn(Some(pace));
        }
    };
    turn(Instant::now() + settle).await;
    let (start, before) = (environment.mark().await?, environment.usage());
    turn(start.at + measured).await;
    let (passed, calls, after) = (start.at.elapsed(), environment.calls(start), environment.usage());
    report.at_most("emnify calls a second", per_second(calls.len(), passed), Value::PerSecond(0.2));
    calls.show(report);
    report.is("emnify calls that write", count(calls.writes()), Value::Count(0));
    let busy = before.zip(after).map(|(before, after)| after.cpu.saturating_sub(before.cpu).as_secs_f64());
    let share = busy.map(|busy| Value::Percent(100.0 * busy / passed.as_secs_f64()));
    let share = share.unwrap_or(Value::NotMeasured("no /proc"));
    report.at_most("processor, of one core", share, Value::Percent(2.0));
    environment.show_memory(report, "in steady state", Some(120));
    let writes = environment.kubernetes_writes_since(start, 0).await?;
    report.shows("Kubernetes writes of the operator", Value::Count(writes));
    report.shows("measured for", seconds(passed));
    Ok(())
}
