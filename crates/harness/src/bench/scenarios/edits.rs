//! Edits of bound devices while ten thousand creates wait.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, interval, sleep};

use super::arrivals::{Arrivals, percentiles};
use crate::bench::{
    environment::Environment,
    environments::Environments,
    figure::{count, seconds},
    report::Report,
};

/// Devices that are there before, and are edited.
const BOUND: u64 = 50;
const QUEUED: u64 = 10_000;
const BEAT: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(1_800);

pub(super) async fn edits(environments: &Environments, report: &mut Report) -> Result<()> {
    let queued = environments.site.devices.unwrap_or(QUEUED);
    let mut environment = Environment::open(&environments.site, BOUND + queued).await?;
    environment.stage.apply_workspace("default").await?;
    environment.make(BOUND).await?;
    environment.all_ready(DEADLINE).await?;
    report.note(format!(
        "{BOUND} bound devices are there before; they are edited while {queued} others are created"
    ));
    let start = environment.mark().await?;
    let created = environment.queue(queued)?;
    let mut edits = Arrivals::default();
    let mut beat = interval(BEAT);
    let (mut round, mut made) = (0, 0);
    // Every edit is made while creates wait: later ones would have no competition.
    while environment.devices.ready_now() < usize::try_from(BOUND + queued)? && start.at.elapsed() < DEADLINE
    {
        beat.tick().await;
        if edits.rename(&environment, round % BOUND, format!("Edited {round}")).await? {
            made += 1;
        }
        round += 1;
        let until = Instant::now() + BEAT;
        while Instant::now() < until {
            edits.look(&environment);
            sleep(Duration::from_millis(20)).await;
        }
    }
    let last = edits.wait(&environment, DEADLINE).await;
    created.await??;
    report.shows("edits while creates were queued", count(made));
    percentiles(report, "from the answer to an edit until it arrives", edits.took, Some((99, 1.0)));
    last?;
    environment.all_ready(DEADLINE).await?;
    report.shows("from the first create to the last Ready", seconds(start.at.elapsed()));
    let calls = environment.calls(start);
    calls.show(report);
    environment.show_duplicates(report, BOUND + queued);
    environment.close().await
}
