//! `OperationTrigger`: every row of "what leads to what" in the book, and what a restart makes of it.

use anyhow::Context as _;
use emnify_harness::stage::{Stage, is_ready};
use emnify_simulator::{
    Seed, Signal,
    state::{Draft, Organisation},
};
use serde_json::{Value, json};

use crate::support::{Result, holds, look, options};

const KIND: &str = "OperationTrigger";
/// Devices that nobody here manages, before the second organisation of the seed.
const METERS: &str = "    endpoints:
      - {id: 11000001, name: meter, enabled: true, service_profile: 101, tariff_profile: 201, sim: 10000003}
      - {id: 11000002, name: other, enabled: true, service_profile: 101, tariff_profile: 201, sim: 10000001}
  - id: 1002
";
const METER: u64 = 11_000_001;
const OTHER: u64 = 11_000_002;

async fn stage(name: &str) -> Result<Stage> {
    let mut options = options(name)?;
    let seed = include_str!("seed.yaml").replacen("  - id: 1002\n", METERS, 1);
    options.simulator.seed = Seed::from_yaml(&seed)?;
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    Ok(stage)
}

/// Sends a message that says which trigger it was.
fn says(name: &str) -> Value {
    json!({"sendSms": {"payload": name}})
}

async fn apply(stage: &Stage, name: &str, spec: Value) -> Result<()> {
    let object =
        json!({"apiVersion": "emnify.io/v1alpha1", "kind": KIND, "metadata": {"name": name}, "spec": spec});
    stage.apply(&object.to_string()).await.map(drop)
}

/// Listens for these types of events.
async fn listen(stage: &Stage, name: &str, types: &[&str], action: Value) -> Result<()> {
    apply(
        stage,
        name,
        json!({"when": {"event": {"types": types}}, "operation": {"spec": {"action": action}}}),
    )
    .await
}

fn emit(stage: &Stage, kind: u64, device: u64) -> Result<()> {
    let now = stage.simulator().now();
    let edited = stage.simulator().edit(|state| {
        let (organisation, next) = state.split(1001);
        organisation.emit(next, now, Draft::new(kind).endpoint(device));
    });
    edited.map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// How many messages of this text a device has.
fn messages(device: u64, text: &str) -> impl Fn(&Organisation) -> usize {
    move |platform| platform.endpoints[&device].sms.values().filter(|sms| sms.payload == text).count()
}

async fn fired(stage: &Stage, name: &str, times: i64) -> Result<Value> {
    let enough = |object: &Value| object["status"]["fired"].as_i64().is_some_and(|fired| fired >= times);
    stage.wait_for(KIND, name, "fired", enough).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_emnify_tells_leads_to_operations() -> Result<()> {
    let stage = stage("triggers").await?;
    let rows: [(&str, &[&str], u64); 6] = [
        ("any", &["Purge location", "Purge GPRS location"], 15),
        ("enabled", &["Endpoint enabled", "SIM activation"], 42),
        ("disabled", &["Endpoint disabled", "SIM suspension"], 43),
        ("limit", &["Endpoint blocked", "Endpoint data traffic limit warning"], 11),
        ("quota", &["Quota used up", "SMS quota used up"], 19),
        ("threshold", &["Quota threshold reached"], 18),
    ];
    for (name, types, _) in rows {
        listen(&stage, name, types, says(name)).await?;
    }
    listen(&stage, "switch", &["45"], json!({"setState": {"enabled": false}})).await?;
    listen(&stage, "leave", &["Update location"], json!({"blockCurrentOperator": {}})).await?;
    for (name, ..) in rows.iter().copied().chain([("switch", [].as_slice(), 0), ("leave", &[], 0)]) {
        stage.wait_for(KIND, name, "Ready", is_ready).await?;
    }
    for (_, _, kind) in rows {
        emit(&stage, kind, METER)?;
    }
    emit(&stage, 45, OTHER)?;
    stage.simulator().device(METER, Signal::Attach).map_err(anyhow::Error::msg)?;
    for (name, ..) in rows {
        holds(&stage, "what is told leads to one message", messages(METER, name), 1).await?;
    }
    holds(&stage, "the device is switched off", |platform| platform.endpoints[&OTHER].enabled, false).await?;
    let forbidden = |platform: &Organisation| platform.endpoints[&METER].operator_blacklist.len();
    holds(&stage, "the device leaves the network", forbidden, 1).await?;
    fired(&stage, "quota", 1).await?;
    let shown = stage.kubectl_ok(&["get", "emtrig", "quota"]).await?;
    let row: Vec<_> = shown.lines().last().unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..2], ["quota", "Quota"], "{shown}");
    assert!(row.contains(&"sendSms"), "{shown}");
    let made = stage.kubectl_ok(&["get", "emop", "-l", "emnify.io/trigger=quota", "-o", "name"]).await?;
    assert_eq!(made.lines().count(), 1, "{made}");
    stage.kubectl_ok(&["delete", "emtrig", "quota"]).await?;
    let operation = made.trim().split_once('/').context("a name has its kind before it")?.1.to_owned();
    stage.wait_gone("Operation", &operation).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_comes_leads_to_an_operation() -> Result<()> {
    let stage = stage("schedules").await?;
    let target = json!({"endpoints": [{"id": METER.to_string()}]});
    let spec = json!({
        "when": {"schedule": {"cron": "* * * * *", "timeZone": "Europe/Berlin"}},
        "operation": {"metadata": {"labels": {"by": "rule"}}, "spec": {"target": target, "action": says("minute")}},
    });
    apply(&stage, "minutely", spec).await?;
    let object = fired(&stage, "minutely", 1).await?;
    holds(&stage, "a time leads to a message", |platform| messages(METER, "minute")(platform) > 0, true)
        .await?;
    let name = object["status"]["lastOperation"].as_str().context("it names what it made")?;
    stage
        .kubectl_ok(&["wait", "--for=condition=Complete", &format!("emop/{name}"), "--timeout=120s"])
        .await?;
    let labelled =
        stage.kubectl_ok(&["get", "emop", "-l", "by=rule,emnify.io/trigger=minutely", "-o", "name"]).await?;
    assert!(labelled.contains(name), "{labelled}");
    let wrong = json!({"when": {"schedule": {"cron": "0 25 * * *"}},
        "operation": {"spec": {"target": {"tag": "roof"}, "action": says("never")}}});
    apply(&stage, "wrong", wrong).await?;
    let stalled = |object: &Value| {
        object["status"]["conditions"].to_string().contains("hour: 25 is not between 0 and 23")
    };
    stage.wait_for(KIND, "wrong", "said to be wrong", stalled).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_gets_its_apn_once_and_a_crash_loses_and_doubles_nothing() -> Result<()> {
    let mut stage = stage("once").await?;
    let event = json!({"types": ["Update GPRS location", "Update location"]});
    let spec =
        json!({"when": {"event": event}, "once": true, "operation": {"spec": {"action": says("APN=em")}}});
    apply(&stage, "apn", spec).await?;
    listen(&stage, "each", &["SIM assigned"], says("each")).await?;
    for name in ["apn", "each"] {
        stage.wait_for(KIND, name, "Ready", is_ready).await?;
    }
    stage.simulator().device(METER, Signal::Attach).map_err(anyhow::Error::msg)?;
    emit(&stage, 51, METER)?;
    for name in ["apn", "each"] {
        fired(&stage, name, 1).await?;
        // a message that is in doubt could not be told from the next one, which says the same
        let over = |object: &Value| object["status"]["running"] == 0;
        stage.wait_for(KIND, name, "done", over).await?;
    }
    holds(&stage, "it is sent", messages(METER, "each"), 1).await?;
    let tagged = |platform: &Organisation| {
        let tags = platform.endpoints[&METER].tag_ids.iter().map(|id| platform.tags[id].name.clone());
        tags.filter(|name| name.starts_with("k8s-once:")).count()
    };
    assert_eq!(look(&stage, tagged), 1, "it had its turn");

    stage.crash_operator().await?;
    emit(&stage, 2, METER)?;
    emit(&stage, 2, OTHER)?;
    emit(&stage, 51, METER)?;
    stage.start_operator()?;
    fired(&stage, "apn", 2).await?;
    fired(&stage, "each", 2).await?;
    for (device, text, times) in [(METER, "APN=em", 1), (OTHER, "APN=em", 1), (METER, "each", 2)] {
        holds(&stage, "each has what it is due", messages(device, text), times).await?;
    }
    stage.simulator().device(METER, Signal::Travel).map_err(anyhow::Error::msg)?;
    emit(&stage, 51, OTHER)?;
    fired(&stage, "each", 3).await?;
    let counts = look(&stage, |platform| {
        (
            messages(METER, "APN=em")(platform),
            messages(OTHER, "APN=em")(platform),
            messages(METER, "each")(platform),
        )
    });
    assert_eq!(counts, (1, 1, 2), "nothing is sent twice");
    let refused = json!({"apiVersion": "emnify.io/v1alpha1", "kind": "Tag", "metadata": {"name": "once"},
        "spec": {"name": "k8s-once:default/ns/apn"}});
    let refused = stage.kubectl_with(&["apply", "-f", "-"], &refused.to_string()).await?;
    assert!(refused.stderr.contains("the operator's own"), "{}", refused.stderr);
    Ok(())
}
