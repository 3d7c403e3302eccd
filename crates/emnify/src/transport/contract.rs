//! What a transport promises.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};

/// Sends one request and collects the whole answer. It neither retries nor follows redirects.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request`, whose URI is absolute.
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>>;
}

/// No complete answer arrived. The text is deterministic: no address, no port, no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nothing was written: the request certainly had no effect.
    #[error("{0}")]
    Connect(String),
    /// The request was possibly written: it may have had an effect.
    #[error("{0}")]
    AfterSend(String),
}
