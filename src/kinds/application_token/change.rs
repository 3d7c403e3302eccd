//! The calls that bring a token closer to its spec.

use std::fmt;

use emnify_engine::kind::{self, Class, FieldDiff, Id, Verb};
use jiff::Timestamp;
use secrecy::SecretString;

use super::rows::Ends;

/// One call.
#[derive(Clone, Debug)]
pub enum Change {
    /// Makes a token; its value goes into the Secret.
    Create {
        /// With mark and nonce.
        description: String,
        /// When it ends.
        ends: Ends,
        /// Network that may use it.
        cidr: Option<String>,
        /// Key of the value in the Secret.
        key: String,
    },
    /// Changes the description.
    Describe {
        /// For people, without the mark.
        field: FieldDiff,
        /// With mark and nonce.
        description: String,
    },
    /// Logs in with the token; the JWT goes into the Secret.
    MintJwt {
        /// Id of the token.
        id: i64,
        /// The token.
        token: SecretString,
        /// Key of the JWT in the Secret.
        key: String,
        /// When the present JWT ends, if there is one.
        ends: Option<Timestamp>,
    },
    /// Revokes the token, for good.
    Revoke {
        /// Id of the token.
        id: i64,
    },
    /// Revokes another token of the same object: a replaced one, or one that a crash left behind.
    RevokeOld {
        /// Id of the token.
        id: i64,
    },
}

impl Change {
    /// The id that it ends where that is not the one that it is sent for.
    pub(super) fn ends_other(&self) -> Option<Id> {
        match self {
            Self::RevokeOld { id } => Some(Id::Int(*id)),
            _ => None,
        }
    }
}

impl kind::Change for Change {
    fn fields(&self) -> Vec<FieldDiff> {
        match self {
            Self::Create { ends, cidr, .. } => {
                let cidr = cidr.as_ref().map(|cidr| FieldDiff::new("cidr", "-", cidr));
                ends_field(ends).into_iter().chain(cidr).collect()
            }
            Self::Describe { field, .. } => vec![field.clone()],
            Self::MintJwt { ends: None, .. } => vec![FieldDiff::new("jwt", "-", "made from the token")],
            Self::MintJwt { ends: Some(ends), .. } => {
                vec![FieldDiff::new("jwt", format!("until {ends}"), "a new one")]
            }
            Self::Revoke { .. } | Self::RevokeOld { .. } => Vec::new(),
        }
    }

    fn class(&self) -> Class {
        Class::quiet(match self {
            Self::Create { .. } => Verb::Create,
            Self::Describe { .. } | Self::MintJwt { .. } | Self::RevokeOld { .. } => Verb::Update,
            Self::Revoke { .. } => Verb::Delete,
        })
    }

    fn request(&self) -> String {
        let fields = kind::request(self.class().verb, &self.fields());
        match self {
            Self::Create { description, .. } | Self::Describe { description, .. } => {
                format!("{} description={description}", fields.unwrap_or_default())
            }
            _ => fields.unwrap_or_else(|| self.to_string()),
        }
    }

    fn repeatable(&self) -> bool {
        !matches!(self, Self::Create { .. })
    }
}

fn ends_field(ends: &Ends) -> Option<FieldDiff> {
    match ends {
        Ends::Unset => None,
        Ends::At(at) => Some(FieldDiff::new("expiry", "-", at)),
        Ends::After(life, _) => Some(FieldDiff::new("expiresIn", "-", format!("{}s", life.as_secs()))),
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { .. } => f.write_str("make an application token"),
            Self::Describe { field, .. } => field.fmt(f),
            Self::MintJwt { id, .. } => write!(f, "make a JWT from application token {id}"),
            Self::Revoke { id } => write!(f, "revoke application token {id}"),
            Self::RevokeOld { id } => write!(f, "revoke the earlier application token {id}"),
        }
    }
}
