//! What scenarios leave for those after them.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{
    environment::{Environment, Site},
    report::Report,
};

/// How many devices they are left with, and how long it may take until these are Ready.
pub(super) const DEVICES: u64 = 10_000;
pub(super) const DEADLINE: Duration = Duration::from_secs(1_800);

/// The environments that outlive a scenario.
#[derive(Debug)]
pub(super) struct Environments {
    pub(super) site: Site,
    /// 10,000 devices that are Ready.
    pub(super) settled: Option<Environment>,
}

impl Environments {
    /// 10,000 devices that are Ready: made by an earlier scenario, or now.
    pub(super) async fn settled(&mut self, report: &mut Report) -> Result<&mut Environment> {
        if self.settled.is_none() {
            report.note("the 10,000 devices are made first, which is not measured here");
            self.settled = Some(settled(&self.site).await?);
        }
        self.settled.as_mut().context("it was made above")
    }

    /// Ends what is still running.
    pub(super) async fn close(self) -> Result<()> {
        match self.settled {
            Some(environment) => environment.close().await,
            None => Ok(()),
        }
    }
}

/// Devices that are Ready, made without a word.
async fn settled(site: &Site) -> Result<Environment> {
    let devices = site.devices.unwrap_or(DEVICES);
    let mut environment = Environment::open(site, devices).await?;
    environment.stage.apply_workspace("default").await?;
    environment.make(devices).await?;
    environment.all_ready(DEADLINE).await?;
    Ok(environment)
}
