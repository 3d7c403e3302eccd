//! The calls that bring a person closer to their spec.

use emnify::wire::user::status;
use emnify_engine::kind::{FieldDiff, RecordChange, SubChange};

use super::{
    rows::{Parts, Row},
    spec::UserRole,
};

/// One call.
pub type Change = RecordChange<Sub>;
/// One field that is set.
pub type FieldChange = emnify_engine::kind::FieldChange<To>;

/// A field and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// E-mail address, of a new person.
    Username(String),
    /// Display name.
    Name(String),
    /// Roles of a new person, by id.
    Roles(Vec<i64>),
}

/// A change of something that has a call of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sub {
    /// Gives a role.
    AddRole(UserRole),
    /// Takes a role away.
    RemoveRole(UserRole),
    /// Lets the person log in, or not.
    Suspend(bool),
    /// Where a login lands.
    DefaultWorkspace {
        /// Before.
        old: i64,
        /// Id of the organisation.
        new: i64,
    },
}

/// Whoever is an Administrator is none after it.
pub fn demotes(change: &Change) -> bool {
    match change {
        Change::Sub(Sub::RemoveRole(UserRole::Administrator) | Sub::Suspend(true))
        | Change::Delete { .. } => true,
        Change::Create(_) | Change::Patch(_) | Change::Sub(_) => false,
    }
}

impl SubChange for Sub {
    type To = To;
    type Row = Row;
    type Parts = Parts;
    const NOUN: &'static str = "user";

    fn field(&self) -> FieldDiff {
        match self {
            Self::AddRole(role) => FieldDiff::new("roles", "-", role.as_str()),
            Self::RemoveRole(role) => FieldDiff::new("roles", role.as_str(), "-"),
            Self::Suspend(on) => FieldDiff::new("suspended", !on, on),
            Self::DefaultWorkspace { old, new } => FieldDiff::new("defaultWorkspace", old, new),
        }
    }

    fn assume(&self, row: &mut Row, parts: &mut Parts) {
        let Some(detail) = &mut parts.detail else { return };
        match self {
            Self::AddRole(role) => drop(detail.roles.insert(role.id())),
            Self::RemoveRole(role) => drop(detail.roles.remove(&role.id())),
            Self::Suspend(on) => {
                let status = if *on { status::SUSPENDED } else { status::ACTIVE };
                // of both only one is said by what was sent, and the next reading corrects the other
                if detail.here.is_some() {
                    detail.here = Some(status);
                }
                row.account = if detail.here.is_some() && row.account != Some(status::SUSPENDED) {
                    row.account
                } else {
                    Some(status)
                };
            }
            Self::DefaultWorkspace { new, .. } => detail.default_workspace = Some(*new),
        }
    }

    fn assume_set(to: &To, row: &mut Row, parts: &mut Parts) {
        match to {
            To::Username(username) => row.username.clone_from(username),
            To::Name(name) => row.name.clone_from(name),
            To::Roles(roles) => {
                if let Some(detail) = &mut parts.detail {
                    detail.roles = roles.iter().copied().collect();
                }
            }
        }
    }
}

/// The roles in words, for people.
pub fn named<'a>(roles: impl IntoIterator<Item = &'a i64>) -> String {
    let name = |id: &i64| UserRole::of(*id).map_or_else(|| id.to_string(), |role| role.as_str().to_owned());
    roles.into_iter().map(name).collect::<Vec<_>>().join(" and ")
}
