//! Callbacks that came in and what became of them.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

/// Why a callback was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No token, or none that a key here signed.
    Token,
    /// Its token is over.
    Expired,
    /// It was taken before.
    Replay,
    /// Not a method of callbacks.
    Method,
    /// Not JSON by its content type.
    ContentType,
    /// Over the limit.
    TooLarge,
    /// The body did not arrive in time.
    Slow,
    /// Not a message and not a receipt.
    Malformed,
    /// Its organisation is not served, or not the one that its token speaks for.
    Organisation,
    /// Its organisation may be served by another process, or by this one soon: it is to come again.
    Elsewhere,
    /// Another replica leads; whoever sends tries again.
    Standby,
    /// More came than is remembered: it is to come again.
    Busy,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::Token,
        Self::Expired,
        Self::Replay,
        Self::Method,
        Self::ContentType,
        Self::TooLarge,
        Self::Slow,
        Self::Malformed,
        Self::Organisation,
        Self::Elsewhere,
        Self::Standby,
        Self::Busy,
    ];

    /// The label in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Expired => "expired",
            Self::Replay => "replay",
            Self::Method => "method",
            Self::ContentType => "content_type",
            Self::TooLarge => "too_large",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::Organisation => "organisation",
            Self::Elsewhere => "elsewhere",
            Self::Standby => "standby",
            Self::Busy => "busy",
        }
    }

    /// The answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Token | Self::Expired => StatusCode::UNAUTHORIZED,
            Self::Replay => StatusCode::CONFLICT,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Organisation => StatusCode::FORBIDDEN,
            Self::Elsewhere | Self::Standby | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Counts since the start of the process.
#[derive(Debug, Default)]
pub struct Counters {
    messages: AtomicU64,
    receipts: AtomicU64,
    refused: [AtomicU64; Refused::ALL.len()],
}

/// The counts at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Messages of devices that were taken.
    pub messages: u64,
    /// Receipts that were taken.
    pub receipts: u64,
    /// Callbacks that were refused, by reason, in the order of [`Refused::ALL`].
    pub refused: [u64; Refused::ALL.len()],
}

impl Counters {
    /// A message of a device was taken, or a receipt.
    pub(super) fn taken(&self, message: bool) {
        let counter = if message { &self.messages } else { &self.receipts };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count(&self, refused: Refused) {
        self.refused[refused as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            messages: self.messages.load(Ordering::Relaxed),
            receipts: self.receipts.load(Ordering::Relaxed),
            refused: std::array::from_fn(|i| self.refused[i].load(Ordering::Relaxed)),
        }
    }
}
