//! Processes that can be told apart.

use anyhow::{Context as _, Result, ensure};
use emnify_harness::stage::{Launch, Process, Stage};
use emnify_simulator::Entry;

/// How long a lease lasts.
pub(super) type Terms = [&'static str; 3];

/// Short enough to wait for, long enough for a machine that builds something else meanwhile.
pub(super) const SHORT: Terms = ["--lease-duration=15s", "--renew-deadline=10s", "--retry-period=500ms"];

/// Where nobody should wait for its end: no lease is lost on a busy machine.
pub(super) const LONG: Terms = ["--lease-duration=60s", "--renew-deadline=45s", "--retry-period=500ms"];

/// One process.
pub(super) struct Replica {
    pub(super) process: Process,
    /// How it calls itself towards emnify and in the lease.
    tag: String,
}

impl Replica {
    /// Starts one with more flags and waits until it is ready, leading or not.
    pub(super) async fn start(stage: &Stage, name: &str, terms: Terms, flags: &[&str]) -> Result<Self> {
        let launch = Launch::on(stage, env!("CARGO_BIN_EXE_emnify-operator"))?;
        let all = terms.iter().chain(&["--log-format=json"]).chain(flags).copied();
        let mut process = launch.with(all).logging_as(name).start()?;
        process.ready().await?;
        let log = process.log();
        let found = log.lines().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(line["identity"].as_str()?.rsplit_once('_')?.1.to_owned())
        });
        Ok(Self { process, tag: found.context("the log says who the process is")? })
    }

    /// Whether its metrics say that it leads.
    pub(super) async fn leads(&self) -> Result<bool> {
        leads(&self.process).await
    }

    /// Waits until they do.
    pub(super) async fn takes_over(&mut self) -> Result<()> {
        self.process.until("leads", leads).await
    }

    /// Requests that came from it after the one of that number.
    pub(super) fn calls(&self, stage: &Stage, after: u64) -> Vec<Entry> {
        let mut calls = stage.simulator().requests_after(after);
        calls.retain(|call| call.agent.contains(&format!("; {})", self.tag)));
        calls
    }

    /// Whether it wrote to a path that starts so.
    pub(super) fn wrote(&self, stage: &Stage, after: u64, method: &str, path: &str) -> bool {
        self.calls(stage, after).iter().any(|call| call.method == method && call.path.starts_with(path))
    }

    /// Whether the lease names it.
    pub(super) fn is(&self, holder: &str) -> bool {
        holder.ends_with(&self.tag)
    }

    /// Ends it without warning.
    pub(super) async fn kill(self) -> Result<()> {
        self.process.kill().await
    }
}

async fn leads(process: &Process) -> Result<bool> {
    let (_, metrics) = process.get("/metrics").await?;
    // with a shard it has a label
    let line = metrics.lines().find(|line| line.starts_with("emnify_leader{"));
    let (_, value) = line.and_then(|line| line.rsplit_once(' ')).context("a metric says who leads")?;
    Ok(value.parse::<f64>()? > 0.5)
}

/// Two replicas: the one that leads, and the one that stands by.
pub(super) async fn pair(stage: &Stage, terms: Terms) -> Result<(Replica, Replica)> {
    let mut first = Replica::start(stage, "a", terms, &[]).await?;
    first.takes_over().await?;
    let second = Replica::start(stage, "b", terms, &[]).await?;
    Ok((first, second))
}

/// Who holds a Lease of the stage's namespace.
pub(super) async fn holder(stage: &Stage, lease: &str) -> Result<String> {
    stage.kubectl_ok(&["get", "lease", lease, "-o", "jsonpath={.spec.holderIdentity}"]).await
}

/// Renames a device in its spec.
pub(super) async fn rename(stage: &Stage, object: &str, name: &str) -> Result<()> {
    let patch = serde_json::json!({"spec": {"name": name}}).to_string();
    stage.kubectl_ok(&["patch", "emep", object, "--type=merge", "-p", &patch]).await?;
    Ok(())
}

/// Devices of an organisation by name, sorted: twice the same name is a duplicate.
pub(super) fn devices(stage: &Stage, organisation: u64) -> Vec<String> {
    stage.simulator().inspect(|state| {
        let rows = state.organisations[&organisation].endpoints.values();
        let mut names: Vec<_> = rows.map(|row| row.name.clone()).collect();
        names.sort();
        names
    })
}

/// Waits until the devices of an organisation are these.
pub(super) async fn devices_are(stage: &Stage, organisation: u64, names: &[&str]) -> Result<()> {
    let rule = format!("the devices of organisation {organisation} are {names:?}");
    stage.eventually(&rule, async || Ok(devices(stage, organisation) == names)).await?;
    ensure!(devices(stage, organisation) == names, "{rule}");
    Ok(())
}
