//! `Operation`: carried out once, waited for with kubectl.

use emnify_simulator::state::Organisation;

use crate::support::{DEVICE, Result, apply_ready, edited, id, look, stage};

const MESSAGE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Operation
metadata:
  name: apn
spec:
  target:
    endpointSelector:
      matchLabels:
        site: north
  action:
    sendSms:
      payload: "APN=em {name}"
"#;

const RESET: &str = "
apiVersion: emnify.io/v1alpha1
kind: Operation
metadata:
  name: reset
spec:
  target:
    endpoints:
      - name: meter-1
  action:
    resetConnectivity:
      data: true
  ttlSecondsAfterFinished: 1
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operation() -> Result<()> {
    let stage = stage("operation").await?;
    let labelled = edited(DEVICE, &[("name: meter-1\n", "name: meter-1\n  labels: {site: north}\n")]);
    let device = id(&apply_ready(&stage, "Endpoint", "meter-1", &labelled).await?)?;
    stage.apply(MESSAGE).await?;
    stage.kubectl_ok(&["wait", "--for=condition=Complete", "emop/apn", "--timeout=120s"]).await?;
    let sent = |platform: &Organisation| -> Vec<String> {
        platform.endpoints[&device].sms.values().map(|sms| sms.payload.clone()).collect()
    };
    assert_eq!(look(&stage, sent), ["APN=em Meter 1"], "each device of the selector gets it once");
    let shown = stage.kubectl_ok(&["get", "emop", "apn"]).await?;
    let row: Vec<_> = shown.lines().last().unwrap_or_default().split_whitespace().take(5).collect();
    assert_eq!(row, ["apn", "Complete", "sendSms", "1", "0"], "{shown}");

    let other = edited(MESSAGE, &[("APN=em {name}", "another")]);
    let refused = stage.kubectl_with(&["apply", "-f", "-"], &other).await?;
    assert!(refused.stderr.contains("give a new one another name"), "{}", refused.stderr);
    stage.apply(MESSAGE).await?;

    stage.apply(RESET).await?;
    stage.wait_gone("Operation", "reset").await?;
    stage.kubectl_ok(&["delete", "emop", "apn"]).await?;
    assert_eq!(look(&stage, sent).len(), 1, "nothing is sent twice, and nothing is taken back");
    Ok(())
}
