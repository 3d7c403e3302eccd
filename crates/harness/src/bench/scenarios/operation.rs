//! A message to each of five thousand devices, with edits beside it, refusals of emnify and another process in between.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use emnify_simulator::Fault;
use serde_json::{Value as Json, from_value, json};
use tokio::time::{Instant, interval, sleep};

use super::arrivals::{Arrivals, percentiles};
use crate::bench::{
    environment::Environment,
    environments::Environments,
    figure::{Value, count, per_second, seconds},
    report::Report,
};

/// Devices that get a message.
const FLEET: u64 = 5_000;
/// Devices that are there as objects, and are edited.
const BOUND: u64 = 50;
const WINDOW: u64 = 50;
const NAME: &str = "apn";
const TAG: u64 = 77;
const FIRST: u64 = 12_000_000;
const BEAT: Duration = Duration::from_secs(1);
/// After a 429 emnify's door is closed for everybody, for some seconds.
const SHUT: Duration = Duration::from_secs(10);
const DEADLINE: Duration = Duration::from_secs(3_600);
const LARGEST: u64 = 64 * 1024;
/// What a process may grow by while it sends the second half.
const GROWTH: u64 = 10;

/// What happens meanwhile, each once the tenth of the devices has its answer.
const TROUBLES: [(u64, Trouble); 4] =
    [(2, Trouble::TooMany), (4, Trouble::OtherProcess), (6, Trouble::TooMany), (8, Trouble::TooMany)];

#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// emnify answers 429.
    TooMany,
    /// The operator ends, and another process takes over.
    OtherProcess,
}

/// What was seen of the operation.
#[derive(Debug, Default)]
struct Seen {
    answered: u64,
    finished: bool,
    status: Json,
    largest: u64,
    /// RSS at half the way, by the process that saw it through.
    half: Option<u64>,
}

pub(super) async fn operation(environments: &Environments, report: &mut Report) -> Result<()> {
    let fleet = environments.site.devices.unwrap_or(FLEET);
    let mut environment = Environment::open(&environments.site, BOUND).await?;
    furnish(&environment, fleet)?;
    environment.stage.apply_workspace("default").await?;
    let guard = json!({"spec": {"guard": {"maxDevices": fleet + BOUND}}}).to_string();
    environment.stage.kubectl_ok(&["patch", "emws", "default", "--type=merge", "--patch", &guard]).await?;
    environment.make(BOUND).await?;
    environment.all_ready(DEADLINE).await?;
    report.note(format!(
        "{BOUND} devices are edited beside it, one a second; in between emnify answers 429 three times, and the operator ends and starts anew once. Edits are made neither then nor in the {} s after a 429",
        SHUT.as_secs()
    ));
    let start = environment.mark().await?;
    let before = environment.status_writes("operations").await?;
    environment.stage.apply(&manifest()).await?;
    let (seen, took) = watch(&mut environment, fleet, start.at).await?;
    let passed = start.at.elapsed();
    report.shows("from the apply to its end", seconds(passed));
    report.shows("devices per second", per_second(usize::try_from(seen.answered)?, passed));
    report.is("devices that it counts as done", done(&seen.status), Value::Count(fleet));
    let once = environment.platform(|platform| {
        let fleet = platform.endpoints.values().filter(|device| device.tag_ids == [TAG]);
        fleet.filter(|device| device.sms.len() == 1).count()
    });
    report.is("devices with exactly one message", count(once), Value::Count(fleet));
    let writes = environment.status_writes("operations").await? - before;
    // one before the first window and the end; a process that takes over cuts and closes what it finds
    let most = fleet.div_ceil(WINDOW) + 5;
    report.at_most(
        format!("writes of its status, in windows of {WINDOW}"),
        Value::Count(writes),
        Value::Count(most),
    );
    report.at_most("bytes of its status at the most", Value::Count(seen.largest), Value::Count(LARGEST));
    let growth = environment.usage().zip(seen.half).map(|(usage, half)| usage.rss.saturating_sub(half));
    let growth = growth.map_or(Value::NotMeasured("no /proc"), Value::Kib);
    report.at_most("memory gained while the second half was sent (RSS)", growth, Value::Kib(GROWTH * 1024));
    environment.show_memory(report, "at the end", None);
    report.shows("edits beside it", count(took.len()));
    percentiles(report, "from the answer to an edit until it arrives", took, Some((99, 0.5)));
    let calls = environment.calls(start);
    report.shows("calls refused as too many (429)", count(calls.throttled()));
    calls.show(report);
    environment.close().await
}

/// The fleet, which nobody manages here.
fn furnish(environment: &Environment, fleet: u64) -> Result<()> {
    let device = |id: u64| {
        from_value(json!({"id": id, "name": format!("fleet-{id}"), "enabled": true, "service_profile": 101,
            "tariff_profile": 201, "tag_ids": [TAG]}))
    };
    let devices: Vec<_> = (FIRST..FIRST + fleet).map(device).collect::<Result<_, _>>()?;
    let tag = from_value(json!({"id": TAG, "name": "fleet"}))?;
    let edited = environment.stage.simulator().edit(|state| {
        let Some(org) = state.organisations.values_mut().next() else { return };
        for device in devices {
            org.endpoints.put(device);
        }
        org.tags.insert(TAG, tag);
    });
    edited.map_err(|error| anyhow!("{error:?}"))
}

fn manifest() -> String {
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Operation", "metadata": {"name": NAME},
        "spec": {"target": {"tag": "fleet"}, "action": {"sendSms": {"payload": "APN=em {name}"}}, "parallelism": WINDOW},
    })
    .to_string()
}

/// Follows it to its end, with edits and troubles.
async fn watch(environment: &mut Environment, fleet: u64, began: Instant) -> Result<(Seen, Vec<Duration>)> {
    let (mut seen, mut edits, mut beat) = (Seen::default(), Arrivals::default(), interval(BEAT));
    let mut troubles = TROUBLES.into_iter().peekable();
    let mut round = 0;
    while !seen.finished {
        ensure!(began.elapsed() < DEADLINE, "it does not end\n{}", environment.stage.operator_log_tail());
        beat.tick().await;
        look(environment, &mut seen).await?;
        match troubles.next_if(|(tenth, _)| seen.answered >= fleet * tenth / 10) {
            Some((_, trouble)) => {
                edits.wait(environment, DEADLINE).await?;
                cause(environment, trouble).await?;
            }
            None if seen.answered > 0 && !seen.finished => {
                edits.rename(environment, round % BOUND, format!("Edited {round}")).await?;
                round += 1;
            }
            None => {}
        }
        if seen.half.is_none() && seen.answered >= fleet / 2 {
            seen.half = environment.usage().map(|usage| usage.rss);
        }
        let until = Instant::now() + BEAT;
        while Instant::now() < until {
            edits.look(environment);
            sleep(Duration::from_millis(20)).await;
        }
    }
    edits.wait(environment, DEADLINE).await?;
    Ok((seen, edits.took))
}

async fn look(environment: &Environment, seen: &mut Seen) -> Result<()> {
    let object = environment.stage.get("Operation", NAME).await?.context("it is there")?;
    seen.status = object["status"].clone();
    let counts = &seen.status["targets"];
    let number = |key: &str| counts[key].as_u64().unwrap_or_default();
    seen.answered = number("succeeded") + number("failed") + number("unknown") + number("skipped");
    seen.finished = !seen.status["finishedAt"].is_null();
    seen.largest = seen.largest.max(seen.status.to_string().len() as u64);
    Ok(())
}

async fn cause(environment: &mut Environment, trouble: Trouble) -> Result<()> {
    match trouble {
        Trouble::TooMany => {
            let too_many = Fault {
                method: Some("POST".to_owned()),
                route: Some("/api/v1/endpoint/{endpoint_id}/sms".to_owned()),
                times: Some(1),
                status: Some(429),
                ..Fault::default()
            };
            environment.stage.simulator().fault(too_many).map_err(anyhow::Error::msg)?;
            sleep(SHUT).await;
        }
        Trouble::OtherProcess => {
            environment.stop_operator().await?;
            environment.start_operator()?;
            environment.operator()?.ready().await?;
            // what was under way is looked for, and what is there is listed
            sleep(SHUT).await;
        }
    }
    Ok(())
}

fn done(status: &Json) -> Value {
    Value::Count(status["targets"]["succeeded"].as_u64().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use emnify_operator::check::{Checker, Report};

    use super::*;

    #[test]
    fn the_operation_is_valid() {
        let mut report = Report::default();
        Checker::own().file("operation", &manifest(), &mut report);
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty() && report.objects == 1, "the API server would refuse it: {findings:#?}");
    }
}
