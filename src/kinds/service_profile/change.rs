//! The calls that bring a service profile closer to its spec.

use std::fmt;

use emnify_engine::kind::{Change as _, Class, FieldDiff, Verb};

use super::rows::{DataLimit, DataRule, Flag, Link};

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
    /// Switches a service on.
    AddService {
        /// Id of the service.
        service: i64,
    },
    /// Switches a service off.
    RemoveService {
        /// Id of the service.
        service: i64,
        /// Its name.
        name: String,
        /// Devices with this profile.
        devices: u64,
    },
    /// Sets the limit of a service.
    SetLimit {
        /// Path in the spec.
        path: String,
        /// Id of the service.
        service: i64,
        /// Id in the catalogue.
        limit: i64,
        /// Devices with this profile.
        devices: u64,
    },
    /// Takes the limit of a service away.
    RemoveLimit {
        /// Path in the spec.
        path: String,
        /// Id of the service.
        service: i64,
        /// Id in the catalogue.
        limit: i64,
        /// Devices with this profile if another limit, or the end of the service, follows: the guard is asked for both
        /// before this one, or devices would be left without any limit. Else 0.
        devices: u64,
    },
    /// Sets a limit on data.
    AddDataLimit {
        /// What it says.
        rule: DataRule,
        /// Devices with this profile.
        devices: u64,
    },
    /// Takes a limit on data away.
    RemoveDataLimit {
        /// Its id.
        id: i64,
        /// What it said.
        rule: DataRule,
        /// As in [`Change::RemoveLimit`].
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
    /// It may cut devices off.
    pub cuts: bool,
}

/// A field and its value.
#[derive(Clone, Debug, PartialEq)]
pub enum To {
    /// Display name.
    Name(String),
    /// Description with mark.
    Description(String),
    /// A switch.
    Flag(Flag, bool),
    /// A reference; `None` clears it.
    Link(Link, Option<i64>),
}

impl emnify_engine::kind::Change for Change {
    fn fields(&self) -> Vec<FieldDiff> {
        match self {
            Self::Create(sets) | Self::Patch { sets, .. } => sets.iter().map(|set| set.diff.clone()).collect(),
            Self::AddService { service } => vec![FieldDiff::new("services", "-", format!("service {service}"))],
            Self::RemoveService { service, name, .. } => {
                vec![FieldDiff::new("services", format!("service {service} ({name})"), "-")]
            }
            Self::SetLimit { path, limit, .. } => vec![FieldDiff::new(path, "-", format!("limit {limit}"))],
            Self::RemoveLimit { path, limit, .. } => vec![FieldDiff::new(path, format!("limit {limit}"), "-")],
            Self::AddDataLimit { rule, .. } => vec![FieldDiff::new("dataLimits", "-", rule)],
            Self::RemoveDataLimit { rule, .. } => vec![FieldDiff::new("dataLimits", rule, "-")],
            Self::Delete => Vec::new(),
        }
    }

    fn class(&self) -> Class {
        let update = |devices| Class { verb: Verb::Update, urgent: false, disturbs: devices };
        match self {
            Self::Create(_) => Class::quiet(Verb::Create),
            Self::Delete => Class::quiet(Verb::Delete),
            Self::Patch { sets, devices } if sets.iter().any(|set| set.cuts) => update(*devices),
            Self::RemoveService { devices, .. }
            | Self::SetLimit { devices, .. }
            | Self::AddDataLimit { devices, .. }
            | Self::RemoveLimit { devices, .. }
            | Self::RemoveDataLimit { devices, .. } => update(*devices),
            Self::Patch { .. } | Self::AddService { .. } => update(0),
        }
    }

    fn repeatable(&self) -> bool {
        !matches!(self, Self::Create(_) | Self::AddDataLimit { .. })
    }

    /// The answer to a new data limit need not name its id.
    fn unsettles(&self) -> bool {
        matches!(self, Self::AddDataLimit { .. })
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
            Self::Create(_) => f.write_str("create the service profile"),
            Self::Delete => f.write_str("delete the service profile"),
            _ => {
                let fields: Vec<_> = self.fields().iter().map(FieldDiff::to_string).collect();
                f.write_str(&fields.join(", "))
            }
        }
    }
}

impl fmt::Display for DataRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes per month", self.volume)?;
        if self.satellite_only {
            f.write_str(" by satellite")?;
        }
        match self.warning_percent {
            Some(percent) => write!(f, ", warning at {percent} %"),
            None => Ok(()),
        }
    }
}

impl From<DataRule> for DataLimit {
    /// A limit that was just made: its id is not known before the next read.
    fn from(rule: DataRule) -> Self {
        Self { id: None, rule }
    }
}
