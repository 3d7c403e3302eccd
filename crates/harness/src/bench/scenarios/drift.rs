//! Somebody changes devices at the portal; how long until they are as their specs say again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use rand::{Rng as _, seq::SliceRandom as _};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::arrivals::percentiles;
use crate::bench::{
    environment::{Environment, device_name},
    environments::Environments,
    figure::{Value, count},
    portal::PortalClient,
    report::Report,
};

pub(super) const EDITS: usize = 50;
/// Average time between two edits.
const BEAT: Duration = Duration::from_secs(5);
/// Only a broken operator needs longer than its longest sweep.
pub(super) const DEADLINE: Duration = Duration::from_secs(1_200);
/// Devices up to here are edited by other scenarios.
pub(super) const FIRST: u64 = 100;

/// A device that is not as its spec says.
struct Strayed {
    name: String,
    since: Timestamp,
}

pub(super) async fn drift(environments: &mut Environments, report: &mut Report) -> Result<()> {
    let edits = if environments.site.quick { EDITS / 5 } else { EDITS };
    let environment = environments.settled(report).await?;
    let portal = PortalClient::open(environment.stage.simulator()).await?;
    let start = environment.mark().await?;
    let mut numbers: Vec<u64> = (FIRST.min(environment.made() / 2)..environment.made()).collect();
    numbers.shuffle(&mut rand::rng());
    let (mut renamed, mut switched) = (Watched::default(), Watched::default());
    for (turn, n) in numbers.into_iter().take(edits).enumerate() {
        let id = environment.device(n).context("the device is on the platform")?;
        // A rename raises no event; switching off raises one.
        let (fields, watched) = if turn % 2 == 0 {
            (json!({"name": format!("Renamed {n}")}), &mut renamed)
        } else {
            (json!({"status": {"id": 1}}), &mut switched)
        };
        portal.patch(id, &fields).await?;
        watched.stray(environment, id, device_name(n));
        let until = Instant::now() + BEAT.mul_f64(rand::rng().random_range(0.0..2.0));
        while Instant::now() < until {
            renamed.look(environment);
            switched.look(environment);
            sleep(Duration::from_millis(50)).await;
        }
    }
    let corrected = wait(environment, &mut renamed, &mut switched).await;
    let mut all = renamed.took.clone();
    all.extend(&switched.took);
    report.shows("portal edits, half of them with an event", count(edits));
    report.is("portal edits that were corrected", count(all.len()), Value::Count(edits as u64));
    percentiles(report, "all: from the edit to corrected", all, Some((50, 15.0)));
    percentiles(report, "with an event (switched off)", switched.took, None);
    percentiles(report, "without an event (renamed)", renamed.took, None);
    let calls = environment.calls(start);
    report.shows("emnify calls meanwhile", count(calls.len()));
    calls.show(report);
    environment.show_duplicates(report, environment.made());
    corrected
}

pub(super) async fn wait(
    environment: &Environment,
    renamed: &mut Watched,
    switched: &mut Watched,
) -> Result<()> {
    let end = Instant::now() + DEADLINE;
    loop {
        renamed.look(environment);
        switched.look(environment);
        let open = renamed.open.len() + switched.open.len();
        if open == 0 {
            return Ok(());
        }
        let named: Vec<_> = renamed
            .open
            .values()
            .chain(switched.open.values())
            .map(|strayed| &*strayed.name)
            .take(5)
            .collect();
        ensure!(
            Instant::now() < end,
            "{open} devices are not corrected after {} s, such as {}\n{}",
            DEADLINE.as_secs(),
            named.join(", "),
            environment.stage.operator_log_tail()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// Devices that were changed in one way.
#[derive(Default)]
pub(super) struct Watched {
    open: BTreeMap<u64, Strayed>,
    pub(super) took: Vec<Duration>,
}

impl Watched {
    pub(super) fn stray(&mut self, environment: &Environment, id: u64, name: String) {
        self.open.insert(id, Strayed { name, since: environment.stage.simulator().now() });
    }

    /// Notes which are as they should be again. The platform's own note of the last write says since when.
    pub(super) fn look(&mut self, environment: &Environment) {
        let took = &mut self.took;
        environment.platform(|platform| {
            self.open.retain(|id, strayed| {
                let right =
                    |row: &&emnify_simulator::state::Endpoint| row.enabled && row.name == strayed.name;
                let Some(row) = platform.endpoints.get(id).filter(right) else { return true };
                took.push(
                    row.last_updated.duration_since(strayed.since).try_into().unwrap_or(Duration::ZERO),
                );
                false
            });
        });
    }
}
