//! A namespace that is deleted with everything in it: it ends by itself, and emnify is cleaned up.

use std::{fs, path::Path};

use emnify_harness::stage::{Stage, is_ready};

use super::{OBJECTS, all_ready, every, until};
use crate::support::{Result, look, stage};

/// Deletes the namespace and waits until it is gone. Its Secrets, credentials included, may go before the objects that
/// need them.
async fn namespace_goes(stage: &Stage) -> Result<()> {
    stage.plane().kubectl(&["delete", "namespace", stage.namespace(), "--wait=false"]).await?;
    let gone = async || Ok(!stage.is_there().await?);
    if let Err(error) = until("the namespace is gone", gone).await {
        let mut evidence = stage.operator_log_tail();
        for (kind, name) in every() {
            if stage.get(&kind, &name).await?.is_some() {
                evidence += &stage.evidence(&kind, &name).await;
            }
        }
        return Err(error.context(evidence));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_ends_though_a_device_of_it_stays() -> Result<()> {
    let stage = stage("terminating-fleet").await?;
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops/fleet");
    for file in ["profiles/profiles.yaml", "devices/devices.yaml"] {
        stage.apply(&fs::read_to_string(fleet.join(file))?).await?;
    }
    for name in ["meter-1", "gateway-1"] {
        stage.wait_for("Endpoint", name, "Ready", is_ready).await?;
    }
    namespace_goes(&stage).await?;
    let left = look(&stage, |platform| {
        let names: Vec<_> = platform.endpoints.values().map(|device| device.name.clone()).collect();
        let named = |name: &str| name == "Meters";
        let service = platform.service_profiles.values().any(|profile| named(&profile.name));
        let tariff = platform.tariff_profiles.values().any(|profile| named(&profile.name));
        (names, service, tariff)
    });
    assert_eq!(left, (vec!["Gateway 1".into()], true, true), "a device that stays keeps its profiles");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_namespace_ends_by_itself() -> Result<()> {
    let stage = stage("terminating").await?;
    stage.apply(OBJECTS).await?;
    all_ready(&stage).await?;
    let made = look(&stage, |platform| (platform.endpoints.len(), platform.service_profiles.len()));
    assert_eq!(made, (2, 2), "there is something to clean up");

    namespace_goes(&stage).await?;
    let left = look(&stage, |platform| {
        let tokens = platform.application_tokens.values().filter(|token| !token.revoked).count();
        (platform.endpoints.len(), platform.service_profiles.len(), platform.tariff_profiles.len(), tokens)
    });
    assert_eq!(left, (0, 1, 1, 2), "what was made here is gone in emnify, and nothing else");
    Ok(())
}
