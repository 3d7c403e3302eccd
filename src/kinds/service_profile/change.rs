//! The calls that bring a service profile closer to its spec.

use std::{collections::BTreeMap, fmt};

use emnify_engine::kind::{FieldDiff, RecordChange, SubChange};

use super::rows::{DataLimit, DataRule, Flag, HaveService, Link, Parts, Row};

/// One call.
pub type Change = RecordChange<Sub>;
/// One field that is set.
pub type FieldChange = emnify_engine::kind::FieldChange<To>;

/// A change of a sub-resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Sub {
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
        /// As in [`Sub::RemoveLimit`].
        devices: u64,
    },
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

impl SubChange for Sub {
    type To = To;
    type Row = Row;
    type Parts = Parts;
    const NOUN: &'static str = "service profile";

    fn field(&self) -> FieldDiff {
        match self {
            Self::AddService { service } => FieldDiff::new("services", "-", format!("service {service}")),
            Self::RemoveService { service, name, .. } => {
                FieldDiff::new("services", format!("service {service} ({name})"), "-")
            }
            Self::SetLimit { path, limit, .. } => FieldDiff::new(path, "-", format!("limit {limit}")),
            Self::RemoveLimit { path, limit, .. } => FieldDiff::new(path, format!("limit {limit}"), "-"),
            Self::AddDataLimit { rule, .. } => FieldDiff::new("dataLimits", "-", rule),
            Self::RemoveDataLimit { rule, .. } => FieldDiff::new("dataLimits", rule, "-"),
        }
    }

    fn disturbs(&self) -> u64 {
        match self {
            Self::RemoveService { devices, .. }
            | Self::SetLimit { devices, .. }
            | Self::AddDataLimit { devices, .. }
            | Self::RemoveLimit { devices, .. }
            | Self::RemoveDataLimit { devices, .. } => *devices,
            Self::AddService { .. } => 0,
        }
    }

    fn repeatable(&self) -> bool {
        !matches!(self, Self::AddDataLimit { .. })
    }

    /// The answer to a new data limit need not name its id.
    fn unsettles(&self) -> bool {
        matches!(self, Self::AddDataLimit { .. })
    }

    fn assume(&self, _: &mut Row, parts: &mut Parts) {
        match self {
            Self::AddService { service } => {
                services(parts, |all| {
                    all.entry(*service).or_default();
                });
            }
            Self::RemoveService { service, .. } => services(parts, |all| drop(all.remove(service))),
            Self::SetLimit { service, limit, .. } => {
                services(parts, |all| all.entry(*service).or_default().limits.push(*limit));
            }
            Self::RemoveLimit { service, limit, .. } => {
                services(parts, |all| all.entry(*service).or_default().limits.retain(|known| known != limit));
            }
            Self::AddDataLimit { rule, .. } => {
                if let Some(limits) = &mut parts.data_limits {
                    limits.push(DataLimit::from(rule.clone()));
                }
            }
            Self::RemoveDataLimit { id, .. } => {
                if let Some(limits) = &mut parts.data_limits {
                    limits.retain(|limit| limit.id != Some(*id));
                }
            }
        }
    }

    fn assume_set(to: &To, row: &mut Row, parts: &mut Parts) {
        match (to, parts.detail.as_mut()) {
            (To::Name(name), _) => row.name.clone_from(name),
            (To::Description(text), _) => row.description.clone_from(text),
            (To::Flag(flag, on), detail) => {
                if flag.listed() {
                    row.flags.insert(*flag, *on);
                }
                if let Some(detail) = detail {
                    detail.flags.insert(*flag, *on);
                }
            }
            (To::Link(link, id), Some(detail)) => drop(detail.links.insert(*link, *id)),
            (To::Link(..), None) => {}
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

fn services(parts: &mut Parts, edit: impl FnOnce(&mut BTreeMap<i64, HaveService>)) {
    if let Some(detail) = &mut parts.detail {
        edit(&mut detail.services);
    }
}
