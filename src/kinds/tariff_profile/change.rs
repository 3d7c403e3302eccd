//! The calls that bring a tariff profile closer to its spec.

use std::fmt;

use emnify_engine::kind::{Change as _, Class, FieldDiff, Verb};

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Makes the profile.
    Create(Vec<FieldChange>),
    /// Sets fields of the profile.
    Patch {
        /// Which.
        sets: Vec<FieldChange>,
        /// Devices with this profile.
        devices: u64,
    },
    /// Selects a rate zone.
    SelectZone {
        /// Its id.
        zone: i64,
        /// Its name, or its id where that is not known.
        name: String,
    },
    /// Deselects a rate zone.
    DeselectZone {
        /// Its id.
        zone: i64,
        /// Its name.
        name: String,
        /// Devices with this profile.
        devices: u64,
    },
    /// Blocks an operator.
    Block {
        /// Its id.
        operator: i64,
        /// Radio technologies; empty is the operator as a whole.
        rats: Vec<i64>,
        /// Devices with this profile.
        devices: u64,
    },
    /// Unblocks an operator as a whole; its radio technologies are entries of their own.
    Unblock {
        /// Its id.
        operator: i64,
    },
    /// Unblocks one radio technology of an operator.
    UnblockRat {
        /// Id of the operator.
        operator: i64,
        /// The radio technology.
        rat: i64,
    },
    /// Gives the profile an inclusive volume.
    AssignVolume {
        /// Its id.
        volume: i64,
    },
    /// Takes the inclusive volume away.
    RemoveVolume {
        /// Its id.
        volume: i64,
        /// Devices with this profile, which pay for what it covered.
        devices: u64,
    },
    /// Deletes the profile.
    Delete,
}

/// One field that is set.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// For people.
    pub diff: FieldDiff,
    /// For emnify.
    pub to: To,
}

/// A field and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Display name.
    Name(String),
    /// Description with mark.
    Description(String),
    /// Tariff; wipes all rate zones [S].
    Tariff(i64),
}

impl emnify_engine::kind::Change for Change {
    fn fields(&self) -> Vec<FieldDiff> {
        let one = |path: &str, old: String, new: String| vec![FieldDiff::new(path, old, new)];
        let none = || "-".to_owned();
        match self {
            Self::Create(sets) | Self::Patch { sets, .. } => sets.iter().map(|set| set.diff.clone()).collect(),
            Self::SelectZone { name, .. } => one("rateZones", none(), name.clone()),
            Self::DeselectZone { name, .. } => one("rateZones", name.clone(), none()),
            Self::Block { operator, rats, .. } if rats.is_empty() => {
                one("operatorBlocklist", none(), format!("operator {operator}"))
            }
            Self::Block { operator, rats, .. } => {
                let rats: Vec<_> = rats.iter().map(i64::to_string).collect();
                one("operatorBlocklist", none(), format!("operator {operator}, RAT types {}", rats.join(", ")))
            }
            Self::Unblock { operator } => one("operatorBlocklist", format!("operator {operator}"), none()),
            Self::UnblockRat { operator, rat } => {
                one("operatorBlocklist", format!("operator {operator}, RAT type {rat}"), none())
            }
            Self::AssignVolume { volume } => one("inclusiveVolume", none(), volume.to_string()),
            Self::RemoveVolume { volume, .. } => one("inclusiveVolume", volume.to_string(), none()),
            Self::Delete => Vec::new(),
        }
    }

    fn class(&self) -> Class {
        let disturbs = match self {
            Self::Patch { sets, devices } if sets.iter().any(|set| matches!(set.to, To::Tariff(_))) => *devices,
            Self::DeselectZone { devices, .. }
            | Self::Block { devices, .. }
            | Self::RemoveVolume { devices, .. } => *devices,
            _ => 0,
        };
        let verb = match self {
            Self::Create(_) => Verb::Create,
            Self::Delete => Verb::Delete,
            _ => Verb::Update,
        };
        // Without a zone every device of the profile is cut off.
        Class { verb, urgent: matches!(self, Self::SelectZone { .. }), disturbs }
    }

    fn repeatable(&self) -> bool {
        !matches!(self, Self::Create(_))
    }

    fn unsettles(&self) -> bool {
        matches!(self, Self::Patch { sets, .. } if sets.iter().any(|set| matches!(set.to, To::Tariff(_))))
    }

    fn strip(self, ignored: &dyn Fn(&str) -> bool) -> Option<Self> {
        match self {
            Self::Patch { mut sets, devices } => {
                sets.retain(|set| !ignored(&set.diff.path));
                (!sets.is_empty()).then_some(Self::Patch { sets, devices })
            }
            Self::Create(_) | Self::Delete => Some(self),
            other => {
                let fields = other.fields();
                (!fields.iter().all(|field| ignored(&field.path))).then_some(other)
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(_) => f.write_str("create the tariff profile"),
            Self::Delete => f.write_str("delete the tariff profile"),
            _ => {
                let fields: Vec<_> = self.fields().iter().map(FieldDiff::to_string).collect();
                f.write_str(&fields.join(", "))
            }
        }
    }
}
