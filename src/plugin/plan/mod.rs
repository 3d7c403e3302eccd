//! `kubectl emnify plan`: what applying manifests would do, decided by the engine itself, on a copy of the live organisation.

mod files;
mod kinds;
pub mod page;
mod prune;
mod running;
mod scene;
mod text;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow, bail};
use emnify_rehearsal::{Fetch, Live, Once, Outcome, Reader, Scene, rehearse};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::{Builder, Handle};

pub use self::prune::{Marked, marked};
use self::{
    kinds::Sort,
    page::Plan,
    prune::Pruning,
    scene::{Props, Stage},
};
use super::{
    cli::{Ending, Format, Place, PlanArgs},
    cluster::Cluster,
    emnify::Emnify,
    printer::Printer,
};
use crate::{check::Manifest, kinds::register};

/// Manifests, and where they would be applied.
#[derive(Debug)]
pub struct Order {
    /// What is applied.
    pub manifests: Vec<Manifest>,
    /// Namespace of what names none.
    pub namespace: String,
    /// Name of the installation, for marks.
    pub installation: String,
    /// Objects that run in the cluster, with their status.
    pub running: Vec<Value>,
    /// Kind and name of the workspace whose token reads, if it is one's.
    pub reads: Option<(&'static str, String)>,
    /// What carries the mark of an operator, where what is in no manifest is deleted.
    pub marked: Option<Vec<Marked>>,
    /// When.
    pub now: Timestamp,
}

/// What would happen. It needs a clock that jumps.
///
/// # Errors
/// Nothing can be rehearsed.
pub async fn plan(order: &Order, reader: &Reader) -> Result<(Plan, Outcome)> {
    let sorts = kinds::sorts();
    let stage = Stage::of(&Props {
        manifests: &order.manifests,
        running: &order.running,
        sorts: &sorts,
        namespace: &order.namespace,
        prune: order.marked.is_some(),
        organisation: reader.identity.organisation_id.to_string(),
        reads: order.reads.as_ref().map(|(kind, name)| (*kind, name.as_str())),
        now: order.now,
    });
    let live: Arc<dyn Live> = Arc::new(Once::of(reader.live.clone()));
    let reader = Reader { live, ..reader.clone() };
    let play = async |objects: Vec<(String, Value)>| {
        let scene = Scene {
            objects,
            beside: stage.beside.clone(),
            workspaces: stage.workspaces.clone().into_iter().collect(),
            person: stage.person,
            installation: order.installation.clone(),
            now: order.now,
        };
        rehearse(scene, &reader, register).await.context("the organisation cannot be copied")
    };
    let (mut outcome, mut notes) = (play(stage.objects.clone()).await?, stage.notes.clone());
    if let Some(marked) = &order.marked {
        let gone = gone(marked, (order, &reader, &stage), (&outcome, &sorts), &mut notes);
        if !gone.is_empty() {
            outcome = play(stage.objects.iter().cloned().chain(gone).collect()).await?;
        }
    }
    let organisation = format!("{} ({})", reader.identity.organisation_name, reader.identity.organisation_id);
    Ok((Plan::of(&outcome, &sorts, organisation, notes), outcome))
}

/// What is marked, and neither in a manifest nor bound to an object of one.
fn gone(
    marked: &[Marked],
    (order, reader, stage): (&Order, &Reader, &Stage),
    (outcome, sorts): (&Outcome, &[Sort]),
    notes: &mut BTreeSet<String>,
) -> Vec<(String, Value)> {
    let ours = order.manifests.iter().filter(|manifest| manifest.ours).map(|manifest| &manifest.object);
    let named: HashSet<_> =
        ours.chain(&order.running).filter_map(|object| scene::named(object, &order.namespace)).collect();
    // also what is deleted, which had its id before
    let bound = |played: &emnify_rehearsal::Played| {
        let id = |object: &Value| object["status"]["id"].as_str().map(str::to_owned);
        let kind = played.before["kind"].as_str()?;
        Some((kind.to_owned(), played.after.as_ref().and_then(id).or_else(|| id(&played.before))?))
    };
    let pruning = Pruning {
        installation: &order.installation,
        namespaces: &named.iter().map(|(_, namespace, _)| namespace.clone()).collect(),
        named: &named,
        workspaces: stage.workspaces.keys().collect(),
        bound: &outcome.objects.iter().filter_map(bound).collect(),
        organisation: reader.identity.organisation_id.to_string(),
    };
    prune::gone(marked, &pruning, (sorts, order.now), notes)
}

/// Reads in the runtime that the program runs in, while the rehearsal's own clock stands still.
struct Beside {
    live: Arc<dyn Live>,
    runtime: Handle,
}

impl Live for Beside {
    fn fetch(&self, what: Fetch) -> BoxFuture<'static, Result<http::Response<bytes::Bytes>, emnify::Error>> {
        let (live, runtime) = (self.live.clone(), self.runtime.clone());
        // a paused clock does not jump while something blocks
        let reading = tokio::task::spawn_blocking(move || runtime.block_on(live.fetch(what)));
        async move { reading.await.expect("reading does not panic") }.boxed()
    }
}

/// The same from a program whose clock goes on.
async fn jumping(order: Order, reader: Reader) -> Result<Plan> {
    let runtime = Handle::current();
    let (done, answer) = tokio::sync::oneshot::channel();
    let thread =
        std::thread::Builder::new().name("rehearsal".into()).stack_size(8 << 20).spawn(move || {
            let reader = Reader { live: Arc::new(Beside { live: reader.live.clone(), runtime }), ..reader };
            let built = Builder::new_current_thread().enable_all().start_paused(true).build();
            let planned =
                built.map_err(anyhow::Error::from).and_then(|own| own.block_on(plan(&order, &reader)));
            // whoever asked has gone
            let _gone = done.send(planned.map(|(plan, _)| plan));
        })?;
    let planned = answer.await.map_err(|_| anyhow!("the rehearsal ended without a plan"))?;
    thread.join().map_err(|_| anyhow!("the rehearsal ended without a plan"))?;
    planned
}

pub(super) async fn run(args: &PlanArgs, place: &Place, printer: &mut Printer<'_>) -> Result<Ending> {
    let manifests = files::read(&args.filename, printer)?;
    let Some(installation) = args.installation.clone() else {
        bail!("--installation is needed: the name that the operator of these manifests has");
    };
    let emnify = Emnify::connect(&args.read, place).await?;
    let reader = emnify.reader().await?;
    let mut notes = BTreeSet::new();
    let pruned = if args.prune { Some(marked(emnify.api(), &mut notes).await) } else { None };
    let (mut namespace, mut running) =
        (place.namespace.clone().unwrap_or_else(|| "default".to_owned()), vec![]);
    if args.cluster {
        let cluster = Cluster::connect(place).await?;
        namespace.clone_from(&cluster.namespace);
        let named = manifests.iter().filter_map(|manifest| scene::named(&manifest.object, &namespace));
        running = running::running(&cluster, &named.map(|(_, namespace, _)| namespace).collect()).await?;
    }
    for note in notes {
        printer.note(&note)?;
    }
    let reads = emnify.workspace.clone();
    let order =
        Order { manifests, namespace, installation, running, reads, marked: pruned, now: Timestamp::now() };
    let plan = jumping(order, reader).await?;
    show(&plan, args.markdown, printer)?;
    Ok(match (plan.fails(), plan.changes()) {
        (true, _) => Ending::Problems,
        (false, true) => Ending::Differs,
        (false, false) => Ending::Done,
    })
}

fn show(plan: &Plan, markdown: bool, printer: &mut Printer<'_>) -> Result<()> {
    if markdown {
        for line in plan.markdown().lines() {
            printer.line(line)?;
        }
        return Ok(());
    }
    match printer.format {
        Format::Table | Format::Wide => {
            for line in plan.text().lines() {
                printer.line(line)?;
            }
        }
        Format::Json => {
            for line in serde_json::to_string_pretty(plan)?.lines() {
                printer.line(line)?;
            }
        }
        Format::Yaml => printer.page(&serde_json::to_value(plan)?)?,
        Format::Name => {
            for entry in &plan.objects {
                printer.line(&format!("{}/{}", entry.kind.to_lowercase(), entry.name))?;
            }
        }
    }
    Ok(())
}
