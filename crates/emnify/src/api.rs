//! A handle for calls in one lane. The operations are in the modules of [`crate::wire`].

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use parking_lot::Mutex;

use crate::auth::{Live, Reason};
use crate::call::{Call, Reply};
use crate::client::Client;
use crate::error::Error;
use crate::exchange::outcome;
use crate::lane::Lane;
use crate::limits::{Ask, Turn};

/// Makes calls in one lane. Cheap to make and to clone.
#[derive(Clone)]
pub struct Api {
    client: Client,
    lane: Lane,
    /// A turn waited for in advance.
    held: Arc<Mutex<Option<Turn>>>,
}

impl Client {
    /// A handle whose calls each wait for a turn in `lane`.
    pub fn api(&self, lane: Lane) -> Api {
        Api::new(self.clone(), lane, None)
    }

    /// Waits for a turn in `lane` now; the first call of the handle uses it.
    pub async fn turn(&self, lane: Lane) -> Api {
        let ask = Ask { month: self.organisation(), ..Ask::REQUEST };
        let turn = self.inner.exchange.limits.turn(lane, ask).await;
        Api::new(self.clone(), lane, Some(turn))
    }
}

impl Api {
    fn new(client: Client, lane: Lane, turn: Option<Turn>) -> Self {
        Self { client, lane, held: Arc::new(Mutex::new(turn)) }
    }

    /// The lane of its calls.
    pub fn lane(&self) -> Lane {
        self.lane
    }

    /// The same handle, with the turn it may hold, for calls that `client` makes: a client of the same host and organisation,
    /// so that the turn was taken from the right budget.
    #[must_use]
    pub fn by(self, client: &Client) -> Self {
        Self { client: client.clone(), ..self }
    }

    /// The client it belongs to.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads what lies at a route, which takes `args` for its `{...}`, and hands on the answer as it came, whatever it says:
    /// for whoever keeps a copy of an organisation.
    pub async fn fetch(
        &self,
        route: &'static str,
        args: Vec<String>,
        query: Vec<(&'static str, String)>,
    ) -> Result<Response<Bytes>, Error> {
        self.answer(&Call { args, query, ..Call::get(route) }).await
    }

    /// Sends `call`: with the live token, once more after one login if that token is refused.
    pub(crate) async fn call(&self, call: Call) -> Result<Reply, Error> {
        let answer = self.answer(&call).await?;
        outcome(&self.client.inner.exchange, &call, answer)
    }

    async fn answer(&self, call: &Call) -> Result<Response<Bytes>, Error> {
        let inner = &self.client.inner;
        let live = inner.auth.token(Reason::Missing, &inner.exchange).await.map_err(not_sent)?;
        let answer = self.send(call, &live).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let Some(reason) = inner.auth.refused(&live, inner.exchange.server_now()) else {
            return Ok(answer);
        };
        let live = inner.auth.token(reason, &inner.exchange).await.map_err(not_sent)?;
        self.send(call, &live).await
    }

    async fn send(&self, call: &Call, live: &Live) -> Result<Response<Bytes>, Error> {
        let inner = &self.client.inner;
        let turn = self.turn_for(call, live.jwt.identity.organisation_id).await;
        let answer = inner.exchange.send(self.lane, turn, call, Some(&live.bearer)).await?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            inner.auth.accepted(live);
        }
        Ok(answer)
    }

    /// The turn waited for in advance, else a new one. The held one may still have to wait for what it was granted without.
    async fn turn_for(&self, call: &Call, organisation: i64) -> Turn {
        let limits = self.client.limits();
        let class = call.class.map(|class| (organisation, class));
        let month = Some(organisation);
        let held = self.held.lock().take();
        let Some(held) = held else {
            return limits.turn(self.lane, Ask { class, month, ..Ask::REQUEST }).await;
        };
        let rest = Ask { class, month: month.filter(|_| held.month().is_none()), ..Ask::NOTHING };
        if rest != Ask::NOTHING {
            limits.turn(self.lane, rest).await.spend();
        }
        held
    }
}

/// A login whose outcome is not known says nothing of the call that needed it, which was not sent.
fn not_sent(error: Error) -> Error {
    match error {
        Error::Ambiguous { message } => Error::Unavailable { message },
        other => other,
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("lane", &self.lane).finish_non_exhaustive()
    }
}
