//! What never changes about an action.

use emnify_engine::kind::task::Again;

/// What never changes about an action.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Facts {
    /// As `spec.action` calls it.
    pub(in super::super) name: &'static str,
    pub(in super::super) again: Again,
    /// Devices that the guard counts for each target.
    pub(in super::super) disturbs: u64,
    /// It writes to the device itself.
    pub(in super::super) serial: bool,
    /// It cannot be taken back.
    pub(in super::super) irreversible: bool,
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
}
