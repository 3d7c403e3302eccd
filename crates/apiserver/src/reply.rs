//! Answers as an API server gives them.

use std::convert::Infallible;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use serde_json::{Value, json};

/// An answer.
pub type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// One of JSON.
pub(crate) fn reply(status: u16, body: &Value) -> Reply {
    let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
    let reply = Response::builder().status(status).header("content-type", "application/json").body(body);
    reply.expect("the statuses are ours")
}

/// Status and body of a refusal.
pub(crate) fn refusal(code: u16, message: &str) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        _ => "MethodNotAllowed",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                        "message": message, "reason": reason, "code": code});
    (code, status)
}
