//! What is measured, one file for each.

mod arrivals;
mod create;
mod drift;
mod edits;
mod fleet;
mod rest;
mod restart;
mod steady;
mod token;

use anyhow::{Context as _, Result};

use super::{
    Scenario,
    ground::{Ground, Site},
    report::Report,
};

/// What scenarios leave for those after them.
#[derive(Debug)]
pub(super) struct Worlds {
    pub(super) site: Site,
    /// 10,000 devices that are Ready.
    pub(super) settled: Option<Ground>,
}

impl Worlds {
    /// 10,000 devices that are Ready: made by an earlier scenario, or now.
    async fn settled(&mut self, report: &mut Report) -> Result<&mut Ground> {
        if self.settled.is_none() {
            report.note("the 10,000 devices are made first, which is not measured here");
            self.settled = Some(create::settled(&self.site).await?);
        }
        self.settled.as_mut().context("it was made above")
    }

    /// Ends what is still running.
    pub(super) async fn close(self) -> Result<()> {
        match self.settled {
            Some(ground) => ground.close().await,
            None => Ok(()),
        }
    }
}

/// Plays one.
pub(super) async fn play(worlds: &mut Worlds, report: &mut Report) -> Result<()> {
    match report.scenario {
        Scenario::WrongToken => token::wrong(worlds, report).await,
        Scenario::Create1000 => create::thousand(worlds, report).await,
        Scenario::EditLatency => edits::edits(worlds, report).await,
        Scenario::Create10000 => create::ten_thousand(worlds, report).await,
        Scenario::Steady10000 => steady::steady(worlds, report).await,
        Scenario::DriftLatency => drift::drift(worlds, report).await,
        Scenario::Restart10000 => restart::restart(worlds, report).await,
        Scenario::Fleet100000 => fleet::fleet(worlds, report).await,
    }
}
