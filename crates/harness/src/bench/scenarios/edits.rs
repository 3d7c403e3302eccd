//! Edits of bound devices while ten thousand creates wait.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, interval, sleep};

use super::{
    Worlds,
    arrivals::{Arrivals, percentiles},
};
use crate::bench::{
    figure::{count, seconds},
    ground::Ground,
    report::Report,
};

/// Devices that are there before, and are edited.
const BOUND: u64 = 50;
const QUEUED: u64 = 10_000;
const BEAT: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(1_800);

pub(super) async fn edits(worlds: &Worlds, report: &mut Report) -> Result<()> {
    let queued = worlds.site.devices.unwrap_or(QUEUED);
    let mut ground = Ground::open(&worlds.site, BOUND + queued).await?;
    ground.stage.apply_workspace("default").await?;
    ground.make(BOUND).await?;
    ground.all_ready(DEADLINE).await?;
    report.note(format!(
        "{BOUND} bound devices are there before; they are edited while {queued} others are created"
    ));
    let start = ground.mark().await?;
    let created = ground.queue(queued)?;
    let mut edits = Arrivals::default();
    let mut beat = interval(BEAT);
    let (mut round, mut made) = (0, 0);
    // Every edit is made while creates wait: later ones would have no competition.
    while ground.devices.ready_now() < usize::try_from(BOUND + queued)? && start.at.elapsed() < DEADLINE {
        beat.tick().await;
        if edits.rename(&ground, round % BOUND, format!("Edited {round}")).await? {
            made += 1;
        }
        round += 1;
        let until = Instant::now() + BEAT;
        while Instant::now() < until {
            edits.look(&ground);
            sleep(Duration::from_millis(20)).await;
        }
    }
    let last = edits.wait(&ground, DEADLINE).await;
    created.await??;
    report.shows("edits while creates were queued", count(made));
    percentiles(report, "from the answer to an edit until it arrives", edits.took, Some((99, 1.0)));
    last?;
    ground.all_ready(DEADLINE).await?;
    report.shows("from the first create to the last Ready", seconds(start.at.elapsed()));
    let calls = ground.calls(start);
    calls.show(report);
    ground.show_duplicates(report, BOUND + queued);
    ground.close().await
}
