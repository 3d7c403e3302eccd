//! One page for an installation.

use std::collections::BTreeMap;

use anyhow::Result;
use emnify::Ledger;
use emnify_engine::kind::reason::condition::READY;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::Value;

use super::{
    cli::StatusArgs,
    cluster::{Cluster, Found},
    printer::Printer,
};

/// What is counted over all objects.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Devices by connectivity, those of sets included.
    devices: BTreeMap<String, i64>,
    /// Objects by kind: all, and those that are ready.
    kinds: BTreeMap<String, (usize, usize)>,
    /// Objects that are not ready, by reason, and one of them.
    waiting: BTreeMap<String, (usize, String)>,
}

pub(super) async fn run(args: &StatusArgs, cluster: &Cluster, printer: &mut Printer<'_>) -> Result<()> {
    let within = (!args.all_namespaces).then_some(cluster.namespace.as_str());
    let (mut workspaces, mut tally) = (Vec::new(), Tally::default());
    for family in cluster.families() {
        let workspace = family.resource.kind.ends_with("Workspace");
        match cluster.list(family, within).await {
            Ok(objects) => {
                for found in objects.into_iter().map(|object| Found::of(family, object)) {
                    tally.count(&found);
                    if workspace {
                        workspaces.push(row(&found));
                    }
                }
            }
            // a right that is missing, or a kind that is not installed, is told, and the rest goes on
            Err(error) => printer.note(&format!("{error:#}"))?,
        }
    }
    operators(cluster, printer).await?;
    let heads =
        ["WORKSPACE", "READY", "REASON", "ORGANISATION", "PLAN", "LOGIN UNTIL", "REQUESTS", "LOG READ TO"];
    section("Workspaces", &heads, &workspaces, printer)?;
    section("Devices", &["CONNECTIVITY", "DEVICES"], &tally.devices(), printer)?;
    section("Objects", &["KIND", "READY", "OF"], &tally.kinds(), printer)?;
    if tally.waiting.is_empty() {
        printer.line("")?;
        printer.line("Everything is ready.")?;
        return Ok(());
    }
    section("Not ready", &["REASON", "OBJECTS", "EXPLAINED BY"], &tally.waiting(), printer)
}

fn section(title: &str, heads: &[&str], rows: &[Vec<String>], printer: &mut Printer<'_>) -> Result<()> {
    printer.line("")?;
    printer.line(title)?;
    let heads: Vec<_> = heads.iter().map(|head| (*head).to_owned()).collect();
    printer.table(&heads, rows)?;
    Ok(())
}

/// Operators of the cluster and their versions, where they may be looked for.
async fn operators(cluster: &Cluster, printer: &mut Printer<'_>) -> Result<()> {
    let api: Api<Deployment> = Api::all(cluster.client.clone());
    let ours = ListParams::default().labels("app.kubernetes.io/name=emnify-operator");
    match api.list(&ours).await {
        Ok(found) if found.items.is_empty() => {
            printer.note("No Deployment of the operator is here; it may run elsewhere.")?;
        }
        Ok(found) => {
            for one in found {
                let status = one.status.clone().unwrap_or_default();
                let (ready, of) =
                    (status.ready_replicas.unwrap_or_default(), status.replicas.unwrap_or_default());
                let version = one
                    .labels()
                    .get("app.kubernetes.io/version")
                    .cloned()
                    .unwrap_or_else(|| "unknown".into());
                let (namespace, name) = (one.namespace().unwrap_or_default(), one.name_any());
                printer.line(&format!(
                    "Operator {namespace}/{name}: version {version}, {ready} of {of} ready"
                ))?;
            }
        }
        Err(error) => printer.note(&format!("operators cannot be looked for: {error}"))?,
    }
    printer.line(&format!("This program: version {}", env!("CARGO_PKG_VERSION")))?;
    Ok(())
}

fn row(found: &Found) -> Vec<String> {
    let ready = found.condition(READY);
    let text = |pointer: &str| found.text(pointer).unwrap_or("-").to_owned();
    let number = |pointer: &str| found.object.data.pointer(pointer).and_then(Value::as_u64);
    let requests = number("/status/budget/requests").map_or_else(
        || "-".to_owned(),
        |requests| {
            format!(
                "{requests} ({}%) in {}",
                requests * 100 / Ledger::MONTHLY_LIMIT,
                text("/status/budget/month")
            )
        },
    );
    let organisation = match (text("/status/organisation/name"), text("/status/organisation/id")) {
        (name, id) if id != "-" => format!("{name} ({id})"),
        _ => "-".to_owned(),
    };
    let name = if found.namespace().is_empty() {
        found.typed()
    } else {
        format!("{} in {}", found.typed(), found.namespace())
    };
    let (state, reason) =
        ready.map_or(("Unknown".to_owned(), "-".to_owned()), |ready| (ready.status, ready.reason));
    vec![
        name,
        state,
        reason,
        organisation,
        text("/status/tariffPlan"),
        text("/status/tokenExpiresAt"),
        requests,
        text("/status/events/position"),
    ]
}

impl Tally {
    fn count(&mut self, found: &Found) {
        let kind = &found.family.resource.kind;
        let (all, well) = self.kinds.entry(kind.clone()).or_default();
        *all += 1;
        if found.is_well() {
            *well += 1;
        } else {
            let reason = found.standing().map_or_else(|| "Unknown".to_owned(), |standing| standing.reason);
            let (times, _) = self.waiting.entry(reason).or_insert_with(|| (0, explained(found)));
            *times += 1;
        }
        match kind.as_str() {
            "Endpoint" => {
                let state = found.text("/status/connectivity/state").unwrap_or("Unknown").to_owned();
                *self.devices.entry(state).or_default() += 1;
            }
            "EndpointSet" => {
                let states = found.object.data.pointer("/status/connectivity").and_then(Value::as_object);
                for (state, devices) in states.into_iter().flatten() {
                    *self.devices.entry(state.clone()).or_default() += devices.as_i64().unwrap_or_default();
                }
            }
            _ => {}
        }
    }

    fn devices(&self) -> Vec<Vec<String>> {
        self.devices.iter().map(|(state, devices)| vec![state.clone(), devices.to_string()]).collect()
    }

    fn kinds(&self) -> Vec<Vec<String>> {
        let row = |(kind, (all, well)): (&String, &(usize, usize))| {
            vec![kind.clone(), well.to_string(), all.to_string()]
        };
        self.kinds.iter().map(row).collect()
    }

    /// Those that most wait for first.
    fn waiting(&self) -> Vec<Vec<String>> {
        let mut all: Vec<_> = self.waiting.iter().collect();
        all.sort_by(|(a, (x, _)), (b, (y, _))| y.cmp(x).then(a.cmp(b)));
        all.into_iter()
            .map(|(reason, (times, how))| vec![reason.clone(), times.to_string(), how.clone()])
            .collect()
    }
}

/// The command that says more of an object.
fn explained(found: &Found) -> String {
    let within = found.object.namespace().map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    format!("kubectl emnify explain {}{within}", found.typed())
}
