//! The API server's version only grows. Where etcd is restored from a backup it goes back, and watches that go on from
//! where they were hear nothing until it has caught up: edits and deletions meanwhile are never seen.

use std::{fmt::Debug, time::Duration};

use kube::{Api, api::ListParams};
use serde::de::DeserializeOwned;
use tokio::time::{MissedTickBehavior, interval};

/// How often the version is asked for. No restore takes less time, and none goes back by less.
const EVERY: Duration = Duration::from_secs(15);

/// The version went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the API server went back from version {before} to {now}, as when etcd is restored from a backup; the operator has to \
     be started anew, to list what is there now"
)]
pub struct WentBack {
    before: u64,
    now: u64,
}

/// Returns when the version went back. It is that of a listing of one object, which the API server reads as it is now.
pub async fn went_back<K: Clone + Debug + DeserializeOwned>(api: Api<K>) -> WentBack {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = 0;
    loop {
        ticks.tick().await;
        let listed = match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(%error, "version of the API server not read");
                continue;
            }
        };
        let version = listed.metadata.resource_version.and_then(|version| version.parse().ok());
        // versions that are no numbers say nothing
        let Some(now) = version else { continue };
        if now < before {
            return WentBack { before, now };
        }
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use http::{Request, Response};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Client, client::Body};
    use tokio::time::timeout;
    use tower::BoxError;

    use super::*;

    /// An API server that says these versions one after another, the last one for ever, and nothing where there is none.
    fn says(versions: &'static [&'static str]) -> (Api<ConfigMap>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let server = tower::service_fn(move |_: Request<Body>| {
            let nth = count.fetch_add(1, Ordering::SeqCst).min(versions.len() - 1);
            let (status, body) = match versions[nth] {
                "" => (503, serde_json::json!({"kind": "Status", "status": "Failure", "code": 503})),
                version => (
                    200,
                    serde_json::json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
                        "metadata": {"resourceVersion": version}, "items": []}),
                ),
            };
            let answer = Response::builder().status(status).body(Body::from(body.to_string().into_bytes()));
            async { Ok::<_, BoxError>(answer?) }
        });
        (Api::all(Client::new(server, "d")), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn a_restored_etcd_is_noticed() {
        let (api, _) = says(&["900", "", "950", "950", "400"]);
        let back = timeout(Duration::from_secs(120), went_back(api)).await.expect("it is noticed");
        assert_eq!(back, WentBack { before: 950, now: 400 });
        assert!(back.to_string().contains("started anew"), "and it is said what follows: {back}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_else_ends_the_process() {
        for versions in [&["7", "7", "9", "10", ""][..], &["opaque", "b", "a"], &["12", "", "12"]] {
            let (api, asked) = says(versions);
            assert!(timeout(Duration::from_secs(600), went_back(api)).await.is_err(), "{versions:?}");
            assert!(asked.load(Ordering::SeqCst) < 50, "it is asked for rarely");
        }
    }
}
