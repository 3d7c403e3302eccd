//! SIMs as the mirror keeps them, and as a spec wants them.

use std::fmt;

use emnify_engine::kind::{Change, Class, FieldDiff, Key, Verb};
use jiff::Timestamp;
use smol_str::SmolStr;

use super::state::{SimState, WantedState, status};

/// Index keys of a SIM.
pub mod key {
    /// 19 digits.
    pub const ICCID: &str = "iccid";
    /// 32 digits; several SIMs may share one.
    pub const EID: &str = "eid";
    /// Digits.
    pub const IMSI: &str = "imsi";
}

/// A SIM of the listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Id in emnify.
    pub id: i64,
    /// 19 digits.
    pub iccid: Option<SmolStr>,
    /// 32 digits, eUICCs only.
    pub eid: Option<SmolStr>,
    /// Digits.
    pub imsi: Option<SmolStr>,
    /// Phone number.
    pub msisdn: Option<SmolStr>,
    /// Status id, see [`status`].
    pub status: i64,
    /// Endpoint that holds it.
    pub endpoint: Option<i64>,
    /// Id of its model.
    pub model: Option<i64>,
    /// First activation.
    pub activated: Option<Timestamp>,
}

impl Row {
    /// A deleted SIM stays in listings for a while; it counts as absent.
    pub fn is_tombstone(&self) -> bool {
        self.status == status::DELETED
    }

    /// The value of the index key `name`.
    pub fn number(&self, name: &str) -> Option<&str> {
        match name {
            key::ICCID => self.iccid.as_deref(),
            key::EID => self.eid.as_deref(),
            key::IMSI => self.imsi.as_deref(),
            _ => None,
        }
    }
}

/// What the spec wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// The number it is known by.
    pub number: Key,
    /// Wanted state; unset is unmanaged.
    pub state: Option<WantedState>,
}

/// Sets the state of a SIM: `PATCH /sim/{id}` with the status alone. [R]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetState {
    /// Status id as last seen.
    pub from: i64,
    /// New state.
    pub to: SimState,
}

impl fmt::Display for SetState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "state: {} -> {}", status::name(self.from), self.to)
    }
}

impl Change for SetState {
    fn fields(&self) -> Vec<FieldDiff> {
        vec![FieldDiff::new("state", status::name(self.from), self.to)]
    }

    fn class(&self) -> Class {
        // Suspension stops costs.
        Class { verb: Verb::Update, urgent: self.to == SimState::Suspended, disturbs: 1 }
    }

    fn repeatable(&self) -> bool {
        // Whether a transition from a state to itself is legal is not documented.
        false
    }
}
