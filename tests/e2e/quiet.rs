//! A first `kubectl apply` warns of nothing that sorts itself out, and what is counted is right within seconds.

use anyhow::{Context as _, ensure};
use emnify_harness::stage::{Options, Stage, is_ready};
use emnify_simulator::Seed;
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};

use crate::{
    portal::Traffic,
    support::{Result, delete},
};

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart/");

/// Every Warning event of the namespace, but what the simulated emnify says of devices.
async fn warnings(stage: &Stage) -> Result<Vec<String>> {
    let events: Api<Event> = Api::namespaced(stage.client().clone(), stage.namespace());
    let all = events.list(&ListParams::default()).await?.items;
    let warnings = all.into_iter().filter(|event| event.type_.as_deref() == Some("Warning"));
    let text = |event: Event| {
        let about = event.involved_object;
        let (kind, name) = (about.kind.unwrap_or_default(), about.name.unwrap_or_default());
        let (reason, note) = (event.reason.unwrap_or_default(), event.message.unwrap_or_default());
        format!("{kind} {name}: {reason}: {note}")
    };
    Ok(warnings.map(text).collect())
}

/// What `DEVICES` shows of the Workspace and of both profiles, as kubectl prints it.
async fn devices(stage: &Stage) -> Result<[String; 3]> {
    let column = async |kind: &str, name: &str| -> Result<String> {
        let table = stage.kubectl_ok(&["get", &format!("{kind}.emnify.io"), name]).await?;
        let (head, row) = table.split_once('\n').context("kubectl prints a head and a row")?;
        let at = head.find("DEVICES").with_context(|| format!("{kind} has the column DEVICES: {head}"))?;
        let value = row.get(at..).and_then(|rest| rest.split(' ').next());
        Ok(value.unwrap_or_default().to_owned())
    };
    Ok([
        column("workspace", "default").await?,
        column("serviceprofile", "meters").await?,
        column("tariffprofile", "meters").await?,
    ])
}

/// The first listing of a kind, and one that a create may ask for; were listings to count, each change would add one.
const LISTINGS: usize = 2;

/// All three show so many, and no listing had to tell. How soon, the engine's tests say.
async fn counted(stage: &Stage, since: &Traffic<'_>, wanted: i64) -> Result<()> {
    let wanted = [(); 3].map(|()| wanted.to_string());
    stage.eventually("DEVICES is right", async || Ok(devices(stage).await? == wanted)).await?;
    for path in ["endpoint", "service_profile", "tariff_profile"] {
        let listings = since.listings(&format!("/api/v1/{path}"));
        ensure!(listings <= LISTINGS, "no listing is read for it: {listings} of {path}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_in_the_wrong_order_warns_of_nothing() -> Result<()> {
    let mut options = Options::shared("quiet");
    options.flags.push("--sweep-interval=1h".to_owned());
    options.log += ",emnify_engine::cluster::follow=trace";
    options.simulator.seed = Seed::from_yaml(include_str!("../../crates/harness/src/demo/seed.yaml"))?;
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    let traffic = Traffic::from_now(&stage);
    for file in ["devices", "application-token", "tariff-profile", "service-profile"] {
        let manifest = tokio::fs::read_to_string(format!("{QUICKSTART}{file}.yaml")).await?;
        stage.apply(&manifest).await?;
    }
    stage.apply_workspace("default").await?;
    for n in 1..=5 {
        stage.wait_for("Endpoint", &format!("meter-{n}"), "Ready", is_ready).await?;
    }
    counted(&stage, &traffic, 5).await?;
    delete(&stage, "Endpoint", "meter-5").await?;
    counted(&stage, &traffic, 4).await?;
    let log = stage.operator_log();
    ensure!(log.contains("what it has was counted"), "a Workspace is looked at for it, not some time later");
    let told = warnings(&stage).await?;
    ensure!(told.is_empty(), "what sorts itself out is worth no Warning: {told:#?}");
    Ok(())
}
