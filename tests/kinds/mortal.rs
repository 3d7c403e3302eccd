//! Processes that die before or after any of their requests.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use emnify::{Transport, TransportError};
use emnify_apiserver::{Cluster, Reply};
use futures::future::{BoxFuture, pending};
use http::{Request, Response};
use kube::client::Body;

use crate::wire::Wire;

/// Around which request it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dies {
    /// The request never leaves.
    Before,
    /// The request is carried out, and nobody hears the answer.
    After,
}

/// A process that dies around one of the requests that count. Whatever it tries after that never happens.
#[derive(Clone)]
pub(crate) struct Life {
    at: usize,
    dies: Dies,
    requests: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    counts: fn(method: &str, path: &str) -> bool,
}

impl Life {
    /// It dies around the request of this number, of those that count.
    pub(crate) fn ends(at: usize, dies: Dies, counts: fn(&str, &str) -> bool) -> Self {
        Self { at, dies, requests: Arc::default(), over: Arc::default(), counts }
    }

    /// The process is dead.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A request begins: what becomes of the process around it.
    async fn begin(&self, method: &str, path: &str) -> bool {
        if self.is_over() {
            return pending().await;
        }
        let last =
            (self.counts)(method, path) && self.requests.fetch_add(1, Ordering::Relaxed) + 1 == self.at;
        if last && self.dies == Dies::Before {
            self.over.store(true, Ordering::Relaxed);
            return pending().await;
        }
        last
    }

    /// Its answer is there.
    async fn end(&self, last: bool) {
        if last {
            self.over.store(true, Ordering::Relaxed);
        }
        if self.is_over() {
            pending::<()>().await;
        }
    }

    /// The way to Kubernetes.
    pub(crate) fn kubernetes(&self, cluster: &Cluster) -> kube::Client {
        let (life, cluster) = (self.clone(), cluster.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (life, cluster) = (life.clone(), cluster.clone());
            async move {
                let last = life.begin(request.method().as_str(), request.uri().path()).await;
                let reply: Reply = cluster.answer(request).await;
                life.end(last).await;
                Ok::<_, std::convert::Infallible>(reply)
            }
        });
        kube::Client::new(service, "ns")
    }

    /// The way to emnify.
    pub(crate) fn emnify(&self, wire: &Wire) -> Arc<dyn Transport> {
        Arc::new(Mortal { life: self.clone(), wire: wire.clone() })
    }
}

struct Mortal {
    life: Life,
    wire: Wire,
}

impl Transport for Mortal {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let last = self.life.begin(request.method().as_str(), request.uri().path()).await;
            let answer = self.wire.send(request).await;
            self.life.end(last).await;
            answer
        })
    }
}
