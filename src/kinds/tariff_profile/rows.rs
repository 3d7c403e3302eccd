//! What is mirrored, and what is wanted, in the same terms.

use std::collections::{BTreeMap, BTreeSet};

use emnify_engine::kind::Description;

/// Entry of the listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Id.
    pub id: i64,
    /// Display name.
    pub name: String,
    /// Description with mark.
    pub description: String,
    /// Devices with this profile.
    pub used_count: i64,
    /// Tariff and its name, where shown.
    pub tariff: Option<(i64, Option<String>)>,
    /// Inclusive volume.
    pub inclusive_volume: Option<i64>,
}

/// What the listing does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Rate zones.
    Detail,
    /// Blocked operators.
    Blocklist,
    /// Where devices may connect, which follows from the two.
    Coverage,
}

/// The parts, once read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Rate zones.
    pub zones: Zones,
    /// Blocked operators by id.
    pub blocklist: Option<BTreeMap<i64, Blocked>>,
    /// Countries that devices may connect in; `None` where that was not read since zones or operators changed.
    pub countries: Option<i64>,
}

/// Rate zones of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Zones {
    /// Not read yet.
    #[default]
    Unread,
    /// A tariff change wiped the selection; names of the new tariff's zones are not read yet.
    Wiped {
        /// What was selected since.
        selected: BTreeSet<i64>,
    },
    /// As shown.
    Read(Vec<Zone>),
}

/// One rate zone of the tariff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Devices may connect in it.
    pub selected: bool,
}

/// What is blocked of an operator. The two are independent of each other [S].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocked {
    /// The operator as a whole.
    pub whole: bool,
    /// Radio technologies.
    pub rats: BTreeSet<i64>,
}

/// What emnify should hold; unset is unmanaged.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// Display name.
    pub name: String,
    /// Description.
    pub description: Description,
    /// Tariff.
    pub tariff: Option<i64>,
    /// All rate zones.
    pub zones: Option<Vec<WantZone>>,
    /// All blocked operators by id, and their radio technologies (`None`: the operator as a whole).
    pub blocklist: Option<BTreeMap<i64, Option<BTreeSet<i64>>>>,
    /// Inclusive volume.
    pub inclusive_volume: Option<Option<i64>>,
}

/// A wanted rate zone. Only the profile's detail tells what a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantZone {
    /// By id.
    Id(i64),
    /// By name.
    Name(String),
}
