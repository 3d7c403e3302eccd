//! The calls that bring a tariff profile closer to its spec.

use std::collections::BTreeSet;

use emnify_engine::kind::{FieldDiff, RecordChange, SubChange};

use super::rows::{Blocked, Parts, Row, Zones};

/// One call.
pub type Change = RecordChange<Sub>;
/// One field that is set.
pub type FieldChange = emnify_engine::kind::FieldChange<To>;

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

/// A change of a sub-resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Sub {
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
}

impl SubChange for Sub {
    type To = To;
    type Row = Row;
    type Parts = Parts;
    const NOUN: &'static str = "tariff profile";

    fn field(&self) -> FieldDiff {
        match self {
            Self::SelectZone { name, .. } => FieldDiff::new("rateZones", "-", name),
            Self::DeselectZone { name, .. } => FieldDiff::new("rateZones", name, "-"),
            Self::Block { operator, rats, .. } if rats.is_empty() => {
                FieldDiff::new("operatorBlocklist", "-", format!("operator {operator}"))
            }
            Self::Block { operator, rats, .. } => {
                let rats: Vec<_> = rats.iter().map(i64::to_string).collect();
                let blocked = format!("operator {operator}, RAT types {}", rats.join(", "));
                FieldDiff::new("operatorBlocklist", "-", blocked)
            }
            Self::Unblock { operator } => {
                FieldDiff::new("operatorBlocklist", format!("operator {operator}"), "-")
            }
            Self::UnblockRat { operator, rat } => {
                FieldDiff::new("operatorBlocklist", format!("operator {operator}, RAT type {rat}"), "-")
            }
            Self::AssignVolume { volume } => FieldDiff::new("inclusiveVolume", "-", volume),
            Self::RemoveVolume { volume, .. } => FieldDiff::new("inclusiveVolume", volume, "-"),
        }
    }

    fn disturbs(&self) -> u64 {
        match self {
            Self::DeselectZone { devices, .. }
            | Self::Block { devices, .. }
            | Self::RemoveVolume { devices, .. } => *devices,
            _ => 0,
        }
    }

    /// Without a zone every device of the profile is cut off.
    fn urgent(&self) -> bool {
        matches!(self, Self::SelectZone { .. })
    }

    fn assume(&self, row: &mut Row, parts: &mut Parts) {
        if !matches!(self, Self::AssignVolume { .. } | Self::RemoveVolume { .. }) {
            parts.countries = None;
        }
        match self {
            Self::SelectZone { zone, .. } => select(&mut parts.zones, *zone, true),
            Self::DeselectZone { zone, .. } => select(&mut parts.zones, *zone, false),
            Self::AssignVolume { volume } => row.inclusive_volume = Some(*volume),
            Self::RemoveVolume { .. } => row.inclusive_volume = None,
            Self::Block { operator, rats, .. } => edit(parts, *operator, |entry| {
                entry.whole |= rats.is_empty();
                entry.rats.extend(rats);
            }),
            Self::Unblock { operator } => edit(parts, *operator, |entry| entry.whole = false),
            Self::UnblockRat { operator, rat } => {
                edit(parts, *operator, |entry| entry.rats.retain(|known| known != rat));
            }
        }
    }

    fn assume_set(to: &To, row: &mut Row, parts: &mut Parts) {
        match to {
            To::Name(name) => row.name.clone_from(name),
            To::Description(text) => row.description.clone_from(text),
            To::Tariff(tariff) => {
                row.tariff = Some((*tariff, None));
                parts.zones = Zones::Wiped { selected: BTreeSet::new() };
                parts.countries = None;
            }
        }
    }
}

/// An entry goes when nothing of the operator is blocked any more.
fn edit(parts: &mut Parts, operator: i64, edit: impl FnOnce(&mut Blocked)) {
    let Some(list) = &mut parts.blocklist else { return };
    let entry = list.entry(operator).or_default();
    edit(entry);
    if *entry == Blocked::default() {
        list.remove(&operator);
    }
}

fn select(zones: &mut Zones, id: i64, on: bool) {
    match zones {
        Zones::Unread => {}
        Zones::Wiped { selected } if on => drop(selected.insert(id)),
        Zones::Wiped { selected } => drop(selected.remove(&id)),
        Zones::Read(all) => {
            for zone in all.iter_mut().filter(|zone| zone.id == id) {
                zone.selected = on;
            }
        }
    }
}
