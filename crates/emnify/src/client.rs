//! The client of one organisation on one host.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::auth::{Auth, Credentials, Identity, Jwt, Reason};
use crate::base_url::BaseUrl;
use crate::error::Error;
use crate::exchange::Exchange;
use crate::gate::Gate;
use crate::limits::{HostLimits, Ledger, Pace};
use crate::transport::Transport;

/// What a client needs.
pub struct Config {
    /// The host.
    pub base_url: BaseUrl,
    /// How to log in.
    pub credentials: Credentials,
    /// What carries the requests.
    pub transport: Arc<dyn Transport>,
    /// The budget, shared by all clients of the host.
    pub limits: Arc<HostLimits>,
    /// After how long a request counts as unanswered; at or above the transport's own timeout in production.
    pub request_timeout: Duration,
    /// Asked before every request.
    pub gate: Arc<Gate>,
    /// The organisation that the client works for, where it is known before the first login; see [`Client::pin`].
    pub organisation: Option<i64>,
}

impl Config {
    /// A request timeout above the 30 s after which the front door gives up.
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

    /// A configuration with the usual timeout and an open gate.
    pub fn new(
        base_url: BaseUrl,
        credentials: Credentials,
        transport: Arc<dyn Transport>,
        limits: Arc<HostLimits>,
    ) -> Self {
        Self {
            base_url,
            credentials,
            transport,
            limits,
            request_timeout: Self::REQUEST_TIMEOUT,
            gate: Gate::open(),
            organisation: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("base_url", &self.base_url.to_string()).finish_non_exhaustive()
    }
}

/// A client; clones share everything.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) exchange: Exchange,
    pub(crate) auth: Auth,
}

impl Client {
    /// A client that has not logged in yet.
    pub fn new(config: Config) -> Self {
        let exchange = Exchange {
            base: config.base_url,
            transport: config.transport,
            limits: config.limits,
            timeout: config.request_timeout,
            gate: RwLock::new(config.gate),
        };
        Self { inner: Arc::new(Inner { exchange, auth: Auth::new(config.credentials, config.organisation) }) }
    }

    /// Logs in now, whatever token there is, and replaces it: for the first login, for refreshing, and as a probe of refused
    /// credentials. Callers that come while a login runs share its outcome; a refused login is not repeated. Only this sends a
    /// person's password: a login that ends without a refresh token stays ended until then. [`Error::Ambiguous`] where the
    /// password may have been refused and the answer was lost; of anything else that is no refusal, it was not looked at.
    pub async fn login(&self) -> Result<Identity, Error> {
        let live = self.inner.auth.token(Reason::Asked, &self.inner.exchange).await?;
        Ok(live.jwt.identity.clone())
    }

    /// The same with the refresh token alone, or with an application token.
    pub async fn renew(&self) -> Result<Identity, Error> {
        let live = self.inner.auth.token(Reason::Renewal, &self.inner.exchange).await?;
        Ok(live.jwt.identity.clone())
    }

    /// Pins the client to an organisation, for good: from now on a token of another one is refused with
    /// [`Error::OtherOrganisation`], whether it comes from a login, a refresh, a login after a 401 or [`Client::set_token`],
    /// and the live token stays. A user's login that lands in another workspace is switched to this one [S]. Fails, and
    /// changes nothing, if the live token or an earlier pin names another organisation.
    pub fn pin(&self, organisation: i64) -> Result<(), Error> {
        self.inner.auth.pin(organisation)
    }

    /// The e-mail address that it logs in with; `None` for an application token.
    pub fn username(&self) -> Option<String> {
        self.inner.auth.username()
    }

    /// Who the live token speaks for; `None` before the first login.
    pub fn identity(&self) -> Option<Identity> {
        self.inner.auth.live().map(|live| live.jwt.identity.clone())
    }

    /// The live token, to keep it across a restart.
    pub fn token(&self) -> Option<Jwt> {
        self.inner.auth.live().map(|live| Jwt::clone(&live.jwt))
    }

    /// Uses a token that was kept, instead of logging in. [`Error::OtherOrganisation`] if the client is pinned to another one.
    pub fn set_token(&self, jwt: Jwt) -> Result<(), Error> {
        self.inner.auth.set_token(jwt)
    }

    /// Uses other credentials from the next login on. The live token stays in use: whoever swaps credentials has tried them
    /// with a client of their own and hands its token over with [`Client::set_token`].
    pub fn set_credentials(&self, credentials: Credentials) {
        self.inner.auth.set_credentials(credentials);
    }

    /// Logs in with another application token and leaves the client's own login alone: a JWT to hand out.
    pub(crate) async fn mint(&self, application_token: SecretString) -> Result<Jwt, Error> {
        self.inner.auth.mint(application_token, &self.inner.exchange).await
    }

    /// When the live token should be replaced by [`Client::login`]: `now` or later; `None` without a token.
    pub fn refresh_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.identity().map(|identity| identity.refresh_at().max(now))
    }

    /// The host.
    pub fn base_url(&self) -> &BaseUrl {
        &self.inner.exchange.base
    }

    /// The budget this client draws on.
    pub fn limits(&self) -> &Arc<HostLimits> {
        &self.inner.exchange.limits
    }

    /// From the next request on asks this gate.
    pub fn set_gate(&self, gate: Arc<Gate>) {
        *self.inner.exchange.gate.write() = gate;
    }

    /// Creates have to wait, for what a former leader may have under way.
    pub fn creates_held(&self) -> Option<Duration> {
        self.inner.exchange.gate().creates_held()
    }

    /// From when on creates may be sent again, past or to come; `None` where no former leader is waited for.
    pub fn creates_from(&self) -> Option<Instant> {
        self.inner.exchange.gate().creates_from()
    }

    /// The server's time: its last `Date`, moved on; this machine's clock before the first answer.
    pub fn server_time(&self) -> Timestamp {
        self.inner.exchange.server_now()
    }

    /// Requests of the month for the organisation; nothing before the first login.
    pub fn ledger(&self) -> Ledger {
        self.organisation().map(|id| self.limits().ledger(id)).unwrap_or_default()
    }

    /// Whether the month's quota holds requests up.
    pub fn pace(&self) -> Pace {
        self.organisation().map(|id| self.limits().pace(id)).unwrap_or_default()
    }

    /// Continues the count of the month after a restart. Does nothing before the first login.
    pub fn restore_ledger(&self, earlier: &Ledger) {
        if let Some(id) = self.organisation() {
            self.limits().restore_ledger(id, earlier);
        }
    }

    /// Sets how many percent (1 to 100) of the organisation's monthly quota may be used. Does nothing before the first login.
    pub fn set_month_share(&self, percent: u8) {
        if let Some(id) = self.organisation() {
            self.limits().set_month_share(id, percent);
        }
    }

    pub(crate) fn organisation(&self) -> Option<i64> {
        self.inner.auth.live().map(|live| live.jwt.identity.organisation_id)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.base_url().to_string())
            .field("identity", &self.identity())
            .finish_non_exhaustive()
    }
}
