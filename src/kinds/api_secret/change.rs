//! The calls that bring a key closer to its spec.

use std::fmt;

use emnify_engine::kind::{self, Class, FieldDiff, Id, Verb, mark, secret::SecretValue};

use super::rows::VALUE;

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Makes a key.
    Create {
        /// With mark and nonce.
        purpose: String,
        /// The key.
        value: SecretValue,
    },
    /// Deletes the key.
    Delete,
    /// Deletes a key that was replaced.
    DeleteEarlier {
        /// Its id.
        id: i64,
    },
}

impl Change {
    /// The id that it ends where that is not the one that it is sent for.
    pub(super) fn ends_other(&self) -> Option<Id> {
        match self {
            Self::DeleteEarlier { id } => Some(Id::Int(*id)),
            Self::Create { .. } | Self::Delete => None,
        }
    }
}

impl kind::Change for Change {
    fn fields(&self) -> Vec<FieldDiff> {
        match self {
            Self::Create { purpose, .. } => {
                let purpose = FieldDiff::new("purpose", "-", mark::split(purpose).0);
                vec![purpose, FieldDiff::new(VALUE, "-", "***")]
            }
            Self::Delete | Self::DeleteEarlier { .. } => Vec::new(),
        }
    }

    fn class(&self) -> Class {
        Class::quiet(match self {
            Self::Create { .. } => Verb::Create,
            Self::DeleteEarlier { .. } => Verb::Update,
            Self::Delete => Verb::Delete,
        })
    }

    fn repeatable(&self) -> bool {
        !matches!(self, Self::Create { .. })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { .. } => f.write_str("make an API secret"),
            Self::Delete => f.write_str("delete the API secret"),
            Self::DeleteEarlier { id } => write!(f, "delete the earlier API secret {id}"),
        }
    }
}
