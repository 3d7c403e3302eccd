//! `CloudConnect`, from an order that is acknowledged to an attachment that is taken down.

use emnify_simulator::state::{Attachment, Organisation};
use http::Method;
use serde_json::{Value, json};

use crate::{
    portal::{PortalClient, Traffic},
    support::{ORGANISATION, Result, apply_ready, delete, edited, holds, id, look, make_ready, says, stage},
};

const TUNNEL: &str = r"
apiVersion: emnify.io/v1alpha1
kind: CloudConnect
metadata:
  name: dc
spec:
  region: eu-west-1
  vpn:
    publicIp: 203.0.113.10
    onPremCidrs: [192.0.2.0/24]
    outputSecret:
      name: dc-tunnel
  acknowledgeMonthlyFee: true
";

const GATEWAY: &str = r"
apiVersion: emnify.io/v1alpha1
kind: CloudConnect
metadata:
  name: hq
spec:
  region: eu-central-1
  transitGateway:
    vpcCidrs: [10.0.0.0/16]
    awsAccountId: '123456789012'
  acknowledgeMonthlyFee: true
";

const DEVICE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: meter-1
spec:
  serviceProfile: {id: '101'}
  tariffProfile: {id: '201'}
";

const TO_GO: (&str, &str) = ("  acknowledgeMonthlyFee", "  deletionPolicy: Delete\n  acknowledgeMonthlyFee");

/// Those that are there and carry the mark of the object.
fn ours(platform: &Organisation, name: &str) -> Vec<Attachment> {
    let part = format!("/{name}#");
    let marked = |row: &&Attachment| row.description.as_ref().is_some_and(|text| text.contains(&part));
    platform.attachments.values().filter(|row| row.status != 7).filter(marked).cloned().collect()
}

fn tunnels(platform: &Organisation) -> usize {
    ours(platform, "dc").len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cloud_connect() -> Result<()> {
    let stage = stage("cloud-connect").await?;
    let unpaid = edited(TUNNEL, &[("Fee: true", "Fee: false")]);
    let refused = stage.kubectl_with(&["apply", "-f", "-"], &unpaid).await?;
    assert!(!refused.status.success() && refused.stderr.contains("billed monthly"), "{}", refused.stderr);

    let object = apply_ready(&stage, "CloudConnect", "dc", TUNNEL).await?;
    let made = id(&object)?;
    let status = &object["status"];
    assert_eq!((&status["state"], &status["type"]), (&json!("Active"), &json!("IPSec VPN")));
    assert_eq!((&status["monthlyPrice"], &status["region"]), (&json!("120.00 EUR"), &json!("eu-west-1")));
    assert_eq!(status["tunnels"][1]["state"], "UP");
    let psk = look(&stage, |platform| ours(platform, "dc")[0].psk.clone()).expect("emnify made a key");
    let secret = stage.kubectl_ok(&["get", "secret", "dc-tunnel", "-o", "json"]).await?;
    let secret: Value = serde_json::from_str(&secret)?;
    let held =
        data_encoding::BASE64.decode(secret["data"]["tunnel-1-psk"].as_str().unwrap_or("").as_bytes())?;
    assert_eq!(held, psk.as_bytes(), "the key is in the Secret");
    let told = stage.kubectl_ok(&["get", "events,cloudconnects.emnify.io", "-o", "json"]).await?;
    assert!(!told.contains(&psk), "and nowhere else");

    let traffic = Traffic::from_now(&stage);
    stage.apply(&edited(TUNNEL, &[("192.0.2.0/24", "192.0.2.0/25")])).await?;
    let words = ["vpn", "onPremCidrs 192.0.2.0/25", "cannot be changed"];
    says(&stage, ("CloudConnect", "dc"), ("Stalled", "ImmutableField"), &words).await?;
    stage.apply(&edited(TUNNEL, &[("eu-west-1", "us-east-1")])).await?;
    says(&stage, ("CloudConnect", "dc"), ("Stalled", "ImmutableField"), &["region: eu-west-1"]).await?;
    make_ready(&stage, "CloudConnect", "dc", TUNNEL).await?;
    assert_eq!(traffic.writes(), Vec::<String>::new(), "nothing of it is sent");

    let portal = PortalClient::open(&stage).await?;
    portal.send(Method::DELETE, &format!("/api/v1/cnc/breakout/{made}"), Value::Null).await?;
    stage.kubectl_ok(&["annotate", "cloudconnects.emnify.io", "dc", "emnify.io/refresh=now"]).await?;
    says(&stage, ("CloudConnect", "dc"), ("Stalled", "Vanished"), &["emnify.io/refresh"]).await?;
    assert_eq!(look(&stage, tunnels), 0, "what is billed is not ordered anew by itself");
    let again = ["annotate", "--overwrite", "cloudconnects.emnify.io", "dc", "emnify.io/refresh=again"];
    stage.kubectl_ok(&again).await?;
    holds(&stage, "a person wants it", tunnels, 1).await?;
    make_ready(&stage, "CloudConnect", "dc", TUNNEL).await?;

    delete(&stage, "CloudConnect", "dc").await?;
    assert_eq!(look(&stage, tunnels), 1, "it stays unless the spec says otherwise");
    stage.kubectl_ok(&["get", "secret", "dc-tunnel"]).await?;
    make_ready(&stage, "CloudConnect", "dc", &edited(TUNNEL, &[TO_GO])).await?;
    assert_eq!(look(&stage, tunnels), 1, "and is found again");
    delete(&stage, "CloudConnect", "dc").await?;
    assert_eq!(look(&stage, tunnels), 0, "the object goes after the attachment");
    stage.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transit_gateway_and_the_guard() -> Result<()> {
    let mut stage = stage("cloud-connect-guard").await?;
    apply_ready(&stage, "Endpoint", "meter-1", DEVICE).await?;
    apply_ready(&stage, "Endpoint", "meter-2", &edited(DEVICE, &[("meter-1", "meter-2")])).await?;
    let lost = json!({"method": "POST", "route": "/api/v1/cnc/breakout/tgw", "times": 1, "delay": "2s", "reset": true, "commit": true});
    stage.simulator().fault(serde_json::from_value(lost)?).map_err(anyhow::Error::msg)?;
    stage.apply(&edited(GATEWAY, &[TO_GO])).await?;
    holds(&stage, "emnify has the order", |platform| ours(platform, "hq").len(), 1).await?;
    stage.crash_operator().await?;
    stage.start_operator()?;
    let gateway = ("CloudConnect", "hq");
    says(&stage, gateway, ("Reconciling", "WaitingForCustomer"), &["accept the share", "acceptBefore"])
        .await?;
    assert_eq!(
        look(&stage, |platform| ours(platform, "hq").len()),
        1,
        "what a crash left is not ordered twice"
    );

    let id = look(&stage, |platform| ours(platform, "hq")[0].id);
    let late = |state: &mut emnify_simulator::State| {
        let organisation = state.organisations.get_mut(&ORGANISATION).expect("the seed's organisation");
        let attachment = organisation.attachments.get_mut(&id).expect("it was ordered");
        attachment.accept_by = Some(attachment.created);
    };
    stage.simulator().edit(late)?;
    stage.kubectl_ok(&["annotate", "cloudconnects.emnify.io", "hq", "emnify.io/refresh=now"]).await?;
    says(&stage, gateway, ("Stalled", "AcceptExpired"), &["offered again"]).await?;
    let portal = PortalClient::open(&stage).await?;
    portal.send(Method::PATCH, &format!("/api/v1/cnc/breakout/{id}"), json!({})).await?;
    stage.simulator().accept_attachment(id).map_err(anyhow::Error::msg)?;
    stage
        .kubectl_ok(&["annotate", "--overwrite", "cloudconnects.emnify.io", "hq", "emnify.io/refresh=again"])
        .await?;
    make_ready(&stage, "CloudConnect", "hq", &edited(GATEWAY, &[TO_GO])).await?;

    let limit = r#"{"spec":{"guard":{"maxDevices":1}}}"#;
    stage.kubectl_ok(&["patch", "workspaces.emnify.io", "default", "--type=merge", "--patch", limit]).await?;
    stage.kubectl_ok(&["delete", "cloudconnects.emnify.io", "hq", "--wait=false"]).await?;
    says(&stage, gateway, ("Stalled", "GuardTripped"), &["approv"]).await?;
    assert_eq!(look(&stage, |platform| ours(platform, "hq").len()), 1, "every device may depend on it");
    let guard = ("GuardTripped", "GuardTripped");
    let tripped = says(&stage, ("Workspace", "default"), guard, &["emnify.io/approve="]).await?;
    let condition = emnify_harness::stage::condition(&tripped, "GuardTripped").cloned().unwrap_or_default();
    let message = condition["message"].as_str().unwrap_or_default();
    let (_, hash) = message.split_once("emnify.io/approve=").unwrap_or_default();
    let hash: String = hash.chars().take_while(char::is_ascii_alphanumeric).collect();
    let approval = format!("emnify.io/approve={hash}");
    stage.kubectl_ok(&["annotate", "workspaces.emnify.io", "default", &approval]).await?;
    stage.wait_gone("CloudConnect", "hq").await?;
    assert_eq!(look(&stage, |platform| ours(platform, "hq").len()), 0, "it is taken down");
    stage.finish().await
}
