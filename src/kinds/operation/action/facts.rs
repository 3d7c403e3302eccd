//! What never changes about an action.

use emnify_engine::kind::{
    Invalid, reason,
    task::{Again, Outcome},
};

/// What targets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Devices,
    Sims,
    /// By their EIDs.
    Euiccs,
    /// One object of this kind.
    Only(&'static str),
    /// What the action itself names.
    Organisation,
}

/// What never changes about an action.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// As `spec.action` calls it.
    pub(crate) name: &'static str,
    pub(crate) again: Again,
    /// Devices that the guard counts for each target.
    pub(crate) disturbs: u64,
    /// It writes to the device itself.
    pub(crate) serial: bool,
    /// It cannot be taken back.
    pub(crate) irreversible: bool,
}

impl Facts {
    /// Of an action that can be undone.
    pub(super) const fn of(name: &'static str, again: Again, disturbs: u64) -> Self {
        Self { name, again, disturbs, serial: false, irreversible: false }
    }

    /// It writes to the device itself, which emnify wants one after another.
    pub(super) const fn serial(self) -> Self {
        Self { serial: true, ..self }
    }

    /// It cannot be taken back.
    pub(super) const fn irreversible(self) -> Self {
        Self { irreversible: true, ..self }
    }
}

/// A field of the spec that cannot be sent.
pub(super) fn invalid(why: &Invalid) -> Outcome {
    Outcome::Failed { reason: reason::INVALID_SPEC, message: why.to_string() }
}
