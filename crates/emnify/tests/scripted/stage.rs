//! A transport that answers from a closure and remembers what it was asked.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use emnify::{BaseUrl, Client, Config, Credentials, HostLimits, Transport, TransportError};
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::{Value, json};

pub(crate) type Answer = Result<Response<Bytes>, TransportError>;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) bearer: Option<String>,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn is_login(&self) -> bool {
        self.path == "/api/v1/authenticate"
    }
}

type Script = dyn Fn(&Asked, usize) -> Answer + Send + Sync;

/// Answers a request, given how many came before it. The answer comes 10 ms later.
pub(crate) struct Stage {
    script: Box<Script>,
    asked: Mutex<Vec<Asked>>,
}

impl Stage {
    pub(crate) fn new(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), asked: Mutex::default() })
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn logins(&self) -> usize {
        self.asked().iter().filter(|asked| asked.is_login()).count()
    }

    pub(crate) fn client(self: &Arc<Self>, credentials: Credentials) -> Client {
        let base = BaseUrl::parse("https://emnify.example").unwrap();
        Client::new(Config::new(
            base,
            credentials,
            Arc::clone(self) as Arc<dyn Transport>,
            HostLimits::new(1.0),
        ))
    }

    /// A client with an application token.
    pub(crate) fn app_client(self: &Arc<Self>) -> Client {
        self.client(Credentials::ApplicationToken("app-token-hush".to_owned().into()))
    }
}

impl Transport for Stage {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Answer> {
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let asked = Asked {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            bearer: header("authorization").map(|value| value.replace("Bearer ", "")),
            body: serde_json::from_slice(request.body()).unwrap_or(Value::Null),
        };
        let answer = {
            let mut all = self.asked.lock().unwrap();
            let answer = (self.script)(&asked, all.len());
            all.push(asked);
            answer
        };
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            answer
        })
    }
}

#[allow(clippy::unnecessary_wraps, reason = "scripts answer or fail")]
pub(crate) fn answer(status: u16, body: &Value) -> Answer {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Ok(Response::builder().status(status).body(body).unwrap())
}

/// A JWT of organisation 42 with this serial number in it.
pub(crate) fn jwt(serial: usize) -> String {
    jwt_of(42, serial)
}

/// A JWT of any organisation.
pub(crate) fn jwt_of(organisation: i64, serial: usize) -> String {
    let claims = json!({"esc.org": organisation, "esc.orgName": "Example", "esc.app": 7, "iat": 4_000_000_000_u64, "exp": 4_000_014_400_u64,
                        "serial": serial});
    format!("eyJhbGciOiJIUzM4NCJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

pub(crate) fn logged_in(serial: usize) -> Answer {
    answer(200, &json!({"auth_token": jwt(serial)}))
}
