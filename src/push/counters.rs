//! What came in and what became of it.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The secret is missing or wrong.
    Secret,
    /// Not a method that data streams use.
    Method,
    /// Not the path that is served.
    Path,
    /// Not JSON by its content type.
    ContentType,
    /// Over the limit.
    TooLarge,
    /// The body did not arrive in time.
    Slow,
    /// Neither a JSON object nor an array of objects.
    Malformed,
    /// Another replica leads; whoever sends tries again.
    Standby,
}

impl Outcome {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Secret,
        Self::Method,
        Self::Path,
        Self::ContentType,
        Self::TooLarge,
        Self::Slow,
        Self::Malformed,
        Self::Standby,
    ];

    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Method => "method",
            Self::Path => "path",
            Self::ContentType => "content_type",
            Self::TooLarge => "too_large",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::Standby => "standby",
        }
    }

    /// The answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Secret => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Path => StatusCode::NOT_FOUND,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Standby => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    records: AtomicU64,
    refused: [AtomicU64; Outcome::ALL.len()],
}

/// The counts at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Requests that were accepted.
    pub requests: u64,
    /// Records in them.
    pub records: u64,
    /// Requests that were refused, by reason, in the order of [`Outcome::ALL`].
    pub refused: [u64; Outcome::ALL.len()],
}

impl Counters {
    pub(super) fn received(&self, records: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.refused[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            requests: self.requests.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            refused: std::array::from_fn(|i| self.refused[i].load(Ordering::Relaxed)),
        }
    }
}
