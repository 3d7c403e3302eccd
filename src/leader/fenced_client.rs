//! A client of the API server that writes only while this process leads.

use std::sync::Arc;

use emnify::Gate;
use kube::{Client, client::Body};
use tower::BoxError;

/// A write was refused before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not lead, so it writes nothing")]
pub struct NotLeading;

/// The same client, whose writes ask `gate` first. Reads and watches pass always: a standby keeps its stores.
pub fn guarded(client: Client, gate: Arc<Gate>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (client, gate) = (client.clone(), gate.clone());
        async move {
            if request.method().is_safe() {
                return client.send(request).await.map_err(BoxError::from);
            }
            match gate.through(client.send(request)).await {
                Some(answer) => answer.map_err(BoxError::from),
                None => Err(NotLeading.into()),
            }
        }
    });
    Client::new(service, namespace)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::Response;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, api::PostParams};

    use super::*;

    #[tokio::test]
    async fn a_standby_reads_and_writes_nothing() {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let server = tower::service_fn(move |_: http::Request<Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            async {
                Ok::<_, BoxError>(Response::new(Body::from(b"{\"metadata\":{\"name\":\"a\"}}".to_vec())))
            }
        });
        let gate = Gate::shut();
        let api: Api<ConfigMap> = Api::namespaced(guarded(Client::new(server, "d"), gate.clone()), "d");
        api.get("a").await.expect("reads pass");
        let refused =
            api.create(&PostParams::default(), &ConfigMap::default()).await.expect_err("writes do not");
        assert!(format!("{refused:?}").contains("NotLeading"), "and it is said why: {refused:?}");
        assert_eq!(sent.load(Ordering::SeqCst), 1, "the API server never saw the write");
        gate.open_until(emnify::Moment::now().after(std::time::Duration::from_secs(60)));
        api.create(&PostParams::default(), &ConfigMap::default()).await.expect("a leader writes");
    }
}
