//! The login flows of `POST /api/v1/authenticate` [R][S], and the switch to another workspace of a user [S].

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::credentials::{Credentials, password_digest};
use super::jwt::Jwt;
use super::totp;
use crate::call::Call;
use crate::classify::{LOGIN, SWITCH};
use crate::error::Error;
use crate::exchange::{Exchange, outcome};
use crate::lane::Lane;
use crate::limits::Ask;
use crate::wire::Ref;
use crate::wire::record::record;

#[derive(Serialize, Default)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    application_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_device: Option<TrustedDevice<'a>>,
}

#[derive(Serialize)]
struct TrustedDevice<'a> {
    fingerprint: &'a str,
    operating_system: &'a str,
    browser: &'a str,
    name: &'a str,
}

record!(
    #[derive(Default)]
    #[allow(clippy::struct_field_names, reason = "the API's own words")]
    struct Tokens {
        auth_token: Option<SecretString>,
        refresh_token: Option<SecretString>,
        mfa_token: Option<SecretString>,
    }
);

#[derive(Serialize)]
struct Target {
    target_organisation: Ref,
}

/// Logs in, and if a user's login lands in another workspace than the pinned one, switches to that. A token that cannot be
/// switched is returned as it is, for its organisation to be told.
pub(super) async fn login(
    exchange: &Exchange,
    credentials: &Credentials,
    refresh: Option<SecretString>,
    pinned: Option<i64>,
    by: By,
) -> Result<Jwt, Error> {
    let jwt = enter(exchange, credentials, refresh, by).await?;
    match (pinned, credentials) {
        (Some(pinned), Credentials::User { .. }) if jwt.identity.speaks_for(pinned).is_err() => {
            switch(exchange, jwt, pinned).await
        }
        _ => Ok(jwt),
    }
}

/// A token for another workspace of the same user; an application token has one only [S].
async fn switch(exchange: &Exchange, jwt: Jwt, organisation: i64) -> Result<Jwt, Error> {
    let body = Target { target_organisation: organisation.into() };
    let call = Call::post(SWITCH).body(&body).repeatable(true).sensitive();
    let month = Some(jwt.identity.organisation_id);
    let turn = exchange.limits.turn(Lane::Safety, Ask { month, ..Ask::REQUEST }).await;
    let answer = exchange.send(Lane::Safety, turn, &call, Some(&jwt.bearer()?)).await?;
    match outcome(exchange, &call, answer) {
        Ok(reply) => Ok(token(reply.json()?, jwt.refresh_token)?),
        // not a member there: the caller learns whose login it is
        Err(Error::Unauthorized { .. } | Error::Rejected { .. }) => Ok(jwt),
        Err(other) => Err(other),
    }
}

/// By what a login may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Whatever there is.
    Anything,
    /// Not a person's password, which only the owner of the client has sent: three refusals lock the person out [S].
    NoPassword,
}

/// Logs in: with the refresh token if there is one, else (or if it is refused) with the credentials, each at most once.
async fn enter(
    exchange: &Exchange,
    credentials: &Credentials,
    refresh: Option<SecretString>,
    by: By,
) -> Result<Jwt, Error> {
    if let Some(refresh) = refresh {
        let body = Body { refresh_token: Some(refresh.expose_secret()), ..Body::default() };
        match post(exchange, &body).await {
            Ok(tokens) => return finish(exchange, tokens, Some(refresh)),
            Err(Error::Unauthorized { .. } | Error::Rejected { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    match credentials {
        Credentials::ApplicationToken(token) => {
            let body = Body { application_token: Some(token.expose_secret()), ..Body::default() };
            finish(exchange, post(exchange, &body).await?, None)
        }
        Credentials::Given => Err(Error::Unauthorized {
            status: 401,
            message: "the token that was given is over or refused, and there is nothing to log in with"
                .into(),
        }),
        Credentials::User { .. } if by == By::NoPassword => Err(Error::Unauthorized {
            status: 401,
            message: "the login has ended, and a password is sent only when asked for".into(),
        }),
        Credentials::User { username, password, totp_key, trusted_device, mfa_code } => {
            let password = password_digest(password);
            let fingerprint = trusted_device.as_ref().map(ExposeSecret::expose_secret);
            let body = Body {
                username: Some(username),
                password: Some(password.expose_secret()),
                fingerprint,
                ..Body::default()
            };
            let tokens = post(exchange, &body).await?;
            let Some(mfa_token) = tokens.mfa_token else { return finish(exchange, tokens, None) };
            let code = second_factor(exchange, totp_key.as_ref(), mfa_code.as_ref())?;
            let device = fingerprint.map(|fingerprint| TrustedDevice {
                fingerprint,
                operating_system: std::env::consts::OS,
                browser: "emnify-operator",
                name: "emnify-operator",
            });
            let body = Body {
                mfa_token: Some(mfa_token.expose_secret()),
                code: Some(code.expose_secret()),
                trusted_device: device,
                ..Body::default()
            };
            finish(exchange, post(exchange, &body).await?, None)
        }
    }
}

/// A code of the key at the server's time, else the code given for registering a device.
fn second_factor(
    exchange: &Exchange,
    key: Option<&SecretString>,
    code: Option<&SecretString>,
) -> Result<SecretString, Error> {
    let missing = |message: &str| Error::Unauthorized { status: 0, message: message.into() };
    match (key, code) {
        (Some(key), _) => {
            totp::code(key, exchange.server_now()).ok_or_else(|| missing("the TOTP key is not base32"))
        }
        (None, Some(code)) => Ok(code.clone()),
        (None, None) => Err(missing("the user needs a second factor: give a TOTP key or a trusted device")),
    }
}

async fn post(exchange: &Exchange, body: &Body<'_>) -> Result<Tokens, Error> {
    let tells_on = body.password.is_some() || body.code.is_some();
    let call = Call::post(LOGIN).body(body).repeatable(true).sensitive().tells_on(tells_on);
    let turn = exchange.limits.turn(Lane::Safety, Ask::LOGIN).await;
    let answer = exchange.send(Lane::Safety, turn, &call, None).await?;
    outcome(exchange, &call, answer)?.json()
}

fn token(tokens: Tokens, refresh: Option<SecretString>) -> Result<Jwt, Error> {
    let token =
        tokens.auth_token.ok_or_else(|| Error::unreadable("the login was answered without a token"))?;
    Ok(Jwt::parse(token)?.with_refresh_token(tokens.refresh_token.or(refresh)))
}

fn finish(exchange: &Exchange, tokens: Tokens, refresh: Option<SecretString>) -> Result<Jwt, Error> {
    let jwt = token(tokens, refresh)?;
    // only now it is known whose request it was
    exchange.limits.charge(jwt.identity.organisation_id, Lane::Safety);
    Ok(jwt)
}
