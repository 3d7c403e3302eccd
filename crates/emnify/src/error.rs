//! What can go wrong, sorted by what has to happen next.

use std::time::Duration;

/// A failed call. `Display` is deterministic (no times, counters or request ids) and holds neither secrets
/// nor the body of a successful answer, so it may be shown in conditions and events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The API refuses the request as it is: 400, 422, 403 on one object, 404 on a referenced object.
    #[error("rejected by emnify ({status}{}): {message}", Code(*.code))]
    Rejected {
        /// HTTP status.
        status: u16,
        /// emnify's `error_code`, of the nested error where there is one.
        code: Option<i64>,
        /// What the API said.
        message: String,
    },
    /// The addressed object does not exist.
    #[error("not found in emnify: {message}")]
    NotFound {
        /// What the API said.
        message: String,
    },
    /// No address is free, or the address space is busy with another create.
    #[error("no capacity in emnify: {message}")]
    Capacity {
        /// What the API said.
        message: String,
    },
    /// The object is in a state that excludes the call, or what was asked for exists already: read back.
    #[error("conflict in emnify{}: {message}", Code(*.code))]
    Conflict {
        /// emnify's `error_code`.
        code: Option<i64>,
        /// What the API said.
        message: String,
    },
    /// The credential was refused, also after one new login, or lacks the right to use this collection.
    #[error("not authorised by emnify ({status}): {message}")]
    Unauthorized {
        /// HTTP status; 0 if the login could not be attempted.
        status: u16,
        /// What the API said, or what is missing.
        message: String,
    },
    /// A login speaks for another organisation than the client is pinned to. Its token was thrown away: no call carried it.
    #[error("the credential belongs to organisation {found} ({name}), not to {pinned}")]
    OtherOrganisation {
        /// The client's organisation.
        pinned: i64,
        /// The login's organisation.
        found: i64,
        /// The name of the login's organisation.
        name: String,
    },
    /// Too many requests: all lanes are closed for a while.
    #[error("throttled by emnify")]
    Throttled {
        /// The pause the API asked for, if it did.
        retry_after: Option<Duration>,
    },
    /// The request may or may not have taken effect: observe before deciding.
    #[error("outcome unknown: {message}")]
    Ambiguous {
        /// What happened instead of an answer.
        message: String,
    },
    /// The API could not be reached or failed; nothing changed, or repeating is harmless.
    #[error("emnify is unavailable: {message}")]
    Unavailable {
        /// What happened.
        message: String,
    },
    /// A successful answer that this client cannot decode.
    #[error("unreadable answer from emnify: {message}")]
    Unreadable {
        /// What was expected and where; never the body.
        message: String,
    },
}

impl Error {
    /// The name of the variant, for metric labels.
    pub const fn kind(&self) -> &'static str {
        match self {
            Error::Rejected { .. } => "rejected",
            Error::NotFound { .. } => "not_found",
            Error::Capacity { .. } => "capacity",
            Error::Conflict { .. } => "conflict",
            Error::Unauthorized { .. } => "unauthorized",
            Error::OtherOrganisation { .. } => "other_organisation",
            Error::Throttled { .. } => "throttled",
            Error::Ambiguous { .. } => "ambiguous",
            Error::Unavailable { .. } => "unavailable",
            Error::Unreadable { .. } => "unreadable",
        }
    }

    /// The same error in other words, where it holds words of emnify.
    #[must_use]
    pub fn map_message(mut self, words: impl FnOnce(String) -> String) -> Self {
        match &mut self {
            Error::Rejected { message, .. }
            | Error::NotFound { message }
            | Error::Capacity { message }
            | Error::Conflict { message, .. }
            | Error::Unauthorized { message, .. }
            | Error::Ambiguous { message }
            | Error::Unavailable { message }
            | Error::Unreadable { message } => *message = words(std::mem::take(message)),
            Error::OtherOrganisation { .. } | Error::Throttled { .. } => {}
        }
        self
    }

    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Error::Unreadable { message: message.into() }
    }
}

/// `, code 1403` or nothing.
struct Code(Option<i64>);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(code) => write!(f, ", code {code}"),
            None => Ok(()),
        }
    }
}

/// Turns `NotFound` into `None`: for reads whose absence is an answer.
pub fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}
