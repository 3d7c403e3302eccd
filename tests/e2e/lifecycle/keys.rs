//! `ApiSecret`, and the service profile that signs with it.

use anyhow::Context as _;
use emnify_simulator::state::Organisation;

use crate::support::{Result, apply_ready, delete, edited, holds, id, look, says, stage};

const KEY: &str = "correct horse battery staple";
const ROTATED: &str = "wrong zebra socket nail";

const SECRET: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ApiSecret
metadata:
  name: sms
spec:
  secretRef:
    name: signing
    key: key
";

const PROFILE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: meters
spec:
  name: Meters
  apiSecret:
    name: sms
";

/// Keys of the organisation, oldest first.
fn keys(platform: &Organisation) -> Vec<String> {
    platform.api_secrets.values().map(|secret| secret.secret.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_secret() -> Result<()> {
    let stage = stage("api-secret").await?;
    stage.apply(SECRET).await?;
    says(&stage, ("ApiSecret", "sms"), ("Ready", "ReferenceNotReady"), &["Secret signing", "key key"])
        .await?;
    stage.apply_secret("signing", &[("key", "too short")]).await?;
    says(&stage, ("ApiSecret", "sms"), ("Stalled", "InvalidSpec"), &["secretRef", "16 bytes"]).await?;
    stage.apply_secret("signing", &[("key", KEY)]).await?;
    let made = id(&apply_ready(&stage, "ApiSecret", "sms", SECRET).await?)?;
    assert_eq!(look(&stage, keys), [KEY]);

    let profile = id(&apply_ready(&stage, "ServiceProfile", "meters", PROFILE).await?)?;
    let signs = |platform: &Organisation| platform.service_profiles[&profile].api_secret;
    assert_eq!(look(&stage, signs), Some(made));

    stage.apply_secret("signing", &[("key", ROTATED)]).await?;
    let moved = |platform: &Organisation| {
        let used = platform.service_profiles[&profile].api_secret?;
        Some(platform.api_secrets[&used].secret.clone())
    };
    holds(&stage, "profiles move to the new key", moved, Some(ROTATED.to_owned())).await?;
    holds(&stage, "the old key goes when nobody uses it", keys, vec![ROTATED.to_owned()]).await?;

    stage.apply(&edited(SECRET, &[("spec:", "spec:\n  purpose: Device messages")])).await?;
    let named = |platform: &Organisation| {
        let all = platform.api_secrets.values();
        all.map(|secret| secret.purpose.starts_with("Device messages [k8s ")).collect::<Vec<_>>()
    };
    holds(&stage, "another purpose makes another key", named, vec![true]).await?;

    let last = look(&stage, |platform| platform.api_secrets.keys().next().copied());
    let last = last.context("there is one")?;
    let taken =
        edited(SECRET, &[("name: sms", "name: taken"), ("spec:", &format!("spec:\n  id: \"{last}\""))]);
    stage.apply(&taken).await?;
    says(&stage, ("ApiSecret", "taken"), ("Stalled", "OwnershipConflict"), &[]).await?;
    delete(&stage, "ApiSecret", "taken").await?;

    stage.kubectl_ok(&["delete", "apisecrets.emnify.io", "sms", "--wait=false"]).await?;
    says(&stage, ("ApiSecret", "sms"), ("Ready", "InUse"), &["ServiceProfile"]).await?;
    delete(&stage, "ServiceProfile", "meters").await?;
    stage.wait_gone("ApiSecret", "sms").await?;
    assert_eq!(look(&stage, keys), [] as [&str; 0], "what was made here is gone in emnify");
    Ok(())
}
