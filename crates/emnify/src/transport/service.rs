//! Any in-memory service as a transport: the simulator's router under paused time, or a script.

use std::fmt;

use ::http::{Request, Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceExt};

use super::contract::{Transport, TransportError};

/// Hands requests to a [`tower::Service`] in this process, such as an axum router.
///
/// A failing service or body counts as a connection lost after the request was written.
#[derive(Clone)]
pub struct ServiceTransport<S> {
    service: S,
}

impl<S> ServiceTransport<S> {
    /// A transport that clones `service` for each request.
    pub fn new(service: S) -> Self {
        Self { service }
    }
}

impl<S> fmt::Debug for ServiceTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTransport").finish_non_exhaustive()
    }
}

impl<S, R> Transport for ServiceTransport<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: fmt::Display + Send,
    R: BodyExt + Send + 'static,
    R::Data: Send,
    R::Error: fmt::Display + Send,
{
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let service = self.service.clone();
        Box::pin(async move {
            let answer = service
                .oneshot(request.map(Full::new))
                .await
                .map_err(|error| TransportError::AfterSend(error.to_string()))?;
            let (parts, body) = answer.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| TransportError::AfterSend(error.to_string()))?
                .to_bytes();
            Ok(Response::from_parts(parts, body))
        })
    }
}
