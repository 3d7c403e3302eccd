//! The status of an object under construction.

use crate::kind::{Id, Managed, spec::Provenance};

/// The status under construction.
pub(super) struct Draft<K: Managed> {
    pub(super) before: Option<K::Status>,
    pub(super) status: K::Status,
    pub(super) version: String,
    /// Holds an id or an intent: nothing may have changed meanwhile.
    pub(super) guarded: bool,
    /// Bound in this look.
    pub(super) bound: Option<Bound>,
}

/// A binding that the status under construction holds.
pub(super) struct Bound {
    pub(super) id: Id,
    pub(super) provenance: Provenance,
    /// The object's own create made it.
    pub(super) made: bool,
}
