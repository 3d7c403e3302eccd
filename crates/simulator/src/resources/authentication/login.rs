//! `POST /authenticate` in its forms, and the switch of workspaces.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::totp;
use crate::http::body::id_of;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Refusal};
use crate::http::token::{self, Claims};
use crate::rules::cidr::Cidr;
use crate::state::{Draft, EventUser, Lockout, TrustedDevice, User};

/// Failures in a row that lock an account. [S]
const FAILURES: u64 = 3;
/// How long it stays locked. [S]
const LOCKED: SignedDuration = SignedDuration::from_mins(5);
/// How long a device is trusted. [S]
const TRUSTED: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long the second step may take. [?]
const MFA_STEP: u64 = 300;
/// How long a refresh token lives. [?]
const REFRESH: u64 = 30 * 24 * 3600;

const ISSUER: &str = "/api/v1/authentication";

/// Application token, user credentials, refresh token or second factor.
pub(super) fn authenticate(call: &mut Call<'_>) -> Answer {
    if let Some(token) = call.field("application_token").as_str() {
        let token = token.to_owned();
        return application(call, &token);
    }
    if let Some(token) = call.field("refresh_token").as_str() {
        let token = token.to_owned();
        return refresh(call, &token);
    }
    if let Some(token) = call.field("mfa_token").as_str() {
        let token = token.to_owned();
        return second_step(call, &token);
    }
    if call.field("username").is_string() && call.field("password").is_string() {
        return credentials(call);
    }
    Err(Refusal::bad_request("No credentials were given"))
}

/// Another workspace of the same person; the old token stays valid. [S]
pub(super) fn switch_workspace(call: &mut Call<'_>) -> Answer {
    let target = id_of(call.field("target_organisation"))
        .ok_or_else(|| Refusal::bad_request("target_organisation.id is required"))?;
    let user = call.caller.user.expect("the route needs a person");
    let member = call.state.users.get(&user).is_some_and(|user| works_in(user, target));
    if !member {
        return Err(Refusal::coded(401, Code::INVALID_CREDENTIALS, "No access to the target workspace"));
    }
    let acting = call.acting_user();
    let now = call.now;
    let (org, next) = call.state.split(target);
    org.emit(next, now, Draft::new(67).user(acting));
    let claims = Claims { user: Some(user), ..claims(call, target) };
    Ok(Reply::json(json!({"auth_token": sign(call, &claims)})))
}

fn application(call: &mut Call<'_>, secret: &str) -> Answer {
    let found = call.state.organisations.values().find_map(|org| {
        let token = org.application_tokens.values().find(|token| token.token == secret)?;
        Some((org.id, token))
    });
    let Some((organisation, token)) = found else {
        return Err(Refusal::empty(401));
    };
    let expired = token.expiry_date.is_some_and(|expiry| expiry <= call.now);
    let elsewhere = token.ip.as_deref().is_some_and(|range| !in_range(range, call.source));
    let id = token.id;
    if token.revoked || expired || elsewhere {
        let now = call.now;
        let (org, next) = call.state.split(organisation);
        org.emit(next, now, Draft::new(7));
        return Err(Refusal::empty(401));
    }
    // Never a refresh token for applications. [R]
    let claims = Claims {
        application_token: Some(id),
        api_key: Some(format!("{organisation}-{id}")),
        ..claims(call, organisation)
    };
    Ok(Reply::json(json!({"auth_token": sign(call, &claims)})))
}

fn in_range(range: &str, source: std::net::IpAddr) -> bool {
    let std::net::IpAddr::V4(source) = source else {
        return false;
    };
    match range.parse::<Cidr>() {
        Ok(range) => range.contains(source),
        Err(_) => range.parse() == Ok(source),
    }
}

fn credentials(call: &mut Call<'_>) -> Answer {
    let name = call.field("username").as_str().unwrap_or_default().to_owned();
    let given = call.field("password").as_str().unwrap_or_default().to_lowercase();
    let now = call.now;
    let user = call.state.users.values_mut().find(|user| user.username.eq_ignore_ascii_case(&name));
    let Some(user) = user else {
        return Err(Refusal::empty(401));
    };
    let id = user.id;
    check_lock(user, now)?;
    if user.password_sha1 != given || user.status != 1 {
        return Err(fail(call, id));
    }
    let fingerprint = call.field("fingerprint").as_str();
    let user = &call.state.users[&id];
    let trusted = user.trusted_devices.values().any(|device| {
        Some(device.fingerprint.as_str()) == fingerprint && device.activation_date + TRUSTED > now
    });
    if user.mfa_keys.values().any(|key| key.status == 1) && !trusted {
        let organisation = home(user).unwrap_or(0);
        let mut claims = claims(call, organisation);
        claims.user = Some(id);
        claims.purpose = Some("mfa".to_owned());
        claims.exp = expiry(now, MFA_STEP);
        return Ok(Reply::json(json!({"mfa_token": sign(call, &claims)})));
    }
    succeed(call, id)
}

fn second_step(call: &mut Call<'_>, mfa_token: &str) -> Answer {
    let user = purpose(call, mfa_token, "mfa")?;
    let code = match call.field("code") {
        Value::String(code) => code.clone(),
        other => other.to_string(),
    };
    let now = call.now;
    let person = call.state.users.get_mut(&user).ok_or_else(|| Refusal::empty(401))?;
    check_lock(person, now)?;
    let right =
        person.mfa_keys.values().any(|key| key.status == 1 && totp::accepts(&key.secret_key, &code, now));
    if !right {
        return Err(fail(call, user));
    }
    let device = call.field("trusted_device").clone();
    if let Some(fingerprint) = device["fingerprint"].as_str() {
        let text = |field: &str| device[field].as_str().unwrap_or_default().to_owned();
        let device = TrustedDevice {
            id: 0,
            fingerprint: fingerprint.to_owned(),
            operating_system: text("operating_system"),
            browser: text("browser"),
            name: device["name"].as_str().map(str::to_owned),
            activation_date: now,
        };
        let person = call.state.users.get_mut(&user).expect("found above");
        person.trusted_devices.add(&mut call.state.next_ids, device);
    }
    succeed(call, user)
}

fn refresh(call: &mut Call<'_>, refresh_token: &str) -> Answer {
    let user = purpose(call, refresh_token, "refresh")?;
    let person = call.state.users.get(&user).filter(|user| user.status == 1);
    let organisation = person.and_then(home).ok_or_else(|| Refusal::empty(401))?;
    let claims = Claims { user: Some(user), ..claims(call, organisation) };
    Ok(Reply::json(json!({"auth_token": sign(call, &claims)})))
}

/// The person a refresh or MFA token was given to.
fn purpose(call: &Call<'_>, token: &str, purpose: &str) -> Result<u64, Refusal> {
    token::read(token, &call.state.signing_key, call.now)
        .ok()
        .filter(|claims| claims.purpose.as_deref() == Some(purpose))
        .and_then(|claims| claims.user)
        .ok_or_else(|| Refusal::empty(401))
}

fn succeed(call: &mut Call<'_>, user: u64) -> Answer {
    let person = call.state.users.get_mut(&user).expect("checked by the caller");
    person.lockout = Lockout::default();
    let organisation = home(person).ok_or_else(|| Refusal::empty(401))?;
    let mut claims = claims(call, organisation);
    claims.user = Some(user);
    let auth_token = sign(call, &claims);
    claims.purpose = Some("refresh".to_owned());
    claims.exp = expiry(call.now, REFRESH);
    Ok(Reply::json(json!({"auth_token": auth_token, "refresh_token": sign(call, &claims)})))
}

/// A locked account answers 401 whose body carries the error of a 429. [S]
fn check_lock(user: &mut User, now: Timestamp) -> Result<(), Refusal> {
    match user.lockout.until {
        Some(until) if until > now => Err(locked()),
        Some(_) => {
            user.lockout = Lockout::default();
            Ok(())
        }
        None => Ok(()),
    }
}

fn locked() -> Refusal {
    Refusal::coded(401, Code::TOO_MANY_REQUESTS, "Too many failed attempts: the account is locked")
}

fn fail(call: &mut Call<'_>, user: u64) -> Refusal {
    let now = call.now;
    let person = call.state.users.get_mut(&user).expect("checked by the caller");
    person.lockout.failures += 1;
    let full = person.lockout.failures >= FAILURES;
    if full {
        person.lockout.until = Some(now + LOCKED);
    }
    let acting = EventUser { id: person.id, username: person.username.clone(), name: person.name.clone() };
    if let Some(organisation) = home(person) {
        let (org, next) = call.state.split(organisation);
        org.emit(next, now, Draft::new(6).user(Some(acting)));
    }
    if full { locked() } else { Refusal::empty(401) }
}

/// Where a log-in lands: the default workspace, else the first one.
fn home(user: &User) -> Option<u64> {
    let active = || user.workspaces.iter().filter(|membership| membership.status == 1);
    active()
        .find(|membership| membership.default)
        .or_else(|| active().next())
        .map(|membership| membership.organisation)
}

fn works_in(user: &User, organisation: u64) -> bool {
    user.workspaces.iter().any(|membership| membership.organisation == organisation && membership.status == 1)
}

fn claims(call: &mut Call<'_>, organisation: u64) -> Claims {
    let next = &mut call.state.next_ids.token;
    let jti = *next;
    *next += 1;
    let org = &call.state.organisations[&organisation];
    Claims {
        organisation,
        organisation_name: org.name.clone(),
        aud: ISSUER.to_owned(),
        iss: ISSUER.to_owned(),
        iat: call.now.as_second(),
        exp: expiry(call.now, org.token_lifetime),
        jti,
        ..Claims::default()
    }
}

fn expiry(now: Timestamp, seconds: u64) -> i64 {
    now.as_second().saturating_add_unsigned(seconds)
}

fn sign(call: &Call<'_>, claims: &Claims) -> String {
    token::sign(claims, &call.state.signing_key)
}
