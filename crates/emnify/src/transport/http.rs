//! The production transport.

use std::time::Duration;

use ::http::{Request, Response};
use bytes::Bytes;
use futures::future::BoxFuture;

use super::{Transport, TransportError};

/// Settings of an [`HttpTransport`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTransportConfig {
    /// Until a connection stands, TLS included.
    pub connect_timeout: Duration,
    /// Until the whole answer is read; above the 30 s after which the front door gives up.
    pub total_timeout: Duration,
    /// Who calls, for the `User-Agent` in brackets behind name and version; visible ASCII and spaces.
    pub caller: Option<String>,
}

impl Default for HttpTransportConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(60),
            caller: None,
        }
    }
}

/// HTTP over TCP and TLS with a connection pool. No redirects: a token goes to one origin only.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
}

impl HttpTransport {
    /// A pool with these timeouts. Fails if the process has no usable TLS roots or proxy settings.
    pub fn new(config: HttpTransportConfig) -> Result<Self, TransportError> {
        let agent = concat!("emnify-operator/", env!("CARGO_PKG_VERSION"));
        let agent = config.caller.map_or_else(|| agent.to_owned(), |caller| format!("{agent} ({caller})"));
        reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .timeout(config.total_timeout)
            .redirect(reqwest::redirect::Policy::none())
            // Retrying is the caller's decision: the pool must not repeat a create.
            .retry(reqwest::retry::never())
            .user_agent(agent)
            .build()
            .map(|client| Self { client })
            .map_err(|error| {
                TransportError::Connect(format!("the HTTP client cannot start: {}", root(&error)))
            })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            let request = request.try_into().map_err(|error| failed(&error))?;
            let answer = self.client.execute(request).await.map_err(|error| failed(&error))?;
            let mut parts = Response::builder().status(answer.status());
            if let Some(headers) = parts.headers_mut() {
                *headers = answer.headers().clone();
            }
            let body = answer.bytes().await.map_err(|error| failed(&error))?;
            Ok(parts.body(body).expect("status and headers come from a valid response"))
        })
    }
}

fn failed(error: &reqwest::Error) -> TransportError {
    if error.is_builder() {
        TransportError::Connect("the request cannot be built".into())
    } else if error.is_connect() {
        let how = if error.is_timeout() { "timed out" } else { "failed" };
        TransportError::Connect(format!("the connection {how}"))
    } else if error.is_timeout() {
        TransportError::AfterSend("no answer in time".into())
    } else {
        TransportError::AfterSend("the connection broke before the whole answer arrived".into())
    }
}

fn root(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}
