//! One page for an installation.

mod live;
mod page;
mod workspace;

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::ListParams};

use self::page::Seen;
use super::{
    cli::StatusArgs,
    cluster::{Cluster, Found},
    printer::Printer,
};

pub(super) async fn run(args: &StatusArgs, cluster: &Cluster, printer: &mut Printer<'_>) -> Result<()> {
    let within = (!args.all_namespaces).then_some(cluster.namespace.as_str());
    if args.watch || args.wait {
        return live::watch(args, cluster, within, printer).await;
    }
    let (mut seen, mut whole) = (Vec::new(), true);
    for family in cluster.families() {
        match cluster.list(family, within).await {
            Ok(objects) => {
                seen.extend(objects.into_iter().map(|object| Seen::of(&Found::of(family, object))));
            }
            // a right that is missing, or a kind that is not installed, is told, and the rest goes on
            Err(error) => {
                whole = false;
                printer.note(&format!("{error:#}"))?;
            }
        }
    }
    let operators = operators(cluster, printer).await?;
    page::print(operators.as_deref(), seen.iter(), whole, Timestamp::now(), printer)
}

/// Operators of the cluster and their versions, where they may be looked for.
async fn operators(cluster: &Cluster, printer: &mut Printer<'_>) -> Result<Option<Vec<String>>> {
    let api: Api<Deployment> = Api::all(cluster.client.clone());
    match api.list(&ListParams::default().labels(page::OPERATORS)).await {
        Ok(found) => Ok(Some(found.iter().map(page::operator).collect())),
        Err(error) => {
            printer.note(&format!("operators cannot be looked for: {error}"))?;
            Ok(None)
        }
    }
}
