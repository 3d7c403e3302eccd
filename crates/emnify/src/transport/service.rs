//! Any in-memory service as a transport: the simulator's router under paused time, or a script.

use std::fmt;
use std::marker::PhantomData;

use ::http::{Request, Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

use super::{Transport, TransportError};

/// Hands requests to a [`tower::Service`] in this process. `B` is the service's request body.
///
/// A failing service counts as a connection lost after the request was written.
pub struct ServiceTransport<S, B> {
    service: S,
    body: PhantomData<fn(B)>,
}

impl<S, B> ServiceTransport<S, B> {
    /// A transport that clones `service` for each request.
    pub fn new(service: S) -> Self {
        Self { service, body: PhantomData }
    }
}

impl<S, B> fmt::Debug for ServiceTransport<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTransport").finish_non_exhaustive()
    }
}

impl<S, B, R> Transport for ServiceTransport<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: fmt::Display + Send,
    B: From<Bytes> + Send + 'static,
    R: BodyExt + Send + 'static,
    R::Data: Send,
    R::Error: fmt::Display + Send,
{
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let service = self.service.clone();
        Box::pin(async move {
            let answer = service
                .oneshot(request.map(B::from))
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
