//! Logging in, and the one live token that all callers of a client share.

mod credentials;
mod jwt;
mod login;
mod totp;

use std::sync::Arc;

use http::HeaderValue;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use secrecy::SecretString;

pub use self::credentials::Credentials;
pub(crate) use self::credentials::password_digest;
pub use self::jwt::{Identity, Jwt};
use self::login::By;
pub(crate) use self::totp::code;
use crate::error::Error;
use crate::exchange::Exchange;

/// The token in use.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) jwt: Arc<Jwt>,
    pub(crate) bearer: HeaderValue,
    serial: u64,
    /// It came from our own login and has not been accepted by any call yet.
    untried: bool,
}

/// Why a login is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is no token.
    Missing,
    /// The token with this serial was refused.
    Refused(u64),
    /// Someone asked for it.
    Asked,
    /// Someone asked for it, and not for the password of a person to be sent.
    Renewal,
}

/// Credentials and live token of a client.
#[derive(Debug)]
pub(crate) struct Auth {
    state: Mutex<State>,
    /// One login at a time; who waited for one shares its outcome.
    gate: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    credentials: Credentials,
    /// How often they were replaced.
    replaced: u64,
    /// The only organisation whose tokens are adopted.
    pinned: Option<i64>,
    live: Option<Live>,
    serial: u64,
    /// Tokens up to this serial were refused; calls wait for a newer one.
    dead: u64,
    /// The refusal of the current credentials; while it stands only an explicit login tries again.
    refused: Option<Error>,
    attempts: u64,
    last: Option<Result<Live, Error>>,
}

impl Auth {
    pub(crate) fn new(credentials: Credentials, pinned: Option<i64>) -> Self {
        let state = State {
            credentials,
            replaced: 0,
            pinned,
            live: None,
            serial: 0,
            dead: 0,
            refused: None,
            attempts: 0,
            last: None,
        };
        Self { state: Mutex::new(state), gate: tokio::sync::Mutex::new(()) }
    }

    pub(crate) fn live(&self) -> Option<Live> {
        self.lock().live.clone()
    }

    /// From now on only tokens of this organisation are adopted.
    pub(crate) fn pin(&self, organisation: i64) -> Result<(), Error> {
        let mut state = self.lock();
        if let Some(pinned) = state.pinned.filter(|pinned| *pinned != organisation) {
            return Err(Error::OtherOrganisation { pinned, found: organisation, name: String::new() });
        }
        if let Some(live) = &state.live {
            live.jwt.identity.speaks_for(organisation)?;
        }
        state.pinned = Some(organisation);
        Ok(())
    }

    /// Takes a token over, for instance one kept across a restart.
    pub(crate) fn set_token(&self, jwt: Jwt) -> Result<(), Error> {
        let mut state = self.lock();
        state.adopt(jwt, false)?;
        state.refused = None;
        Ok(())
    }

    /// Who the credentials name, if they are a person's.
    pub(crate) fn username(&self) -> Option<String> {
        match &self.lock().credentials {
            Credentials::User { username, .. } => Some(username.clone()),
            Credentials::ApplicationToken(_) | Credentials::Given => None,
        }
    }

    /// New credentials for the next login. The live token stays; a refresh token of the old ones does not.
    pub(crate) fn set_credentials(&self, credentials: Credentials) {
        let mut state = self.lock();
        state.credentials = credentials;
        state.replaced += 1;
        state.refused = None;
        if let Some(live) = &mut state.live {
            live.jwt = Arc::new(Jwt::clone(&live.jwt).with_refresh_token(None));
        }
    }

    /// A call with this token was answered with something other than 401.
    pub(crate) fn accepted(&self, serial: &Live) {
        if !serial.untried {
            return;
        }
        if let Some(live) = self.lock().live.as_mut().filter(|live| live.serial == serial.serial) {
            live.untried = false;
        }
    }

    /// What to do about a 401 to a call with this token; `None` if a token fresh from the login was refused though it has not
    /// expired at `now`, which another login would not change.
    pub(crate) fn refused(&self, used: &Live, now: Timestamp) -> Option<Reason> {
        let mut state = self.lock();
        let still_untried =
            state.live.as_ref().is_some_and(|live| live.serial == used.serial && live.untried);
        let expired = used.jwt.identity.expires_at <= now;
        if still_untried && !expired {
            return None;
        }
        state.dead = state.dead.max(used.serial);
        Some(Reason::Refused(used.serial))
    }

    /// The live token, after a login if one is needed. Callers that come while a login runs share its outcome.
    pub(crate) async fn token(&self, reason: Reason, exchange: &Exchange) -> Result<Live, Error> {
        let before = {
            let state = self.lock();
            if let Some(ready) = state.without_login(reason) {
                return ready;
            }
            state.attempts
        };
        let _turn = self.gate.lock().await;
        let by = if reason == Reason::Asked { By::Anything } else { By::NoPassword };
        loop {
            let (credentials, replaced, refresh, pinned) = {
                let state = self.lock();
                if state.attempts != before
                    && let Some(outcome) = &state.last
                {
                    return outcome.clone();
                }
                if let Some(ready) = state.without_login(reason) {
                    return ready;
                }
                let refresh = state.live.as_ref().and_then(|live| live.jwt.refresh_token.clone());
                (state.credentials.clone(), state.replaced, refresh, state.pinned)
            };
            let outcome = login::login(exchange, &credentials, refresh, pinned, by).await;
            let mut state = self.lock();
            // what credentials brought that were replaced meanwhile never takes the place of what came with the new ones
            if state.replaced == replaced {
                return state.conclude(outcome);
            }
        }
    }

    /// A JWT made from another application token; the live token stays what it is.
    pub(crate) async fn mint(&self, token: SecretString, exchange: &Exchange) -> Result<Jwt, Error> {
        login::login(exchange, &Credentials::ApplicationToken(token), None, None, By::NoPassword).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// The answer, if it needs no login.
    fn without_login(&self, reason: Reason) -> Option<Result<Live, Error>> {
        if matches!(reason, Reason::Asked | Reason::Renewal) {
            return None;
        }
        let lives = |live: &&Live| live.serial > self.dead && reason != Reason::Refused(live.serial);
        if let Some(live) = self.live.as_ref().filter(lives) {
            return Some(Ok(live.clone()));
        }
        self.refused.clone().map(Err)
    }

    fn conclude(&mut self, outcome: Result<Jwt, Error>) -> Result<Live, Error> {
        let outcome = outcome.and_then(|jwt| self.adopt(jwt, true));
        self.refused = match &outcome {
            Err(
                error @ (Error::Unauthorized { .. }
                | Error::OtherOrganisation { .. }
                | Error::Rejected { .. }),
            ) => Some(error.clone()),
            _ => None,
        };
        self.attempts += 1;
        self.last = Some(outcome.clone());
        outcome
    }

    /// The one door to the live token: a foreign one never passes it.
    fn adopt(&mut self, jwt: Jwt, untried: bool) -> Result<Live, Error> {
        if let Some(pinned) = self.pinned {
            jwt.identity.speaks_for(pinned)?;
        }
        let bearer = jwt.bearer()?;
        self.serial += 1;
        let live = Live { jwt: Arc::new(jwt), bearer, serial: self.serial, untried };
        self.live = Some(live.clone());
        Ok(live)
    }
}
