//! From an answer (or none) to an [`Error`]: one pure function over method, route, status, headers and the API's error shapes.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use crate::call::{self, Call};
use crate::error::Error;
use crate::transport::TransportError;
use crate::wire::lenient::as_integer;

pub(crate) const LOGIN: &str = "/api/v1/authenticate";
/// A user goes to another of their workspaces [S].
pub(crate) const SWITCH: &str = "/api/v1/authenticate/workspace";
/// "No IP address" [R]: the only 404 that says so by code.
const UNAVAILABLE: i64 = 1601;
/// Codes of a 404 that mean "no such object" [R][D].
const MISSING: [i64; 2] = [1201, 1401];
const LONGEST_MESSAGE: usize = 300;

/// What a status other than 2xx means for this call.
pub(crate) fn classify(call: &Call, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let problem = Problem::read(call, status, body);
    let message = problem.message;
    let (status_number, code) = (status.as_u16(), problem.code);
    match status_number {
        404 if logs_in(call) => Error::Unauthorized { status: status_number, message },
        401 => Error::Unauthorized { status: status_number, message },
        403 if refuses_the_caller(call, headers) => Error::Unauthorized { status: status_number, message },
        404 if is_capacity(call, code, &message) => Error::Capacity { message },
        404 if addresses_an_object(call) => Error::NotFound { message },
        409 => Error::Conflict { code, message },
        429 => Error::Throttled { retry_after: retry_after(headers) },
        503 if call.repeatable => Error::Throttled { retry_after: retry_after(headers) },
        // A function that does not exist did nothing.
        501 => Error::Rejected { status: status_number, code, message },
        408 | 500..=599 if call.repeatable => Error::Unavailable { message },
        408 | 500..=599 => Error::Ambiguous { message },
        _ => Error::Rejected { status: status_number, code, message },
    }
}

/// What the lack of an answer means for this call.
pub(crate) fn unanswered(call: &Call, failure: &TransportError) -> Error {
    match failure {
        TransportError::Connect(message) => Error::Unavailable { message: message.clone() },
        TransportError::AfterSend(message) if call.method == Method::GET || logs_in(call) => {
            Error::Unavailable { message: message.clone() }
        }
        TransportError::AfterSend(message) => Error::Ambiguous { message: message.clone() },
    }
}

/// The pause a 429 or 503 asks for, in seconds or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = call::http_date(text)?.duration_since(call::date(headers)?);
    Some(wait.try_into().unwrap_or_default())
}

fn logs_in(call: &Call) -> bool {
    matches!(call.route, LOGIN | SWITCH)
}

/// A 403 of the gateway, of the login or of a whole collection is about the caller; any other is about one object.
fn refuses_the_caller(call: &Call, headers: &HeaderMap) -> bool {
    let collection = call.method == Method::GET && !call.route.contains('{');
    logs_in(call) || collection || headers.contains_key("x-amzn-errortype")
}

/// A create finds no free address, or its space is locked by another create [S].
fn is_capacity(call: &Call, code: Option<i64>, message: &str) -> bool {
    let creates_endpoints =
        call.method == Method::POST && matches!(call.route, "/api/v1/endpoint" | "/api/v2/endpoint/multi");
    match code {
        Some(UNAVAILABLE) => true,
        Some(code) if MISSING.contains(&code) => false,
        _ => creates_endpoints && message.to_ascii_lowercase().contains("space"),
    }
}

/// A 404 is about the object in the path, unless the path ends in a reference (`PUT .../service/{id}`) or names no object.
fn addresses_an_object(call: &Call) -> bool {
    let links =
        call.method == Method::PUT && call.route.ends_with('}') && call.route.matches('{').count() > 1;
    call.route.contains('{') && !links
}

struct Problem {
    code: Option<i64>,
    message: String,
}

impl Problem {
    /// Reads shapes A to G; an empty or foreign body leaves the status to speak.
    fn read(call: &Call, status: StatusCode, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let nested = body.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let code =
            nested.iter().chain([&body]).find_map(|error| error.get("error_code").and_then(as_integer));
        let mut said: Vec<String> = Vec::new();
        for text in nested.iter().filter_map(|error| words(error, call.sensitive)) {
            if !said.contains(&text) {
                said.push(text);
            }
        }
        if said.is_empty() {
            said.extend(words(&body, call.sensitive));
        }
        if said.is_empty() {
            let reason = status.canonical_reason().unwrap_or("no explanation");
            said.push(format!("HTTP {} {reason}", status.as_u16()));
        }
        Self { code, message: shorten(&said.join("; ")) }
    }
}

/// What an error object says. About a call that carries a secret only the token is repeated: the text might quote it.
fn words(error: &Value, sensitive: bool) -> Option<String> {
    let keys: &[&str] = if sensitive { &["error_token"] } else { &["message", "error_token"] };
    let text = keys.iter().find_map(|key| error.get(key)?.as_str().filter(|text| !text.trim().is_empty()))?;
    Some(text.split_whitespace().map(mask).collect::<Vec<_>>().join(" "))
}

/// A word, unless it is a token or changes with every request.
fn mask(word: &str) -> &str {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_uuid = bare.len() == 36
        && bare
            .bytes()
            .enumerate()
            .all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() });
    if is_uuid {
        "[id]"
    } else if word.contains("eyJ") {
        "[token]"
    } else {
        word
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
