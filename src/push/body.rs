//! Bodies of data streams: a record or an array of records.

use std::{error::Error as _, time::Duration};

use axum::body::{Body, Bytes, to_bytes};
use emnify::wire::event::Record;
use serde_json::Value;

use super::Outcome;

/// Whoever takes longer to send a body is not emnify.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a content type is JSON, with or without parameters.
pub(super) fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The whole body, of at most so many bytes and within time.
pub(super) async fn read(body: Body, most: usize) -> Result<Bytes, Outcome> {
    let Ok(read) = tokio::time::timeout(PATIENCE, to_bytes(body, most)).await else {
        return Err(Outcome::Slow);
    };
    read.map_err(|error| {
        let too_large =
            error.source().is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if too_large { Outcome::TooLarge } else { Outcome::Malformed }
    })
}

/// The records of a body.
pub(super) fn records(body: &[u8]) -> Result<Vec<Record>, Outcome> {
    let record = |value: Value| match value {
        Value::Object(_) => serde_json::from_value(value).map_err(|_| Outcome::Malformed),
        _ => Err(Outcome::Malformed),
    };
    match serde_json::from_slice(body).map_err(|_| Outcome::Malformed)? {
        Value::Array(all) => all.into_iter().map(record).collect(),
        one => record(one).map(|record| vec![record]),
    }
}
