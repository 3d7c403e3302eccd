//! The same as `drift`, with a data stream that tells the operator what happens as it happens.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use kube::{api::PostParams, core::DynamicObject};
use rand::{Rng as _, seq::SliceRandom as _};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    arrivals::percentiles,
    drift::{DEADLINE, EDITS, FIRST, Watched, wait},
};
use crate::{
    bench::{
        environment::{Environment, device_name},
        environments::Environments,
        figure::{Value, count},
        portal::PortalClient,
        report::Report,
    },
    stage::{PUSH_RECEIVER, is_ready},
};

/// Average time between two edits.
const BEAT: Duration = Duration::from_secs(3);
/// What the operator reads at its start is read by then.
const SETTLE: Duration = Duration::from_secs(60);
const HEADER: &str = "x-push-secret";
const SECRET: &str = "pushed-by-the-bench";

pub(super) async fn push(environments: &mut Environments, report: &mut Report) -> Result<()> {
    let quick = environments.site.quick;
    let edits = if quick { EDITS / 5 } else { EDITS };
    let environment = environments.settled(report).await?;
    stream(environment).await?;
    report.note("the operator was started anew with --push-addr, and a DataStream sends events there");
    sleep(if quick { SETTLE / 6 } else { SETTLE }).await;
    let portal = PortalClient::open(environment.stage.simulator()).await?;
    let start = environment.mark().await?;
    let mut numbers: Vec<u64> = (FIRST.min(environment.made() / 2)..environment.made()).collect();
    numbers.shuffle(&mut rand::rng());
    let (mut switched, mut none) = (Watched::default(), Watched::default());
    for n in numbers.into_iter().take(edits) {
        let id = environment.device(n).context("the device is on the platform")?;
        portal.patch(id, &json!({"status": {"id": 1}})).await?;
        switched.stray(environment, id, device_name(n));
        let until = Instant::now() + BEAT.mul_f64(rand::rng().random_range(0.0..2.0));
        while Instant::now() < until {
            switched.look(environment);
            sleep(Duration::from_millis(20)).await;
        }
    }
    let corrected = wait(environment, &mut switched, &mut none).await;
    report.shows("devices switched off at the portal", count(edits));
    report.is("of them corrected", count(switched.took.len()), Value::Count(edits as u64));
    percentiles(report, "from the edit to corrected", switched.took, Some((50, 2.0)));
    let calls = environment.calls(start);
    report.shows("emnify calls meanwhile", count(calls.len()));
    calls.show(report);
    environment.show_duplicates(report, environment.made());
    corrected
}

/// Starts the operator anew with a receiver, and makes a stream that sends there.
async fn stream(environment: &mut Environment) -> Result<()> {
    let file = environment.stage.operator_log_file().with_file_name("push-secret");
    fs::write(&file, SECRET)?;
    environment.stop_operator().await?;
    environment.start_operator_with([
        "--push-addr=127.0.0.1:0".to_owned(),
        format!("--push-secret-file={}", file.display()),
        format!("--push-header={HEADER}"),
    ])?;
    environment.operator()?.ready().await?;
    let port = environment.operator()?.listens_at(PUSH_RECEIVER).context("the push receiver listens")?.port();
    let webhook = json!({
        "url": format!("http://127.0.0.1:{port}/push"), "batchSize": 100,
        "headers": [{"name": HEADER, "value": SECRET}],
    });
    let stream: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "DataStream", "metadata": {"name": "operator"},
        "spec": {"type": "Events", "destination": {"webhook": webhook}},
    }))?;
    let api = environment.stage.api("DataStream")?;
    api.create(&PostParams::default(), &stream).await?;
    let end = Instant::now() + DEADLINE;
    while !is_ready(&serde_json::to_value(api.get("operator").await?)?) {
        ensure!(Instant::now() < end, "the data stream never ran\n{}", environment.stage.operator_log_tail());
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
