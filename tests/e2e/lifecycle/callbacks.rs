//! `ApiCallback`, and the service profile that refers to it.

use emnify_simulator::state::Organisation;
use http::Method;
use serde_json::{Value, json};

use crate::{
    portal::PortalClient,
    support::{Result, apply_ready, delete, edited, holds, id, look, make_ready, says, stage},
};

const CALLBACK: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ApiCallback
metadata:
  name: sms
spec:
  url: https://sms.example.com/emnify
";

const PROFILE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: meters
spec:
  name: Meters
  apiCallback:
    name: sms
  mocCallback:
    externalName: https://sms.example.com/portal
";

/// Ids of the callbacks that carry our mark.
fn ours(platform: &Organisation) -> Vec<u64> {
    let ours = platform.api_callbacks.values().filter(|callback| callback.purpose.ends_with("/sms]"));
    ours.map(|callback| callback.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_callback() -> Result<()> {
    let stage = stage("api-callback").await?;
    let portal = PortalClient::open(&stage).await?;
    let theirs = json!({"url": "https://sms.example.com/portal", "purpose": "By hand"});
    portal.send(Method::POST, "/api/v1/api_callback", theirs).await?;
    let by_hand = look(&stage, |platform| platform.api_callbacks.keys().next().copied());

    let made = id(&apply_ready(&stage, "ApiCallback", "sms", CALLBACK).await?)?;
    let callback = look(&stage, |platform| platform.api_callbacks[&made].clone());
    assert_eq!(callback.url, "https://sms.example.com/emnify");
    assert!(
        callback.purpose.starts_with("sms [k8s "),
        "{} begins with the name of the object",
        callback.purpose
    );
    let profile = id(&apply_ready(&stage, "ServiceProfile", "meters", PROFILE).await?)?;
    let uses = |platform: &Organisation| {
        let profile = &platform.service_profiles[&profile];
        (profile.api_callback, profile.moc_callback)
    };
    assert_eq!(look(&stage, uses), (Some(made), by_hand), "one by its name here, one by its URL");

    stage.apply(&edited(CALLBACK, &[("com/emnify", "com/elsewhere")])).await?;
    let told = ["url", "https://sms.example.com/emnify"];
    says(&stage, ("ApiCallback", "sms"), ("Stalled", "ImmutableField"), &told).await?;
    make_ready(&stage, "ApiCallback", "sms", CALLBACK).await?;

    let none = edited(PROFILE, &[("name: sms", "none: true")]);
    make_ready(&stage, "ServiceProfile", "meters", &none).await?;
    portal.send(Method::DELETE, &format!("/api/v1/api_callback/{made}"), Value::Null).await?;
    stage.kubectl_ok(&["annotate", "apicallbacks.emnify.io", "sms", "emnify.io/refresh=now"]).await?;
    let again = |platform: &Organisation| ours(platform).into_iter().map(|id| id != made).collect::<Vec<_>>();
    holds(&stage, "one that was deleted in the portal is made anew, once", again, vec![true]).await?;

    make_ready(&stage, "ServiceProfile", "meters", PROFILE).await?;
    stage.kubectl_ok(&["delete", "apicallbacks.emnify.io", "sms", "--wait=false"]).await?;
    says(&stage, ("ApiCallback", "sms"), ("Ready", "InUse"), &["ServiceProfile"]).await?;
    delete(&stage, "ServiceProfile", "meters").await?;
    stage.wait_gone("ApiCallback", "sms").await?;
    let left = look(&stage, |platform| platform.api_callbacks.keys().copied().collect::<Vec<_>>());
    assert_eq!(left, Vec::from_iter(by_hand), "what was made here is gone in emnify, and nothing else");
    Ok(())
}
