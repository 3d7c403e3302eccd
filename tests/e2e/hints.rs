//! What emnify says between two listings: devices that changed last, alerts, and pushed records.

use anyhow::{Context as _, bail, ensure};
use emnify_harness::stage::{PUSH_RECEIVER, Stage, condition, is_ready};
use emnify_simulator::{Entry, Fault, Signal, state::Draft};
use http::Method;
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    portal::{PortalClient, Traffic},
    support::{DEVICE, ORGANISATION, Result, edited, holds, id, make_ready, options, says},
};

const METER: (&str, &str) = ("Endpoint", "meter-1");

/// A running operator that lists everything once an hour, and the Workspace `default`.
async fn slow_stage(name: &str, flags: Vec<String>) -> Result<Stage> {
    let mut options = options(name)?;
    options.flags.push("--sweep-interval=1h".to_owned());
    options.flags.extend(flags);
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    Ok(stage)
}

fn of_last_change(entry: &Entry) -> bool {
    entry.path == "/api/v1/endpoint" && entry.query.contains("sort=-last_updated")
}

/// Waits until what changed last has just been read.
async fn just_read(stage: &Stage) -> Result<()> {
    let traffic = Traffic::from_now(stage);
    let what = "what changed last is read again and again";
    stage.eventually(what, async || Ok(traffic.all().iter().any(of_last_change))).await
}

async fn named(stage: &Stage, id: u64, name: &str) -> Result<()> {
    let seen = |platform: &emnify_simulator::state::Organisation| platform.endpoints[&id].name.clone();
    holds(stage, "the managed name is set back", seen, name.to_owned()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_is_corrected_between_two_listings() -> Result<()> {
    let stage = slow_stage("rename", Vec::new()).await?;
    let id = id(&make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?)?;
    just_read(&stage).await?;
    let traffic = Traffic::from_now(&stage);
    let portal = PortalClient::open(&stage).await?;
    portal.patch(&format!("/api/v1/endpoint/{id}"), json!({"name": "renamed"})).await?;
    named(&stage, id, "Meter 1").await?;
    assert_eq!(traffic.listings("/api/v1/endpoint"), 0, "no complete listing was needed");
    let corrections: Vec<_> =
        traffic.writes().into_iter().filter(|write| write.contains("endpoint")).collect();
    assert_eq!(corrections.len(), 2, "the portal's change and ours: {corrections:?}");
    Ok(())
}

/// Events about the object with this reason.
async fn told(stage: &Stage, (kind, name): (&str, &str), reason: &str) -> Result<Vec<Event>> {
    let events: Api<Event> = Api::namespaced(stage.client().clone(), stage.namespace());
    let about = format!("involvedObject.kind={kind},involvedObject.name={name}");
    let all = events.list(&ListParams::default().fields(&about)).await?.items;
    Ok(all.into_iter().filter(|event| event.reason.as_deref() == Some(reason)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_told_once_even_after_a_restart() -> Result<()> {
    let mut stage = slow_stage("alert", Vec::new()).await?;
    let id = id(&make_ready(&stage, "Endpoint", "meter-1", DEVICE).await?)?;
    let signal = |stage: &Stage, signal| stage.simulator().device(id, signal).map_err(anyhow::Error::msg);
    signal(&stage, Signal::Attach)?;
    signal(&stage, Signal::Block)?;
    let blocked = "a traffic limit shows as a Warning on the object";
    stage
        .eventually(blocked, async || Ok(told(&stage, METER, "TrafficLimitReached").await?.len() == 1))
        .await?;
    let event = told(&stage, METER, "TrafficLimitReached").await?.remove(0);
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert!(event.message.is_some_and(|note| note.contains("8988303000000010001")), "it names the SIM");

    stage.stop_operator().await?;
    stage.start_operator()?;
    let again = Traffic::from_now(&stage);
    let read = "the event log is read after the restart";
    let log_read = |entry: &Entry| entry.path == "/api/v1/event";
    stage.eventually(read, async || Ok(again.all().iter().filter(|e| log_read(e)).count() >= 2)).await?;
    assert_eq!(told(&stage, METER, "TrafficLimitReached").await?.len(), 1, "what was told is not told again");
    let first = again.all().into_iter().find(log_read).context("the log was read")?;
    let status = stage.kubectl_ok(&["get", "workspaces.emnify.io", "default", "-o", "json"]).await?;
    let status: Value = serde_json::from_str(&status)?;
    assert!(status["status"]["events"]["position"].is_string(), "the position is kept: {}", status["status"]);
    assert!(first.query.contains("sort=-timestamp"), "newest first: {}", first.query);
    Ok(())
}

/// Sends a delivery as a data stream would; the status of the answer.
async fn push(port: u16, secret: &str, body: &Value) -> Result<u16> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!(
        "POST /push HTTP/1.1\r\nhost: localhost\r\nx-push-secret: {secret}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split(' ').nth(1).context("an answer has a status")?.parse()?)
}

/// A slow stage whose operator takes pushes at a port; the file holds their secret.
async fn push_stage(name: &str) -> Result<(Stage, u16, tempfile::NamedTempFile)> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), "s3cret\n")?;
    let flags = vec![
        "--push-addr=127.0.0.1:0".to_owned(),
        format!("--push-secret-file={}", file.path().display()),
        "--push-header=x-push-secret".to_owned(),
    ];
    let stage = slow_stage(name, flags).await?;
    let port = stage.listens_at(PUSH_RECEIVER).await?.port();
    Ok((stage, port, file))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_makes_a_change_seen_at_once() -> Result<()> {
    let (stage, port, _secret) = push_stage("push").await?;
    let devices = three_devices(&stage).await?;
    let record = |endpoint: u64, organisation: u64| json!({"id": 1, "event_type": {"id": 4711}, "endpoint": {"id": endpoint}, "organisation": {"id": organisation}});
    let strangers = json!([record(devices[0], 7), record(999_999, ORGANISATION), {}]);
    assert_eq!(push(port, "s3cret", &strangers).await?, 204, "what is not ours is accepted and ignored");
    assert_eq!(push(port, "wrong", &record(devices[0], ORGANISATION)).await?, 401);
    assert_eq!(push(port, "s3cret", &json!("text")).await?, 400);

    let portal = PortalClient::open(&stage).await?;
    for (n, id) in (1..).zip(devices) {
        just_read(&stage).await?;
        let traffic = Traffic::from_now(&stage);
        portal.send(Method::PATCH, &format!("/api/v1/endpoint/{id}"), json!({"name": "renamed"})).await?;
        ensure!(push(port, "s3cret", &record(id, ORGANISATION)).await? == 204, "a record is accepted");
        named(&stage, id, &format!("Meter {n}")).await?;
        let asked = before_the_correction(&traffic)?;
        let read = asked.iter().filter(|entry| entry.query.contains(&format!("id%3A{id}")));
        assert!(read.count() >= 1, "the pushed record had the device read");
        if !asked.iter().any(of_last_change) {
            return Ok(());
        }
    }
    bail!("nothing was corrected before what changed last had been read anyway")
}

/// What was asked until a portal's change was set back.
fn before_the_correction(traffic: &Traffic<'_>) -> Result<Vec<Entry>> {
    let mut asked = traffic.all();
    let corrected = asked.iter().rposition(|entry| entry.method == "PATCH").context("it was corrected")?;
    asked.truncate(corrected);
    Ok(asked)
}

/// Devices with the first SIMs of the seed, each of which a test may change in the portal once: what follows a correction
/// of ours is taken for its echo for a while.
async fn three_devices(stage: &Stage) -> Result<Vec<u64>> {
    let mut devices = Vec::new();
    for n in 1..=3 {
        let (object, name, sim) = (format!("meter-{n}"), format!("Meter {n}"), format!("1000{n}\""));
        let device = edited(DEVICE, &[("meter-1", &object), ("Meter 1", &name), ("10001\"", &sim)]);
        devices.push(id(&make_ready(stage, "Endpoint", &object, &device).await?)?);
    }
    Ok(devices)
}

/// A stream to the operator's own receiver.
fn to_the_operator(port: u16) -> String {
    format!(
        r"
apiVersion: emnify.io/v1alpha1
kind: DataStream
metadata:
  name: operator
spec:
  type: Events
  destination:
    webhook:
      url: http://127.0.0.1:{port}/push
      batchSize: 100
      headers:
        - name: X-Push-Secret
          valueFrom:
            name: push
            key: secret
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_a_manifest_has_portal_edits_corrected_before_they_are_looked_for() -> Result<()> {
    let (stage, port, _secret) = push_stage("push-stream").await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "push"}, "stringData": {"secret": "s3cret"},
    });
    stage.apply(&secret.to_string()).await?;
    let devices = three_devices(&stage).await?;
    make_ready(&stage, "DataStream", "operator", &to_the_operator(port)).await?;
    // the event is in the log as well: nobody may find it there
    let unread = Fault { route: Some("/api/v1/event".to_owned()), status: Some(500), ..Fault::default() };
    stage.simulator().fault(unread).map_err(anyhow::Error::msg)?;
    let portal = PortalClient::open(&stage).await?;
    for id in devices {
        just_read(&stage).await?;
        let traffic = Traffic::from_now(&stage);
        portal.patch(&format!("/api/v1/endpoint/{id}"), json!({"status": {"id": 1}})).await?;
        let on = |platform: &emnify_simulator::state::Organisation| platform.endpoints[&id].enabled;
        holds(&stage, "a device that was switched off is switched on again", on, true).await?;
        // how fast it is, the benchmark measures
        if !before_the_correction(&traffic)?.iter().any(of_last_change) {
            return Ok(());
        }
    }
    bail!("nothing was corrected before what changed last had been read anyway")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_organisation_is_told_on_its_workspace() -> Result<()> {
    let stage = slow_stage("org-blocked", Vec::new()).await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    let now = stage.simulator().now();
    let draft = Draft::new(12).text("Monthly cost limit reached").source(1).severity(1).alert();
    stage
        .simulator()
        .edit(|state| {
            let (organisation, next) = state.split(1001);
            organisation.emit(next, now, draft.clone());
        })
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let words = ["Monthly cost limit reached", "no service", "emnify.io/refresh"];
    let of_it = ("OrganisationBlocked", "OrganisationBlocked");
    let object = says(&stage, ("Workspace", "default"), of_it, &words).await?;
    assert!(is_ready(&object), "the login works");
    let about = ("Workspace", "default");
    let warned = async || Ok(told(&stage, about, "OrganisationBlocked").await?.len() == 1);
    stage.eventually("it is an event, once", warned).await?;
    stage.kubectl(&["annotate", "emws", "default", "emnify.io/refresh=mended"]).await?;
    let over = |object: &Value| condition(object, "OrganisationBlocked").is_none();
    stage.wait_for("Workspace", "default", "no longer blocked", over).await?;
    Ok(())
}
