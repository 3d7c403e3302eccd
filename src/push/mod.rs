//! The push receiver: records of emnify data streams of type `RestAPI`, which only say that something should be read again, and, where
//! it is asked for, callbacks about messages ([`sms`]).
//!
//! A data stream sends one record, or a JSON array of them, with static headers; one of those is the secret. Whatever
//! arrives is answered at once: what it names is marked, and how soon it is read is up to the request budget.

mod body;
mod counters;
mod secret;
pub mod sms;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use emnify::{Gate, wire::event::Record};
use tokio::{net::TcpListener, sync::watch};

use self::sms::Sms;
pub use self::{
    counters::{Counters, Outcome, Snapshot},
    secret::Secret,
};

/// Where data streams are to send to.
const PATH: &str = "/push";
/// Methods that a data stream may use. [P]
const METHODS: [Method; 3] = [Method::POST, Method::PUT, Method::PATCH];

/// A data stream sends up to 10,000 records at a time; with the default of 3,000 they stay below this.
const MOST: usize = 1024 * 1024;

/// Takes what was received.
type Take = Arc<dyn Fn(&[Record]) + Send + Sync>;

/// What the receiver needs.
#[derive(Clone)]
pub struct Push {
    secret: Arc<Secret>,
    header: HeaderName,
    take: Take,
    /// Records go nowhere while it is shut: whoever sends tries again, and reaches who leads.
    gate: Arc<Gate>,
    counters: Arc<Counters>,
}

impl Push {
    /// Whoever sends `secret` in `header` is let in; what they send goes nowhere yet.
    pub fn new(secret: Secret, header: HeaderName) -> Self {
        Self {
            secret: Arc::new(secret),
            header,
            take: Arc::new(|_| {}),
            gate: Gate::open(),
            counters: Arc::default(),
        }
    }

    /// Hands what is received to `take`.
    #[must_use]
    pub fn taken_by(self, take: impl Fn(&[Record]) + Send + Sync + 'static) -> Self {
        Self { take: Arc::new(take), ..self }
    }

    /// Takes nothing while `gate` is shut.
    #[must_use]
    pub fn while_open(self, gate: Arc<Gate>) -> Self {
        Self { gate, ..self }
    }

    /// What came in so far.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Receives until `shutdown` says true; callbacks about messages only with `sms`.
pub async fn receive(listener: TcpListener, push: Push, sms: Option<Sms>, shutdown: watch::Receiver<bool>) {
    crate::listen::serve(listener, routes(push, sms), shutdown).await;
}

fn routes(push: Push, sms: Option<Sms>) -> Router {
    let routes = Router::new().route(PATH, any(answer)).fallback(elsewhere).with_state(push);
    match sms {
        Some(sms) => routes.route(sms::PATH, any(sms::answer).with_state(sms)),
        None => routes,
    }
}

async fn elsewhere(State(push): State<Push>) -> StatusCode {
    push.counters.count(Outcome::Path);
    StatusCode::NOT_FOUND
}

async fn answer(State(push): State<Push>, request: Request) -> Response {
    let outcome = match accept(&push, request).await {
        Ok(records) => {
            (push.take)(&records);
            push.counters.received(records.len());
            return StatusCode::NO_CONTENT.into_response();
        }
        Err(outcome) => outcome,
    };
    push.counters.count(outcome);
    tracing::debug!(outcome = outcome.as_str(), "push refused");
    match outcome {
        Outcome::Method => (outcome.status(), [(header::ALLOW, "POST, PUT, PATCH")]).into_response(),
        _ => outcome.status().into_response(),
    }
}

/// The records of a request, or why it is refused. The body is read only of those who know the secret.
async fn accept(push: &Push, request: Request) -> Result<Vec<Record>, Outcome> {
    if !push.gate.lives() {
        return Err(Outcome::Standby);
    }
    if !METHODS.contains(request.method()) {
        return Err(Outcome::Method);
    }
    let given = request.headers().get(&push.header).ok_or(Outcome::Secret)?;
    if !push.secret.is(given.as_bytes()).await {
        return Err(Outcome::Secret);
    }
    let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    if !kind.is_none_or(body::is_json) {
        return Err(Outcome::ContentType);
    }
    body::records(&body::read(request.into_body(), MOST).await?)
}
