//! A namespace that is deleted with everything in it: it ends by itself, and emnify is cleaned up.

use super::{EVERY, OBJECTS, all_ready, until};
use crate::support::{Result, look, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_namespace_ends_by_itself() -> Result<()> {
    let stage = stage("terminating").await?;
    stage.apply(OBJECTS).await?;
    all_ready(&stage).await?;
    let made = look(&stage, |platform| (platform.endpoints.len(), platform.service_profiles.len()));
    assert_eq!(made, (2, 2), "there is something to clean up");

    // its Secrets, credentials included, may go before the objects that need them
    stage.plane().kubectl(&["delete", "namespace", stage.namespace(), "--wait=false"]).await?;
    let gone = async || {
        let found = stage.plane().kubectl(&["get", "namespace", stage.namespace()]).await?;
        Ok(!found.status.success())
    };
    if let Err(error) = until("the namespace is gone", gone).await {
        let mut evidence = stage.operator_log_tail();
        for (kind, name) in EVERY {
            if stage.get(kind, name).await?.is_some() {
                evidence += &stage.evidence(kind, name).await;
            }
        }
        return Err(error.context(evidence));
    }
    let left = look(&stage, |platform| {
        let tokens = platform.application_tokens.values().filter(|token| !token.revoked).count();
        (platform.endpoints.len(), platform.service_profiles.len(), platform.tariff_profiles.len(), tokens)
    });
    assert_eq!(left, (0, 1, 1, 2), "what was made here is gone in emnify, and nothing else");
    Ok(())
}
