//! `DataStream`, from a manifest to what emnify holds.

use anyhow::Context as _;
use emnify_simulator::{
    Fault,
    state::{DataStream, Organisation},
};
use http::Method;
use serde_json::{Value, json};

use crate::{
    portal::{PortalClient, Traffic},
    support::{Result, apply_ready, delete, edited, holds, look, make_ready, says, stage},
};

const STREAM: &str = r"
apiVersion: emnify.io/v1alpha1
kind: DataStream
metadata:
  name: events
spec:
  type: Events
  destination:
    webhook:
      url: https://events.example.com/emnify
      batchSize: 100
      headers:
        - name: X-Key
          valueFrom:
            name: events-key
            key: key
        - name: X-Source
          value: emnify
  filters:
    eventTypes: [Update location]
";

const SECRET: &str = r"
apiVersion: v1
kind: Secret
metadata:
  name: events-key
stringData:
  key: one
";

/// The streams that carry the mark of the object.
fn ours(platform: &Organisation, name: &str) -> Vec<DataStream> {
    let end = format!("/{name}]");
    platform.data_streams.values().filter(|stream| stream.name.ends_with(&end)).cloned().collect()
}

fn headers(platform: &Organisation) -> Vec<Value> {
    let all = ours(platform, "events");
    all.iter().filter_map(|stream| stream.credentials["headers"].as_array().cloned()).flatten().collect()
}

fn id(object: &Value) -> Result<String> {
    Ok(object["status"]["id"].as_str().context("a Ready object has an id")?.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_stream() -> Result<()> {
    let stage = stage("data-stream").await?;
    stage.apply(STREAM).await?;
    says(&stage, ("DataStream", "events"), ("Ready", "ReferenceNotReady"), &["events-key"]).await?;
    stage.apply(SECRET).await?;
    let object = apply_ready(&stage, "DataStream", "events", STREAM).await?;
    let made = id(&object)?;
    assert_eq!(object["status"]["state"], "Running");
    assert_eq!(object["status"]["destination"], "webhook");
    assert_eq!(look(&stage, headers), [json!("X-Key:one"), json!("X-Source:emnify")]);
    assert!(!object.to_string().contains("X-Key:one"), "what a Secret holds stands nowhere else");
    let filters = look(&stage, |platform| ours(platform, "events")[0].filters.clone());
    assert_eq!(filters.len(), 1, "the type of event was found by its name: {filters:?}");

    let traffic = Traffic::from_now(&stage);
    let single = edited(STREAM, &[("batchSize: 100", "batchSize: 1")]);
    make_ready(&stage, "DataStream", "events", &single).await?;
    let size = |platform: &Organisation| ours(platform, "events")[0].credentials["size"].clone();
    assert_eq!(look(&stage, size), 1, "an edit is Ready when emnify has carried it out");
    let sent = traffic.writes().iter().filter(|write| write.starts_with("PATCH /api/v2/data_stream")).count();
    assert_eq!(sent, 1, "a change that was accepted is sent once");
    make_ready(&stage, "DataStream", "events", STREAM).await?;

    stage.apply(&edited(SECRET, &[("key: one", "key: two")])).await?;
    let rotated = vec![json!("X-Key:two"), json!("X-Source:emnify")];
    holds(&stage, "another value in the Secret reaches emnify", headers, rotated).await?;

    let portal = PortalClient::open(&stage).await?;
    let path = format!("/api/v2/data_stream/{made}");
    let theirs = json!({"destination": {"connection_type": "RestAPI", "format": "Json",
        "credentials": {"url": "https://elsewhere.example.com", "size": 100, "headers": ["X-Key:two", "X-Source:emnify"]}}});
    stage
        .eventually("the stream can be changed", async || {
            Ok(portal.send(Method::PATCH, &path, theirs.clone()).await.is_ok())
        })
        .await?;
    let url = |platform: &Organisation| ours(platform, "events")[0].credentials["url"].clone();
    holds(&stage, "somebody leads it elsewhere", url, json!("https://elsewhere.example.com")).await?;
    stage.kubectl_ok(&["annotate", "datastreams.emnify.io", "events", "emnify.io/refresh=now"]).await?;
    holds(&stage, "and it is led back", url, json!("https://events.example.com/emnify")).await?;

    let fails = async || Ok(stage.simulator().fail_stream(&made).is_ok());
    stage.eventually("emnify cannot deliver any more", fails).await?;
    stage
        .kubectl_ok(&[
            "annotate",
            "--overwrite",
            "datastreams.emnify.io",
            "events",
            "emnify.io/refresh=again",
        ])
        .await?;
    let broken = says(&stage, ("DataStream", "events"), ("Stalled", "StreamBroken"), &["deliver"]).await?;
    assert_eq!(broken["status"]["state"], "Error");
    make_ready(&stage, "DataStream", "events", &single).await?;

    delete(&stage, "DataStream", "events").await?;
    assert!(look(&stage, |platform| ours(platform, "events").is_empty()), "the object goes after the stream");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_made_once_whatever_happens_to_the_answer() -> Result<()> {
    let mut stage = stage("data-stream-crash").await?;
    stage.apply(SECRET).await?;
    let lost: Fault = serde_json::from_value(json!({
        "method": "POST", "route": "/api/v2/data_stream", "times": 1, "commit": true, "reset": true,
    }))?;
    stage.simulator().fault(lost).map_err(anyhow::Error::msg)?;
    stage.apply(STREAM).await?;
    let count = |platform: &Organisation| ours(platform, "events").len();
    holds(&stage, "emnify made it and the answer was lost", count, 1).await?;
    stage.stop_operator().await?;
    stage.start_operator()?;
    make_ready(&stage, "DataStream", "events", STREAM).await?;
    assert_eq!(look(&stage, count), 1, "it is found by our mark, not made again");
    Ok(())
}
