//! Application tokens: shown once, revoked for ever, never deleted. [S]

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::route::{Needs, Route};
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::reference_data::row;
use crate::rules::dates;
use crate::state::{ApplicationToken, State};

/// The operations of this resource. All roles create tokens, only administrators edit them. [P]
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::java("application-token-get", list),
        Route::java("application-token-post", create).needs(Needs::Read),
        Route::java("application-token-by-id-patch", patch).needs(Needs::Admin),
    ]
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let tokens = call.org().application_tokens.values();
    Ok(Reply::json(tokens.map(|token| show(token, call.state)).collect::<Vec<_>>()))
}

/// Everything but the secret.
fn show(token: &ApplicationToken, state: &State) -> Value {
    let creator = token.creator.and_then(|id| state.users.get(&id));
    json!({
        "id": token.id,
        "description": token.description,
        "created": dates::java(token.created),
        "status": row("application_token_status", u64::from(token.revoked)),
        "expiry_date": token.expiry_date.map(dates::java),
        "ip": token.ip,
        "creator": creator.map(|user| json!({"id": user.id, "username": user.username, "name": user.name})),
    })
}

/// Answers 200 with the secret alone: its id is found by listing. [S]
fn create(call: &mut Call<'_>) -> Answer {
    let mut issues = Vec::new();
    let expiry_date: Option<Timestamp> = text(call, "expiry_date", &mut issues)
        .and_then(|text| dates::read(&text).or_else(|| refuse(&mut issues, "expiry_date")));
    let ip = text(call, "ip", &mut issues)
        .and_then(|text| if is_cidr(&text) { Some(text) } else { refuse(&mut issues, "ip") });
    let description = text(call, "description", &mut issues);
    if let Some(issue) = issues.into_iter().next() {
        return Err(Refusal::coded(422, issue.code, issue.message));
    }
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let row = ApplicationToken {
        id: 0,
        token: token.clone(),
        description,
        revoked: false,
        created: call.now,
        expiry_date,
        ip,
        creator: call.caller.user.or_else(|| maker(call)),
        roles: call.caller.roles.clone(),
    };
    let (org, next) = call.split();
    org.application_tokens.add(next, row);
    Ok(Reply::json(json!({"application_token": token})))
}

/// The person behind the token that makes another one.
fn maker(call: &Call<'_>) -> Option<u64> {
    call.org().application_tokens.get(&call.caller.application_token?)?.creator
}

fn refuse<T>(issues: &mut Vec<Issue>, field: &str) -> Option<T> {
    issues.push(Issue::format(field));
    None
}

fn text(call: &Call<'_>, field: &str, issues: &mut Vec<Issue>) -> Option<String> {
    match call.field(field) {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        _ => refuse(issues, field),
    }
}

/// An address, alone or with the length of its network's prefix.
fn is_cidr(text: &str) -> bool {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.is_none_or(|prefix| prefix.parse::<u8>().is_ok_and(|prefix| prefix <= longest))
}

/// Description and status; revoking is for ever. Sessions made from the token live on. [D]
fn patch(call: &mut Call<'_>) -> Answer {
    let id = call.id("app_token_id")?;
    let mut issues = Vec::new();
    let description = text(call, "description", &mut issues);
    let status = match call.field("status") {
        Value::Null => None,
        status => body::id_of(status).filter(|id| *id <= 1).or_else(|| refuse(&mut issues, "status")),
    };
    let (org, _) = call.split();
    let token = org.application_tokens.get_mut(&id).ok_or_else(|| Refusal::not_found("Application token"))?;
    if token.revoked && status == Some(0) {
        issues.push(Issue::new(Code::NOT_ALLOWED, "A revoked application token cannot be activated again"));
    }
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    token.revoked |= status == Some(1);
    if description.is_some() {
        token.description = description;
    }
    Ok(Reply::done())
}
