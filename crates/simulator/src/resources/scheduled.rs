//! What the families of scheduled operations have in common: their pages, their lookups, and refusals with status and message. [S]

use serde_json::{Value, json};

use crate::http::call::{Answer, Reply};
use crate::http::list::{Headers, Paging};
use crate::http::refusal::Refusal;
use crate::reference_data;

/// How their lists are paged. [S]
pub(super) const PAGING: Paging = Paging { default: 100, max: 1000, headers: Headers::Five, strict: false };

/// All rows of a lookup.
#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
pub(super) fn lookup(name: &str) -> Answer {
    Ok(Reply::json(reference_data::rows(name).to_vec()))
}

/// An id beside its word in a lookup.
pub(super) fn word(lookup: &str, id: u64) -> Value {
    json!({"id": id, "description": reference_data::describe(lookup, id)})
}

/// A page, or what is wrong with the request for it.
pub(super) fn page(answer: Answer) -> Answer {
    answer.map_err(|_| Refusal::with_status(400, "Invalid q, sort or page"))
}
