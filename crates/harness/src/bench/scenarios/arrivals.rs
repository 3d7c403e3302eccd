//! From an edit of an object to the platform: when does the new name arrive there.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::bench::{
    environment::Environment,
    figure::{Value, percentile, seconds},
    report::Report,
};

/// Edits that were answered by the API server.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// By the platform's id of the device: the name it should get, and since when.
    pending: BTreeMap<u64, (String, Timestamp)>,
    pub(super) took: Vec<Duration>,
}

impl Arrivals {
    /// Renames a device in its spec, unless an earlier name has not arrived yet.
    pub(super) async fn rename(&mut self, environment: &Environment, n: u64, name: String) -> Result<bool> {
        let id = environment.device(n).context("the device is on the platform")?;
        if self.pending.contains_key(&id) {
            return Ok(false);
        }
        environment.rename(n, &name).await?;
        self.pending.insert(id, (name, environment.stage.simulator().now()));
        Ok(true)
    }

    /// Notes which have arrived. The platform's own note of the last write says when.
    pub(super) fn look(&mut self, environment: &Environment) {
        let took = &mut self.took;
        environment.platform(|platform| {
            self.pending.retain(|id, (name, since)| {
                let Some(row) = platform.endpoints.get(id).filter(|row| row.name == *name) else {
                    return true;
                };
                // A write may arrive before the API server's answer to the edit is read here.
                took.push(row.last_updated.duration_since(*since).try_into().unwrap_or(Duration::ZERO));
                false
            });
        });
    }

    /// Waits until all have arrived.
    pub(super) async fn wait(&mut self, environment: &Environment, within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            self.look(environment);
            if self.pending.is_empty() {
                return Ok(());
            }
            let names: Vec<_> = self.pending.values().map(|(name, _)| name.as_str()).take(5).collect();
            ensure!(
                Instant::now() < end,
                "{} edits have not arrived after {} s, such as {}\n{}",
                self.pending.len(),
                within.as_secs(),
                names.join(", "),
                environment.stage.operator_log_tail()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Shows p50, p99 and the longest of times; `bar` is one of these percents and seconds.
pub(super) fn percentiles(
    report: &mut Report,
    what: &str,
    mut took: Vec<Duration>,
    bar: Option<(usize, f64)>,
) {
    took.sort_unstable();
    for (percent, name) in [(50, "p50"), (99, "p99"), (100, "max")] {
        let value = percentile(&took, percent).map_or(Value::NotMeasured("nothing arrived"), seconds);
        let what = format!("{what}, {name}");
        match bar.filter(|(of, _)| *of == percent) {
            Some((_, most)) => report.at_most(what, value, Value::Seconds(most)),
            None => report.shows(what, value),
        }
    }
}
