//! Callbacks about SMS, as emnify signs them: receipts of messages to devices, and messages of devices.

use std::net::SocketAddr;

use emnify_harness::stage::{ADMIN_SERVER, PUSH_RECEIVER, Stage, is_ready};
use emnify_simulator::{Signal, state::Organisation};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{DEVICE, Result, edited, holds, id, make_ready, options};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const TEXT: &str = "nobody but the device and its owner";

fn manifests(port: u16) -> [(&'static str, &'static str, String); 3] {
    let head = |kind: &str, name: &str| {
        format!("apiVersion: emnify.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n")
    };
    let callback = format!("{}  url: http://127.0.0.1:{port}/sms\n", head("ApiCallback", "sms"));
    let secret = format!("{}  secretRef:\n    name: signing\n    key: key\n", head("ApiSecret", "sms"));
    let profile = format!(
        "{}  name: Meters\n  apiCallback:\n    name: sms\n  apiSecret:\n    name: sms\n  esmeInterfaceType:\n    externalName: REST API\n",
        head("ServiceProfile", "meters")
    );
    [("ApiCallback", "sms", callback), ("ApiSecret", "sms", secret), ("ServiceProfile", "meters", profile)]
}

const MESSAGE: &str = "
apiVersion: emnify.io/v1alpha1
kind: Operation
metadata:
  name: hello
spec:
  target:
    endpoints:
      - name: meter-1
  action:
    sendSms:
      payload: hello
      waitForDelivery: true
";

/// What is made of a message of the device, and of a receipt.
const RULES: &str = "
apiVersion: emnify.io/v1alpha1
kind: OperationTrigger
metadata:
  name: asked
spec:
  when:
    sms:
      kind: Received
      destAddress: \"12345\"
  operation:
    spec:
      action:
        sendSms:
          payload: answer
---
apiVersion: emnify.io/v1alpha1
kind: OperationTrigger
metadata:
  name: delivered
spec:
  when:
    sms:
      kind: Delivered
  maxTargetsPerHour: 1
  operation:
    spec:
      action:
        resetConnectivity:
          network: true
";

/// What a server of the operator answers.
async fn answer(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The operator's metrics have a line that begins so.
async fn counts(stage: &Stage, metric: &str) -> Result<bool> {
    let admin = stage.listens_at(ADMIN_SERVER).await?;
    let text = answer(admin, "GET /metrics HTTP/1.0\r\naccept: application/openmetrics-text\r\n\r\n").await?;
    Ok(text.lines().any(|line| line.starts_with(metric)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_callbacks_are_heard() -> Result<()> {
    let [push, keys] = [NamedTempFile::new()?, NamedTempFile::new()?];
    std::fs::write(push.path(), "s3cret")?;
    std::fs::write(keys.path(), KEY)?;
    let mut options = options("sms")?;
    options.flags.extend([
        "--push-addr=127.0.0.1:0".to_owned(),
        format!("--push-secret-file={}", push.path().display()),
        format!("--sms-secret-file={}", keys.path().display()),
    ]);
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    stage.apply_secret("signing", &[("key", KEY)]).await?;
    let port = stage.listens_at(PUSH_RECEIVER).await?.port();
    for (kind, name, manifest) in manifests(port) {
        make_ready(&stage, kind, name, &manifest).await?;
    }
    let manifest =
        edited(DEVICE, &[("serviceProfile:\n    id: \"101\"", "serviceProfile:\n    name: meters")]);
    let device = id(&make_ready(&stage, "Endpoint", "meter-1", &manifest).await?)?;
    stage.simulator().device(device, Signal::Attach).map_err(anyhow::Error::msg)?;

    stage.apply(RULES).await?;
    for rule in ["asked", "delivered"] {
        stage.wait_for("OperationTrigger", rule, "Ready", is_ready).await?;
    }
    stage.apply(MESSAGE).await?;
    stage.kubectl_ok(&["wait", "--for=condition=Complete", "emop/hello", "--timeout=120s"]).await?;
    let receipts = async || counts(&stage, "emnify_sms_received_total{kind=\"receipt\"} 1").await;
    stage.eventually("the signed receipt is taken", receipts).await?;

    stage.simulator().receive_message(device, "12345", TEXT).map_err(anyhow::Error::msg)?;
    let messages = async || counts(&stage, "emnify_sms_received_total{kind=\"message\"} 1").await;
    stage.eventually("the signed message is taken", messages).await?;
    assert!(!stage.operator_log().contains(TEXT), "what it says is nowhere");

    let answers = |platform: &Organisation| {
        platform.endpoints[&device].sms.values().filter(|sms| sms.payload == "answer").count()
    };
    holds(&stage, "a message of a device leads to one to it", answers, 1).await?;
    let fired = |object: &Value| object["status"]["fired"] == 1;
    stage.wait_for("OperationTrigger", "delivered", "fired", fired).await?;

    let receiver = stage.listens_at(PUSH_RECEIVER).await?;
    let unsigned = answer(receiver, "POST /sms HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}").await?;
    assert!(unsigned.starts_with("HTTP/1.0 401"), "{unsigned}");
    assert!(counts(&stage, "emnify_sms_refused_total{reason=\"token\"} 1").await?, "and it is counted");
    Ok(())
}
