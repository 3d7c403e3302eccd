//! The production transport.

use std::{error::Error, io, time::Duration};

use ::http::{Request, Response};
use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use rustls::CertificateError;

use super::contract::{Transport, TransportError};

/// Bytes of an answer, unpacked: about ten of the largest pages.
const LARGEST_BODY: usize = 64 << 20;

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
            let mut answer = self.client.execute(request).await.map_err(|error| failed(&error))?;
            let mut parts = Response::builder().status(answer.status());
            if let Some(headers) = parts.headers_mut() {
                *headers = answer.headers().clone();
            }
            let body = collect(&mut answer, LARGEST_BODY).await?;
            Ok(parts.body(body).expect("status and headers come from a valid response"))
        })
    }
}

/// The body, unless it grows beyond `most` bytes while it is unpacked.
async fn collect(answer: &mut reqwest::Response, most: usize) -> Result<Bytes, TransportError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > most {
            return Err(TransportError::AfterSend("the answer is larger than any of emnify's".into()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn failed(error: &reqwest::Error) -> TransportError {
    if error.is_builder() {
        TransportError::Connect("the request cannot be built".into())
    } else if let Some(why) = certificate(error) {
        TransportError::Connect(format!("the server's certificate {why}"))
    } else if error.is_connect() {
        let how = if error.is_timeout() { "timed out" } else { "failed" };
        TransportError::Connect(format!("the connection {how}"))
    } else if error.is_timeout() {
        TransportError::AfterSend("no answer in time".into())
    } else {
        TransportError::AfterSend("the connection broke before the whole answer arrived".into())
    }
}

/// What is wrong with the server's certificate, if that is what went wrong. No times: they would differ at each try.
fn certificate(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
        return Some(match why {
            CertificateError::UnknownIssuer => {
                "is of an authority that is not trusted; SSL_CERT_DIR names folders of authorities"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "is for another host"
            }
            _ => "is not valid",
        });
    }
    // An I/O error hides what it wraps from `source`.
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    certificate(wrapped.map_or_else(|| error.source(), |inner| Some(inner))?)
}

fn root(error: &reqwest::Error) -> String {
    let mut source: &dyn Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_certificate_is_found_below_other_errors() {
        let refused = |why| {
            let tls = rustls::Error::InvalidCertificate(why);
            certificate(&io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls)))
        };
        let unknown = refused(CertificateError::UnknownIssuer).unwrap();
        assert!(unknown.contains("SSL_CERT_DIR"), "the message says what to do: {unknown}");
        assert_eq!(refused(CertificateError::NotValidForName), Some("is for another host"));
        assert_eq!(certificate(&io::Error::other("reset")), None);
        assert_eq!(certificate(&rustls::Error::HandshakeNotComplete), None);
    }
}
