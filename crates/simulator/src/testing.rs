//! Drives a simulator in memory, for this crate's own tests.

use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{Options, Simulator};

/// A logged-in client.
pub(crate) struct Driver {
    /// The simulator it talks to.
    pub(crate) simulator: Simulator,
    /// The JWT it sends.
    pub(crate) token: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// Null when empty.
    pub(crate) body: Value,
    /// The same as it was written.
    pub(crate) text: String,
}

impl Answered {
    /// A header as text, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The number at the end of `Location`.
    pub(crate) fn new_id(&self) -> u64 {
        self.header("location")
            .rsplit('/')
            .next()
            .unwrap_or("")
            .parse()
            .expect("a Location that ends in an id")
    }
}

impl Driver {
    /// The example workspace, logged in with its application token.
    pub(crate) async fn example() -> Self {
        Self::start(Options::default()).await
    }

    /// A workspace with the example's token, logged in.
    pub(crate) async fn start(options: Options) -> Self {
        let mut driver = Self::anonymous(options);
        driver.login("example-token").await;
        driver
    }

    /// The example workspace, as a person who administers it and observes the other one.
    pub(crate) async fn ada() -> Self {
        let mut driver = Self::anonymous(Options::default());
        driver.login_ada().await;
        driver
    }

    /// Logs in as that person.
    pub(crate) async fn login_ada(&mut self) {
        let login =
            json!({"username": "ada@example.com", "password": "2f9e53523b62abc141a2b4d6019d23cba835dbd0"});
        let answered = self.post("/api/v1/authenticate", login).await;
        self.token = answered.body["auth_token"].as_str().expect("a successful log-in").to_owned();
    }

    /// Not logged in.
    pub(crate) fn anonymous(options: Options) -> Self {
        Self { simulator: Simulator::start(options), token: String::new() }
    }

    /// Logs in with an application token.
    pub(crate) async fn login(&mut self, application_token: &str) {
        let answered =
            self.call("POST", "/api/v1/authenticate", json!({"application_token": application_token})).await;
        self.token = answered.body["auth_token"].as_str().expect("a successful log-in").to_owned();
    }

    /// Sends a request; a null body is none.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Value) -> Answered {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "simulator")
            .header("authorization", format!("Bearer {}", self.token))
            .body(body)
            .expect("a request");
        let response = self.simulator.router().oneshot(request).await.expect("a router never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let body =
            if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("a JSON body") };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answered { status: parts.status.as_u16(), headers: parts.headers, body, text }
    }

    /// GET.
    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.call("GET", path, Value::Null).await
    }

    /// DELETE without a body.
    pub(crate) async fn delete(&self, path: &str) -> Answered {
        self.call("DELETE", path, Value::Null).await
    }

    /// PUT without a body.
    pub(crate) async fn put(&self, path: &str) -> Answered {
        self.call("PUT", path, Value::Null).await
    }

    /// POST.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answered {
        self.call("POST", path, body).await
    }

    /// PATCH.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answered {
        self.call("PATCH", path, body).await
    }

    /// Ids of the types of all events, oldest first.
    pub(crate) fn event_types(&self) -> Vec<u64> {
        self.simulator.inspect(|state| {
            let org = state.organisations.values().next().expect("an organisation");
            org.events.values().map(|event| event.event_type).collect()
        })
    }
}
