//! One object for a hundred thousand devices.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use emnify_simulator::fleet::iccid;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use crate::{
    bench::{
        environment::Environment,
        environments::Environments,
        figure::{Value, count, seconds},
        report::Report,
    },
    stage::is_ready,
};

const DEVICES: u64 = 100_000;
const NAME: &str = "fleet";
const DEADLINE: Duration = Duration::from_secs(3_600);
const POLL: Duration = Duration::from_millis(500);
/// Between two words about how far it is.
const PROGRESS: Duration = Duration::from_secs(30);

pub(super) async fn fleet(environments: &Environments, report: &mut Report) -> Result<()> {
    let devices = environments.site.devices.unwrap_or(DEVICES);
    let mut environment = Environment::open(&environments.site, devices).await?;
    let start = environment.mark().await?;
    environment.stage.apply_workspace("default").await?;
    environment.stage.apply(&manifest(devices)).await?;
    let ready = ready(&mut environment).await;
    let (passed, calls) = (start.at.elapsed(), environment.calls(start));
    calls.show_against(report, "emnify calls, login and first sweeps included", 300);
    report.is("calls refused as too many (429)", count(calls.throttled()), Value::Count(0));
    report.shows("from the apply to Ready", seconds(passed));
    environment.show_memory(report, "when it is Ready", Some(250));
    ready?;
    let writes = environment.kubernetes_writes_since(start, 2).await?;
    report.shows("Kubernetes writes of the operator", Value::Count(writes));
    environment.show_duplicates(report, devices);
    environment.close().await
}

fn manifest(devices: u64) -> String {
    let range = json!({"from": iccid(0), "to": iccid(devices - 1)});
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "EndpointSet", "metadata": {"name": NAME},
        "spec": {
            "template": {
                "enabled": true, "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"},
                "sim": {"state": "Activated"},
            },
            "nameTemplate": "Meter {iccid:last8}",
            "sims": {"selector": {"iccidRanges": [range]}},
        },
    })
    .to_string()
}

/// Waits until the set is Ready. The failure holds its status and the end of the operator's log.
async fn ready(environment: &mut Environment) -> Result<()> {
    let began = Instant::now();
    let mut told = began;
    loop {
        if let Some(status) = environment.operator()?.has_ended()? {
            bail!("the operator ended with {status}\n{}", environment.stage.operator_log_tail());
        }
        let object = environment.stage.get("EndpointSet", NAME).await?.unwrap_or_default();
        if is_ready(&object) {
            return Ok(());
        }
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            println!("  ... {} after {} s", progress(&object["status"]), began.elapsed().as_secs());
        }
        ensure!(
            began.elapsed() < DEADLINE,
            "the set is not Ready after {} s\n{}",
            DEADLINE.as_secs(),
            environment.stage.evidence("EndpointSet", NAME).await
        );
        sleep(POLL).await;
    }
}

fn progress(status: &Json) -> String {
    let number = |field: &str| status[field].as_i64().unwrap_or_default();
    format!(
        "{} of {} devices are members, {} as wanted",
        number("replicas"),
        number("desiredReplicas"),
        number("readyReplicas")
    )
}

#[cfg(test)]
mod tests {
    use emnify_operator::check::{Checker, Report};

    use super::*;

    #[test]
    fn the_set_is_valid() {
        let mut report = Report::default();
        Checker::own().file("fleet", &manifest(DEVICES), &mut report);
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty() && report.objects == 1, "the API server would refuse it: {findings:#?}");
    }
}
