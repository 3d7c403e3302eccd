//! Callbacks about messages: `POST` for a message of a device, `PATCH` for a receipt, each with a token that a key of
//! `--sms-secret-file` signed. [D]
//!
//! They are answered at once: what they tell is handed on in memory, and nobody waits for Kubernetes or emnify. What a message says is
//! neither read nor kept.

mod counters;
mod keys;
mod seen;
#[cfg(test)]
mod tests;
mod token;

use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use emnify::{
    Gate,
    wire::sms::{Callback, status},
};
use emnify_engine::kind::message::{Heard, Message, MessageNews};
use jiff::Timestamp;
use parking_lot::Mutex;

pub use self::{
    counters::{Counters, Refused, Snapshot},
    keys::Keys,
};
use self::{seen::Seen, token::Token};
use super::{Outcome, body};

/// Where callbacks are to go.
pub(super) const PATH: &str = "/sms";
/// A message has 160 characters, and what stands around it is not much.
const MOST: usize = 16 * 1024;
/// Digits of a telephone number, and some.
const LONGEST_ADDRESS: usize = 64;

/// Takes what was told.
type Take = Arc<dyn Fn(&Message) -> Heard + Send + Sync>;

/// What the receiver needs.
#[derive(Clone)]
pub struct Sms {
    keys: Arc<Keys>,
    seen: Arc<Mutex<Seen>>,
    take: Take,
    /// Nothing is taken while it is shut: whoever sends tries again, and reaches who leads.
    gate: Arc<Gate>,
    counters: Arc<Counters>,
}

impl Sms {
    /// Whoever signs with one of the keys is let in; what they tell goes nowhere yet.
    pub fn new(keys: Keys) -> Self {
        Self {
            keys: Arc::new(keys),
            seen: Arc::default(),
            take: Arc::new(|_| Heard::Elsewhere),
            gate: Gate::open(),
            counters: Arc::default(),
        }
    }

    /// Hands what is told to `take`.
    #[must_use]
    pub fn taken_by(self, take: impl Fn(&Message) -> Heard + Send + Sync + 'static) -> Self {
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

impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms").field("keys", &self.keys).finish_non_exhaustive()
    }
}

pub(super) async fn answer(State(sms): State<Sms>, request: Request) -> Response {
    let refused = match accept(&sms, request).await {
        Ok(news) => {
            if let Some(news) = news {
                sms.counters.taken(news == MessageNews::Received);
            }
            return StatusCode::NO_CONTENT.into_response();
        }
        Err(refused) => refused,
    };
    sms.counters.count(refused);
    tracing::debug!(outcome = refused.as_str(), "callback refused");
    match refused {
        Refused::Method => (refused.status(), [(header::ALLOW, "POST, PATCH")]).into_response(),
        _ => refused.status().into_response(),
    }
}

/// What a callback told, nothing where that was told before, or why it is refused. The body is read only of those who have a key.
async fn accept(sms: &Sms, request: Request) -> Result<Option<MessageNews>, Refused> {
    if !sms.gate.lives() {
        return Err(Refused::Standby);
    }
    let method = request.method().clone();
    if ![Method::POST, Method::PATCH].contains(&method) {
        return Err(Refused::Method);
    }
    let token = token(sms, request.headers()).await?;
    let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    if !kind.is_none_or(body::is_json) {
        return Err(Refused::ContentType);
    }
    let body = body::read(request.into_body(), MOST).await.map_err(|outcome| match outcome {
        Outcome::TooLarge => Refused::TooLarge,
        Outcome::Slow => Refused::Slow,
        _ => Refused::Malformed,
    })?;
    let message = message(&method, &body, token.organisation)?;
    hand_on(sms, &token, &body, &message)
}

/// Each token once, and each message once whoever signs it anew: emnify may not have heard our answer.
fn hand_on(sms: &Sms, token: &Token, body: &[u8], message: &Message) -> Result<Option<MessageNews>, Refused> {
    let (call, told, now) = (token.mark(body), seen::told(message), Timestamp::now().as_second());
    // of two alike that come at once one is taken
    let mut seen = sms.seen.lock();
    seen.is_new(&call, now)?;
    let news = if seen.knows(&told) {
        None
    } else {
        match (sms.take)(message) {
            Heard::Here => Some(message.news),
            Heard::Elsewhere => return Err(Refused::Elsewhere),
            Heard::Nowhere => return Err(Refused::Organisation),
        }
    };
    seen.taken([call, told], token.until);
    Ok(news)
}

async fn token(sms: &Sms, headers: &HeaderMap) -> Result<Token, Refused> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let only = given.next().filter(|_| given.next().is_none()).ok_or(Refused::Token)?;
    let (scheme, token) = only.to_str().ok().and_then(|only| only.split_once(' ')).ok_or(Refused::Token)?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Refused::Token);
    }
    token::read(token, &sms.keys.now().await, Timestamp::now().as_second())
}

/// What a body says, but for the text of the message. That of a receipt is not published: the message's id and a state are looked for. [?]
fn message(method: &Method, body: &[u8], speaks_for: Option<i64>) -> Result<Message, Refused> {
    let Callback { id, organisation, endpoint, dest_address, status } =
        serde_json::from_slice(body).map_err(|_| Refused::Malformed)?;
    let news = match status {
        _ if *method == Method::POST => MessageNews::Received,
        Some(status::DELIVERED) => MessageNews::Delivered,
        Some(over) if over >= status::FAILED => MessageNews::Failed,
        Some(_) => MessageNews::OnItsWay,
        None => return Err(Refused::Malformed),
    };
    if news == MessageNews::Received && (organisation.is_none() || endpoint.is_none()) {
        return Err(Refused::Malformed);
    }
    if organisation.zip(speaks_for).is_some_and(|(named, signed)| named != signed) {
        return Err(Refused::Organisation);
    }
    let dest_address = dest_address.filter(|address| !address.is_empty());
    if dest_address.as_ref().is_some_and(|address| address.len() > LONGEST_ADDRESS) {
        return Err(Refused::Malformed);
    }
    let organisation = organisation.or(speaks_for).map(|id| id.to_string());
    Ok(Message { organisation, endpoint, id, news, dest_address })
}
