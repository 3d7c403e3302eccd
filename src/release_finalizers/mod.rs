//! `release-finalizers`: takes the operator's finalizer off its objects, so that they can be deleted after the operator
//! is gone. emnify is never called.

mod lease;
mod objects;

use std::{collections::BTreeSet, io::Write, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{Client, ResourceExt};

use self::objects::{Metadata, Outcome};
use crate::{
    cluster::{self, Patience},
    definitions::{Family, families},
};

/// What everybody should know before.
const MEANING: &str = "\
Releasing takes the finalizer emnify.io/finalizer off the objects of this operator. emnify is not called: everything that
was made there stays, goes on working and goes on costing, whatever happens to the objects afterwards. An operator that
runs again puts the finalizer back.";

/// Exit code when an operator is still at work.
const REFUSED: u8 = 2;

/// Objects under way at once.
const IN_FLIGHT: usize = 16;

/// Which objects to release.
#[derive(Args, Clone, Debug)]
pub struct ReleaseArgs {
    /// Namespaces to release, separated by commas. Default: all, and cluster workspaces too.
    #[arg(long, env = "EMNIFY_OPERATOR_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE,..")]
    pub namespaces: Vec<String>,
    /// Do it. Without this flag the objects are only listed, and the exit code is 1 if there are any.
    #[arg(long)]
    pub yes: bool,
    /// Do it although an operator holds its lease; it will put the finalizers back.
    #[arg(long)]
    pub force: bool,
    /// Namespace of the operator's lease.
    #[arg(
        long,
        env = "EMNIFY_OPERATOR_NAMESPACE",
        default_value = "emnify-system",
        value_name = "NAMESPACE"
    )]
    pub operator_namespace: String,
    /// Name of that lease. Leases of shards, whose names begin with it, count too.
    #[arg(long, env = "EMNIFY_OPERATOR_LEASE_NAME", default_value = "emnify-operator", value_name = "NAME")]
    pub lease_name: String,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    released: usize,
    held: usize,
    failed: usize,
}

impl Tally {
    /// 0 only if nothing holds an object any more.
    fn code(self) -> ExitCode {
        if self.held + self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn summary(self) -> String {
        let Self { released, held, failed } = self;
        let repeat = if held > 0 { "; repeat with --yes to release them" } else { "" };
        format!("objects released: {released}, still held: {held}, failed: {failed}{repeat}")
    }
}

impl ReleaseArgs {
    /// Writes one line per object to `out`; what it means and a summary to `notes`. The exit code is 0 if nothing is held
    /// any more, 1 if something is, 2 if an operator is at work.
    #[tokio::main(flavor = "current_thread")]
    pub async fn run(&self, out: &mut impl Write, notes: &mut impl Write) -> Result<ExitCode> {
        let (client, _) = cluster::bounded(cluster::connect().await?, Patience::default());
        self.run_on(&client, out, notes).await
    }

    async fn run_on(
        &self,
        client: &Client,
        out: &mut impl Write,
        notes: &mut impl Write,
    ) -> Result<ExitCode> {
        writeln!(notes, "{MEANING}")?;
        let leases = lease::read(client, &self.operator_namespace, &self.lease_name).await?;
        if let Some(holder) = lease::at_work(&leases, &self.lease_name, Timestamp::now()) {
            writeln!(
                notes,
                "An operator is at work: {holder}. It would put the finalizers back. Stop it first: kubectl --namespace \
                 {} scale deployment --selector app.kubernetes.io/name=emnify-operator --replicas=0",
                self.operator_namespace
            )?;
            if self.yes && !self.force {
                writeln!(notes, "Nothing was released; --force releases all the same.")?;
                return Ok(ExitCode::from(REFUSED));
            }
        }
        let mut tally = Tally::default();
        for place in self.places() {
            self.release_all(client, &place, &mut tally, (out, notes)).await?;
        }
        writeln!(notes, "{}", tally.summary())?;
        Ok(tally.code())
    }

    /// Every kind, everywhere or in each namespace.
    fn places(&self) -> Vec<(Family, Option<String>)> {
        let typed = self.namespaces.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let names: BTreeSet<String> = typed.map(str::to_owned).collect();
        let families = families();
        if names.is_empty() {
            return families.into_iter().map(|family| (family, None)).collect();
        }
        let within = families.into_iter().filter(|family| family.namespaced);
        within.flat_map(|family| names.iter().map(move |name| (family.clone(), Some(name.clone())))).collect()
    }

    async fn release_all(
        &self,
        client: &Client,
        (family, namespace): &(Family, Option<String>),
        tally: &mut Tally,
        (out, notes): (&mut impl Write, &mut impl Write),
    ) -> Result<()> {
        let held = objects::held(client, family, namespace.as_deref()).await;
        let held = held.with_context(|| format!("{} cannot be listed", family.resource.plural))?;
        let yes = self.yes;
        let mut results = stream::iter(held)
            .map(|object| async move {
                let outcome =
                    if yes { objects::release(client, family, &object).await } else { Ok(Outcome::Held) };
                (object, outcome)
            })
            .buffer_unordered(IN_FLIGHT);
        while let Some((object, outcome)) = results.next().await {
            let name = label(family, &object);
            match outcome {
                Ok(Outcome::Released) => {
                    tally.released += 1;
                    writeln!(out, "{name} released")?;
                }
                Ok(Outcome::Held) => {
                    tally.held += 1;
                    writeln!(out, "{name} held")?;
                }
                // somebody else was faster
                Ok(Outcome::Gone) => {}
                Err(error) => {
                    tally.failed += 1;
                    writeln!(notes, "{name} not released: {error}")?;
                }
            }
        }
        Ok(())
    }
}

/// As kubectl names objects; the namespace goes last.
fn label(family: &Family, object: &Metadata) -> String {
    let within = object.namespace().map(|namespace| format!(" in {namespace}")).unwrap_or_default();
    format!("{}.{}/{}{within}", family.resource.plural, family.resource.group, object.name_any())
}

#[cfg(test)]
mod tests;
