//! The way to the simulator, on which requests fail.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use bytes::Bytes;
use emnify::{Transport, TransportError};
use emnify_simulator::Simulator;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

use crate::clock;

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub(crate) enum Wrong {
    /// This answer instead; nothing is carried out.
    Answer(u16, Value),
    /// The API gateway says that the login may not do this.
    Forbidden,
    /// The connection breaks after it was written.
    Broken,
    /// It is carried out, and the answer cannot be read.
    Garbled,
    /// It is carried out after this time.
    Slow(Duration),
}

impl Wrong {
    /// One for each variant of `emnify::Error`, and what else a way to emnify does.
    pub(crate) fn all() -> Vec<Self> {
        let error = |code: i64, message: &str| json!({"error_code": code, "message": message});
        vec![
            Self::Answer(422, error(1400, "no")),
            Self::Answer(403, error(1104, "no")),
            Self::Answer(404, error(1401, "does not exist")),
            Self::Answer(404, error(1601, "No IP address available")),
            Self::Answer(409, error(1403, "conflict")),
            Self::Answer(401, error(1, "no")),
            Self::Answer(429, error(0, "slow down")),
            Self::Answer(500, error(0, "broken")),
            Self::Forbidden,
            Self::Broken,
            Self::Garbled,
        ]
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(status, body) => write!(f, "{status} {body}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// One request.
#[derive(Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    query: String,
    /// The token that it was sent with.
    pub(crate) bearer: String,
    /// Since requests began to fail.
    pub(crate) after: Duration,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} after {:?}", self.method, self.path, self.after)
    }
}

impl Asked {
    /// It has to do with what is called so in paths.
    pub(crate) fn is(&self, what: &str) -> bool {
        self.path.contains(what)
    }

    /// It asks for events of a kind only.
    pub(crate) fn narrows(&self, field: &str) -> bool {
        self.path.ends_with("/v1/event") && self.query.contains(&format!("{field}%3A"))
    }

    /// It asks for news, for whoever they are, or logs in.
    pub(crate) fn listens(&self) -> bool {
        let sorted = self.query.contains("sort=-");
        (self.method == "GET" && (self.path.ends_with("/event") || sorted))
            || self.path.contains("/authenticate")
    }
}

type Strikes = Arc<dyn Fn(&Asked) -> bool + Send + Sync>;

#[derive(Default)]
struct Inner {
    fault: Option<(Strikes, Wrong, Instant)>,
    /// Everything since requests began to fail.
    asked: Vec<Asked>,
    struck: Vec<Asked>,
    carried: Vec<String>,
    bodies: Vec<Bytes>,
}

/// A transport that ends at a simulator in memory.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) simulator: Simulator,
    /// Its front: making one is a seventh of all that these tests compute.
    router: Router,
    inner: Arc<Mutex<Inner>>,
}

impl Wire {
    pub(crate) fn to(simulator: Simulator) -> Self {
        Self { router: simulator.router(), simulator, inner: Arc::default() }
    }

    /// From now on these requests fail.
    pub(crate) fn fail(&self, strikes: impl Fn(&Asked) -> bool + Send + Sync + 'static, wrong: Wrong) {
        self.inner.lock().unwrap().fault = Some((Arc::new(strikes), wrong, Instant::now()));
    }

    /// The next of these requests fails.
    pub(crate) fn fail_once(&self, strikes: impl Fn(&Asked) -> bool + Send + Sync + 'static, wrong: Wrong) {
        let failed = AtomicBool::new(false);
        self.fail(move |asked| strikes(asked) && !failed.swap(true, Ordering::Relaxed), wrong);
    }

    /// The next of these requests is answered that what it names does not exist, and is not carried out.
    pub(crate) fn deny_once(&self, strikes: impl Fn(&Asked) -> bool + Send + Sync + 'static) {
        let denied = json!({"error_code": 1201, "message": "does not exist"});
        self.fail_once(strikes, Wrong::Answer(404, denied));
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.inner.lock().unwrap().fault = None;
    }

    /// All requests since some began to fail, whatever was answered.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner.lock().unwrap().asked.clone()
    }

    /// The requests that failed.
    pub(crate) fn struck(&self) -> Vec<Asked> {
        self.inner.lock().unwrap().struck.clone()
    }

    /// Method and path of the requests that the simulator answered.
    pub(crate) fn carried(&self) -> Vec<String> {
        self.inner.lock().unwrap().carried.clone()
    }

    /// The same, each with its body.
    pub(crate) fn carried_with_bodies(&self) -> Vec<(String, String)> {
        let inner = self.inner.lock().unwrap();
        let bodies = inner.bodies.iter().map(|body| String::from_utf8_lossy(body).into_owned());
        inner.carried.iter().cloned().zip(bodies).collect()
    }

    /// Some request that the simulator answered had this text in its body.
    pub(crate) fn sent(&self, text: &str) -> bool {
        let inner = self.inner.lock().unwrap();
        inner.bodies.iter().any(|body| String::from_utf8_lossy(body).contains(text))
    }

    fn strike(&self, request: &Request<Bytes>) -> Option<Wrong> {
        let mut inner = self.inner.lock().unwrap();
        let (strikes, wrong, since) = inner.fault.clone()?;
        let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let asked = Asked {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            bearer: bearer.unwrap_or_default().trim_start_matches("Bearer ").to_owned(),
            after: since.elapsed(),
        };
        inner.asked.push(asked.clone());
        if !strikes(&asked) {
            return None;
        }
        inner.struck.push(asked);
        Some(wrong)
    }

    async fn carry(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let what = format!("{} {}", request.method(), request.uri().path());
        {
            let mut inner = self.inner.lock().unwrap();
            inner.carried.push(what);
            inner.bodies.push(request.body().clone());
        }
        self.simulator.set_clock(clock::now());
        let request = request.map(axum::body::Body::from);
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|e| TransportError::AfterSend(e.to_string()))?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.header("date", clock::http_date()).body(Bytes::from(body.to_string())).unwrap()
}

impl Transport for Wire {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.at_once(request).await
        })
    }
}

impl Wire {
    /// The same without the time that a request takes.
    pub(crate) fn at_once(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            match self.strike(&request) {
                None => self.carry(request).await,
                Some(Wrong::Answer(status, body)) => Ok(answer(status, &body)),
                Some(Wrong::Forbidden) => {
                    let mut refusal = answer(403, &json!({"message": "no"}));
                    refusal
                        .headers_mut()
                        .insert("x-amzn-errortype", "AccessDeniedException".parse().unwrap());
                    Ok(refusal)
                }
                Some(Wrong::Broken) => Err(TransportError::AfterSend("the connection was reset".into())),
                Some(Wrong::Slow(time)) => {
                    tokio::time::sleep(time).await;
                    self.carry(request).await
                }
                Some(Wrong::Garbled) => {
                    let carried = self.carry(request).await?;
                    Ok(carried.map(|_| Bytes::from_static(b"[{\"id\": \"x\", \"volume\": \"many\"}]")))
                }
            }
        })
    }
}
