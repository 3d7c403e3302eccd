//! What a scenario is played on: a control plane and a simulated platform of its own, with the operator as a process.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, anyhow, ensure};
use emnify_simulator::{Limits, Seed, State, fleet, state::Organisation};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    api::{Patch, PatchParams, PostParams},
    core::DynamicObject,
};
use serde_json::json;
use tokio::{task::JoinHandle, time::Instant};

use super::{calls::Calls, figure::Value, ready_watch::ReadyWatch, report::Report, usage::Usage};
use crate::stage::{Launch, Options, Place, Process, Stage};

/// The organisation of the seed.
const ORGANISATION: u64 = 1001;
/// Requests to Kubernetes that are under way at once.
const AT_ONCE: usize = 32;

/// Writes of devices take time, or a queue would never form: so much for a call, and for each device in it. Nothing is
/// published; these are guesses of ours.
const WRITE_TIME: Duration = Duration::from_millis(50);
const ITEM_TIME: Duration = Duration::from_micros(200);

/// What does not change between scenarios.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// The operator's binary.
    pub(super) binary: PathBuf,
    /// Shorter waits, for a look in passing.
    pub(super) quick: bool,
    /// Keep logs and state.
    pub(super) keep: bool,
    /// Instead of what scenarios say.
    pub(super) devices: Option<u64>,
}

/// A control plane, a platform and an operator.
#[derive(Debug)]
pub(super) struct Environment {
    // Dropped first.
    operator: Option<Process>,
    pub(super) devices: ReadyWatch,
    pub(super) stage: Stage,
    binary: PathBuf,
    /// How many objects were made.
    made: u64,
}

/// A moment to count from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    request: u64,
    pub(super) at: Instant,
    kubernetes: u64,
}

impl Environment {
    /// Starts everything, with `sims` unassigned SIMs and the operator ready and without work.
    pub(super) async fn open(site: &Site, sims: u64) -> Result<Self> {
        let mut options = Options::at(Place::Own { namespace: "bench".to_owned(), keep: site.keep });
        options.simulator.seed =
            Seed::from_yaml(include_str!("seed.yaml"))?.with_fleet(ORGANISATION, sims)?;
        options.simulator.limits = Limits::Real;
        options.simulator.endpoint_write_time = WRITE_TIME;
        options.simulator.endpoint_item_time = ITEM_TIME;
        let stage = Stage::start(options).await?;
        let devices = ReadyWatch::of(&stage, "Endpoint")?;
        let mut environment = Self { operator: None, devices, stage, binary: site.binary.clone(), made: 0 };
        environment.start_operator()?;
        environment.operator()?.ready().await?;
        Ok(environment)
    }

    /// Starts the operator; it may not be ready yet.
    pub(super) fn start_operator(&mut self) -> Result<()> {
        self.start_operator_with([])
    }

    /// The same with more flags.
    pub(super) fn start_operator_with(&mut self, flags: impl IntoIterator<Item = String>) -> Result<()> {
        ensure!(self.operator.is_none(), "the operator runs already");
        self.operator = Some(Launch::on(&self.stage, &self.binary)?.with(flags).start()?);
        Ok(())
    }

    /// The running operator.
    pub(super) fn operator(&mut self) -> Result<&mut Process> {
        self.operator.as_mut().context("the operator does not run")
    }

    /// Ends the operator by SIGTERM; says how long that took.
    pub(super) async fn stop_operator(&mut self) -> Result<Duration> {
        self.operator.take().context("the operator does not run")?.stop().await
    }

    /// Ends everything and waits until it is gone.
    pub(super) async fn close(mut self) -> Result<()> {
        if self.operator.is_some() {
            self.stop_operator().await?;
        }
        drop(self.devices);
        self.stage.finish().await
    }

    /// This moment.
    pub(super) async fn mark(&self) -> Result<Mark> {
        let kubernetes = self.kubernetes_writes().await?;
        Ok(Mark { request: self.stage.simulator().last_request(), at: Instant::now(), kubernetes })
    }

    /// Calls of the operator since then.
    pub(super) fn calls(&self, since: Mark) -> Calls {
        Calls::after(self.stage.simulator(), since.request)
    }

    /// What the operator wrote to Kubernetes since then; `ours` of them came from here.
    pub(super) async fn kubernetes_writes_since(&self, since: Mark, ours: u64) -> Result<u64> {
        Ok((self.kubernetes_writes().await? - since.kubernetes).saturating_sub(ours))
    }

    /// Writes to objects of our kinds and events so far, as the API server counts them.
    async fn kubernetes_writes(&self) -> Result<u64> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let metrics = self.stage.client().request_text(request).await?;
        Ok(writes(&metrics))
    }

    /// Writes to the status of objects of this plural so far, as the API server counts them.
    pub(super) async fn status_writes(&self, plural: &str) -> Result<u64> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let metrics = self.stage.client().request_text(request).await?;
        let of_status = format!("resource=\"{plural}\"");
        let lines = metrics
            .lines()
            .filter(|line| line.contains(&of_status) && line.contains("subresource=\"status\""));
        Ok(writes(&lines.collect::<Vec<_>>().join("\n")))
    }

    /// How many devices were made.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// Creates the next `count` devices, at high concurrency.
    pub(super) async fn make(&mut self, count: u64) -> Result<()> {
        self.queue(count)?.await?
    }

    /// Begins to.
    pub(super) fn queue(&mut self, count: u64) -> Result<JoinHandle<Result<()>>> {
        let api = self.stage.api("Endpoint")?;
        let numbers = self.made..self.made + count;
        self.made += count;
        Ok(tokio::spawn(async move {
            let (api, params) = (&api, &PostParams::default());
            let made = stream::iter(numbers)
                .map(|n| async move { anyhow::Ok(api.create(params, &manifest(n)?).await.map(drop)?) });
            made.buffer_unordered(AT_ONCE).try_collect().await
        }))
    }

    /// Gives a device another name in its spec.
    pub(super) async fn rename(&self, n: u64, name: &str) -> Result<()> {
        let patch = json!({"spec": {"name": name}});
        let api = self.stage.api("Endpoint")?;
        api.patch(&object_name(n), &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Waits until all devices that were made are Ready. The failure says what is not, and what the operator logged last.
    pub(super) async fn all_ready(&mut self, within: Duration) -> Result<()> {
        let wanted = usize::try_from(self.made)?;
        let operator = self.operator.as_mut().context("the operator does not run")?;
        let ended = tokio::select! {
            ready = self.devices.ready(wanted, within) => ready,
            ended = operator.ended() => ended.and_then(|status| Err(anyhow!("the operator ended with {status}"))),
        };
        ended.with_context(|| self.stage.operator_log_tail())
    }

    /// What the operator uses.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.operator.as_ref().and_then(|operator| Usage::of(operator.pid()))
    }

    /// Shows the operator's memory beside its bar.
    pub(super) fn show_memory(&self, report: &mut Report, when: &str, most: Option<u64>) {
        let usage = self.usage();
        for (what, kib) in [("now", usage.map(|usage| usage.rss)), ("peak", usage.map(|usage| usage.peak))] {
            let value = kib.map_or(Value::NotMeasured("no /proc"), Value::Kib);
            let what = format!("memory {when}, {what} (RSS)");
            match most {
                Some(mib) => report.at_most(what, value, Value::Kib(mib * 1024)),
                None => report.shows(what, value),
            }
        }
    }

    /// Looks at the platform.
    pub(super) fn platform<T>(&self, look: impl FnOnce(&Organisation) -> T) -> T {
        self.stage.simulator().inspect(|state: &State| look(&state.organisations[&ORGANISATION]))
    }

    /// The platform's id of the `n`th device.
    pub(super) fn device(&self, n: u64) -> Option<u64> {
        self.platform(|platform| {
            platform.endpoint_of_sim(*platform.indexes.sim_by_iccid.get(&fleet::iccid(n))?)
        })
    }

    /// Shows that there is one device on the platform for each object.
    pub(super) fn show_duplicates(&self, report: &mut Report, devices: u64) {
        let (all, names, sims) = self.platform(|platform| {
            let rows = || platform.endpoints.values();
            let names: BTreeSet<_> = rows().map(|row| row.name.clone()).collect();
            let sims: BTreeSet<_> = rows().filter_map(|row| row.sim).collect();
            (rows().count(), names.len(), sims.len())
        });
        let value = |number: usize| Value::Count(number as u64);
        report.is("devices on the platform at the end", value(all), Value::Count(devices));
        report.is("devices that share their name with another", value(all - names), Value::Count(0));
        report.is("devices without a SIM of their own", value(all - sims), Value::Count(0));
    }
}

/// The object of the `n`th device.
pub(super) fn object_name(n: u64) -> String {
    format!("meter-{n}")
}

/// Its name on the platform.
pub(super) fn device_name(n: u64) -> String {
    format!("Meter {n}")
}

fn manifest(n: u64) -> Result<DynamicObject> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": object_name(n)},
        "spec": {
            "name": device_name(n), "enabled": true,
            "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"},
            "sim": {"iccid": fleet::iccid(n), "state": "Activated"},
        },
    }))?)
}

/// Writes to our kinds, and of events, in the API server's metrics. Only the operator makes events of that group here.
fn writes(metrics: &str) -> u64 {
    let ours = metrics.lines().filter(|line| {
        line.starts_with("apiserver_request_total{")
            && ["emnify.io", "events.k8s.io"].iter().any(|group| line.contains(&format!("group=\"{group}\"")))
            && ["APPLY", "DELETE", "PATCH", "POST", "PUT"]
                .iter()
                .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    });
    ours.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_writes_to_our_kinds_and_of_events_are_counted() {
        let metrics = r#"# HELP apiserver_request_total Counter
apiserver_request_total{code="200",group="emnify.io",resource="endpoints",subresource="status",verb="PATCH"} 12
apiserver_request_total{code="201",group="emnify.io",resource="endpoints",subresource="",verb="POST"} 3
apiserver_request_total{code="200",group="emnify.io",resource="endpoints",subresource="",verb="LIST"} 99
apiserver_request_total{code="201",group="events.k8s.io",resource="events",subresource="",verb="POST"} 5
apiserver_request_total{code="200",group="",resource="secrets",subresource="",verb="PATCH"} 99
"#;
        assert_eq!(writes(metrics), 20);
    }
}
