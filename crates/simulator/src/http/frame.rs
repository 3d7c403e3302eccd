//! How answers look on the wire: three services and a gateway, each with its own habits. [R]

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, EXPIRES, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use hyper::ext::ReasonPhrase;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::call::{Answer, Reply};
use super::front;
use super::order::{self, Order};
use super::refusal::Refusal;
use crate::resources::route::{Backend, Route};
use crate::rules::php;
use crate::{Dialect, Options};

/// The PHP service's privacy policy in short.
const PRIVACY: &str = "CP=\"NOI ADM DEV PSAi COM NAV OUR OTRo STP IND DEM\"";

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
    /// Number of the call.
    pub(crate) number: u64,
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
        if response.headers().contains_key(EXPIRES) {
            set(&mut response, EXPIRES, &date);
        }
        let status = response.status().as_u16();
        front::dress(response.headers_mut(), status, self.number);
        if status == 422 {
            response.extensions_mut().insert(ReasonPhrase::from_static(b""));
        }
        response
    }

    fn reply(&self, reply: Reply) -> Response<Body> {
        let published = self.route.map_or(200, |route| route.operation.status);
        let status = reply.status.unwrap_or(published);
        let backend = self.backend();
        let order = self
            .route
            .map_or(order::NONE, |route| order::of(&route.operation.operation, self.options.dialect));
        let mut response = dress(backend, status, reply.body.as_ref(), order);
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
            let mut response = dress(Backend::Php, refusal.status, body.as_ref(), order::ERROR);
            for name in ["x-amzn-remapped-server", "expires", "p3p"] {
                response.headers_mut().remove(name);
            }
            set(&mut response, HeaderName::from_static("x-amzn-errortype"), "AccessDeniedException");
            response
        } else if body.is_none() {
            dress(Backend::Php, refusal.status, None, order::NONE)
        } else {
            dress(self.backend(), refusal.status, body.as_ref(), order::ERROR)
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

fn dress(backend: Backend, status: u16, body: Option<&serde_json::Value>, order: Order) -> Response<Body> {
    let text = body.map(|body| order::encode(body, order));
    let text = if backend == Backend::Php { text.map(|text| php::escape(&text)) } else { text };
    let content_type = match (backend, &text) {
        (Backend::Java, Some(_)) => Some("application/json; charset=UTF-8"),
        (Backend::Java, None) | (Backend::Php, Some(_)) => Some("application/json"),
        (Backend::Php, None) => Some("text/html; charset=UTF-8"),
        (Backend::Express | Backend::Moved, Some(_)) => Some("application/json; charset=utf-8"),
        (Backend::Express | Backend::Moved, None) => None,
    };
    let empty = text.is_none();
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
            set(&mut response, HeaderName::from_static("p3p"), PRIVACY);
            // With a body: the moment of the answer.
            if !empty {
                set(&mut response, EXPIRES, "");
            }
        }
        Backend::Express | Backend::Moved => {
            set(&mut response, HeaderName::from_static("x-powered-by"), "Express");
        }
        Backend::Java => {}
    }
    if empty {
        // Also on a 204, which by the standard has none; over TCP the server takes it off again.
        set(&mut response, CONTENT_LENGTH, "0");
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
