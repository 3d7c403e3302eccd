//! How answers look on the wire: three services and a gateway, each with its own habits. [R]

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use http::header::{CONTENT_TYPE, DATE, ETAG, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::call::{Answer, Reply};
use super::refusal::Refusal;
use crate::families::{Backend, Route};
use crate::rules::php;
use crate::{Dialect, Options};

/// What the frame needs to know about a call.
pub(crate) struct Frame<'a> {
    /// The operation's implementation, where there is one.
    pub(crate) route: Option<&'a Route>,
    /// Settings.
    pub(crate) options: &'a Options,
    /// The `Host` asked for.
    pub(crate) host: &'a str,
    /// The simulated time.
    pub(crate) now: Timestamp,
}

impl Frame<'_> {
    /// Writes an answer down.
    pub(crate) fn write(&self, answer: Answer) -> Response<Body> {
        let mut response = match answer {
            Ok(reply) => self.reply(reply),
            Err(refusal) => self.refusal(&refusal),
        };
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.now).unwrap_or_default();
        set(&mut response, DATE, &date);
        response
    }

    fn reply(&self, reply: Reply) -> Response<Body> {
        let published = self.route.map_or(200, |route| route.operation.status);
        let status = reply.status.unwrap_or(published);
        let backend = self.backend();
        let mut response = dress(backend, status, reply.body.as_ref());
        if let Some(path) = reply.location {
            set(&mut response, LOCATION, &format!("http://{}{path}", self.host));
        }
        for (name, value) in reply.headers {
            set(&mut response, HeaderName::from_static(name), &value);
        }
        response
    }

    fn refusal(&self, refusal: &Refusal) -> Response<Body> {
        let body = refusal.body();
        let mut response = if refusal.by_gateway() {
            let mut response = dress(Backend::Php, refusal.status, body.as_ref());
            response.headers_mut().remove("x-amzn-remapped-server");
            set(&mut response, HeaderName::from_static("x-amzn-errortype"), "AccessDeniedException");
            set(&mut response, HeaderName::from_static("x-cache"), "Error from cloudfront");
            response
        } else if body.is_none() {
            dress(Backend::Php, refusal.status, None)
        } else {
            dress(self.backend(), refusal.status, body.as_ref())
        };
        if let Some(seconds) = refusal.retry_after {
            set(&mut response, RETRY_AFTER, &seconds.to_string());
        }
        response
    }

    fn backend(&self) -> Backend {
        match self.route.map_or(Backend::Java, |route| route.backend) {
            Backend::Moved if self.options.dialect == Dialect::D2022 => Backend::Java,
            Backend::Moved => Backend::Express,
            settled => settled,
        }
    }
}

fn dress(backend: Backend, status: u16, body: Option<&serde_json::Value>) -> Response<Body> {
    let text = body.map(|body| if backend == Backend::Php { php::encode(body) } else { body.to_string() });
    let content_type = match (backend, &text) {
        (Backend::Java, Some(_)) => Some("application/json; charset=UTF-8"),
        (Backend::Java, None) | (Backend::Php, Some(_)) => Some("application/json"),
        (Backend::Php, None) => Some("text/html; charset=UTF-8"),
        (Backend::Express | Backend::Moved, Some(_)) => Some("application/json; charset=utf-8"),
        (Backend::Express | Backend::Moved, None) => None,
    };
    let text = text.unwrap_or_default();
    let etag = (backend == Backend::Express && status == 200).then(|| {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        format!("W/\"{:x}-{:x}\"", text.len(), hasher.finish())
    });
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Some(content_type) = content_type {
        set(&mut response, CONTENT_TYPE, content_type);
    }
    match backend {
        Backend::Php => {
            set(&mut response, HeaderName::from_static("x-amzn-remapped-server"), "nginx");
            set(&mut response, HeaderName::from_static("expires"), "Thu, 19 Nov 1981 08:52:00 GMT");
        }
        Backend::Express | Backend::Moved => {
            set(&mut response, HeaderName::from_static("x-powered-by"), "Express");
        }
        Backend::Java => {}
    }
    if let Some(etag) = etag {
        set(&mut response, ETAG, &etag);
    }
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
