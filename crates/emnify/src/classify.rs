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
/// Words for a space that is locked by another create.
const LOCKED: [&str; 4] = ["busy", "lock", "in use", "another"];
const LONGEST_MESSAGE: usize = 300;

/// Refusals that are documented to come without a body: method, route and status.
const WITHOUT_BODY: [(Method, &str, u16); 3] = [
    // any failure of a registration [R]
    (Method::PATCH, "/api/v1/sim_batch/bic/{bic}", 422),
    // the same service, asked before [?]
    (Method::GET, "/api/v1/sim_batch/bic/{bic}", 422),
    // a refused credential, unless the account is locked [S]
    (Method::POST, LOGIN, 401),
];

/// What a status other than 2xx means for this call. A verdict on the request or on an object needs emnify's handwriting; the
/// front door before it (CDN, gateway, a proxy on the way) can only say that emnify could not be asked.
pub(crate) fn classify(call: &Call, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let problem = Problem::read(call, status, body);
    let own = problem.own || (body.is_empty() && without_body(call, status));
    let message = problem.message;
    let (status_number, code) = (status.as_u16(), problem.code);
    match status_number {
        429 => Error::Throttled { retry_after: retry_after(headers) },
        503 if call.repeatable => Error::Throttled { retry_after: retry_after(headers) },
        // a login's refusal condemns the credential for good: a page in between does not
        401 if own || !logs_in(call) => Error::Unauthorized { status: status_number, message },
        403 if by_gateway(headers) => Error::Unauthorized { status: status_number, message },
        408 | 500 | 502..=599 => failed(call, message),
        _ if !own => front_door(call, status),
        403 if refuses_the_caller(call) => Error::Unauthorized { status: status_number, message },
        404 if logs_in(call) => Error::Unauthorized { status: status_number, message },
        404 if is_capacity(call, code, &message) => Error::Capacity { message },
        // a route that the gateway does not know says nothing of an object
        404 if by_gateway(headers) => front_door(call, status),
        404 if addresses_an_object(call) => Error::NotFound { message },
        409 => Error::Conflict { code, message },
        // a function that does not exist did nothing
        400..=499 | 501 => Error::Rejected { status: status_number, code, message },
        _ => front_door(call, status),
    }
}

/// Something before emnify answered. Nothing of what it said is repeated.
pub(crate) fn front_door(call: &Call, status: StatusCode) -> Error {
    failed(call, format!("HTTP {} without an answer of emnify", status.as_u16()))
}

/// Not carried out, as far as one can tell.
fn failed(call: &Call, message: String) -> Error {
    let harmless = call.repeatable && !call.tells_on;
    if harmless { Error::Unavailable { message } } else { Error::Ambiguous { message } }
}

fn without_body(call: &Call, status: StatusCode) -> bool {
    let asked = (&call.method, call.route, status.as_u16());
    WITHOUT_BODY.iter().any(|(method, route, status)| asked == (method, route, *status))
}

/// What the lack of an answer means for this call.
pub(crate) fn unanswered(call: &Call, failure: &TransportError) -> Error {
    match failure {
        TransportError::Connect(message) => Error::Unavailable { message: message.clone() },
        TransportError::AfterSend(message)
            if !call.tells_on && (call.method == Method::GET || logs_in(call)) =>
        {
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

/// The API gateway's own answer, such as that of its authoriser [R].
fn by_gateway(headers: &HeaderMap) -> bool {
    headers.contains_key("x-amzn-errortype")
}

/// A 403 of the login or of a whole collection is about the caller; any other is about one object.
fn refuses_the_caller(call: &Call) -> bool {
    let collection = call.method == Method::GET && !call.route.contains('{');
    logs_in(call) || collection
}

/// A create finds no free address, or its space is locked by another create [S].
fn is_capacity(call: &Call, code: Option<i64>, message: &str) -> bool {
    let creates_endpoints =
        call.method == Method::POST && matches!(call.route, "/api/v1/endpoint" | "/api/v2/endpoint/multi");
    let message = message.to_ascii_lowercase();
    let of_a_space = creates_endpoints && message.contains("space");
    match code {
        Some(UNAVAILABLE) => true,
        // a space that does not exist is called so by the same code; which one a locked space has is not known [?]
        Some(code) if MISSING.contains(&code) => {
            of_a_space && LOCKED.iter().any(|word| message.contains(word))
        }
        _ => of_a_space,
    }
}

/// A 404 is about the object in the path, unless the path ends in a reference (`PUT .../service/{id}`) or names no object.
fn addresses_an_object(call: &Call) -> bool {
    let links =
        call.method == Method::PUT && call.route.ends_with('}') && call.route.matches('{').count() > 1;
    call.route.contains('{') && !links
}

struct Problem {
    /// An error object of emnify's: it has a message or a code.
    own: bool,
    code: Option<i64>,
    message: String,
}

impl Problem {
    /// Reads shapes A to G; an empty or foreign body leaves the status to speak, and none of its words.
    fn read(call: &Call, status: StatusCode, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let nested = body.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let code =
            nested.iter().chain([&body]).find_map(|error| error.get("error_code").and_then(as_integer));
        let has_text = |key: &str| body.get(key).is_some_and(Value::is_string);
        let own = body.get("error_code").and_then(as_integer).is_some() || has_text("message");
        let mut said: Vec<String> = Vec::new();
        for text in nested.iter().filter(|_| own).filter_map(|error| words(error, call.sensitive)) {
            if !said.contains(&text) {
                said.push(text);
            }
        }
        if said.is_empty() && own {
            said.extend(words(&body, call.sensitive));
        }
        if said.is_empty() {
            let reason = status.canonical_reason().unwrap_or("no explanation");
            said.push(format!("HTTP {} {reason}", status.as_u16()));
        }
        Self { own, code, message: shorten(&said.join("; ")) }
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
