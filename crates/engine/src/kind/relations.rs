//! What objects say of each other.

use super::Id;

/// What an object of any kind says to those who refer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefState {
    /// There is no such object.
    Missing,
    /// It is being deleted.
    Deleting,
    /// It has no id yet.
    Unbound,
    /// It is there.
    Bound {
        /// Its emnify id.
        id: Id,
        /// The organisation it lives in.
        organisation: String,
        /// The host of that, as far as it is known.
        host: Option<String>,
    },
}

/// What a key means in a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// The mirror is not complete yet.
    Unread,
    /// Nothing carries the key.
    Nothing,
    /// Exactly one does.
    One(Id),
    /// Several do.
    Several(Vec<Id>),
}

/// Who in emnify uses an object there, each with kind, id and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// What an object here manages.
    pub here: Vec<String>,
    /// What no object here manages.
    pub nobodys: Vec<String>,
}
