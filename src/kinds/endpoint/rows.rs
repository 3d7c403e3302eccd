//! Devices as the mirror keeps them, what no listing shows, and what a spec wants.

use std::{
    collections::HashSet,
    ops::Deref,
    sync::{Arc, LazyLock},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use smol_str::SmolStr;

use super::{connectivity::Connectivity, quota};
use crate::kinds::sim::state::{WantedState, status as sim_status};

pub use emnify::wire::endpoint::status;

/// Index keys of a device.
pub mod key {
    /// Id of the SIM: unique per live endpoint.
    pub const SIM: &str = "sim";
    /// `space/address`: unique per space.
    pub const ADDRESS: &str = "address";
    /// Name and profiles: what is left to recognise a device without SIM and address by.
    pub const LIKENESS: &str = "likeness";
}

/// A device of the listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Id in emnify.
    pub id: i64,
    /// Not unique.
    pub name: SmolStr,
    /// See [`status`].
    pub status: i64,
    /// Id of the service profile.
    pub service_profile: i64,
    /// Id of the tariff profile.
    pub tariff_profile: i64,
    /// The SIM, if there is one.
    pub sim: Option<RowSim>,
    /// Up to 16 digits, perhaps with a filler `f` at the end [3P].
    pub imei: Option<SmolStr>,
    /// Bound to the IMEI.
    pub imei_lock: bool,
    /// Address.
    pub address: Option<SmolStr>,
    /// Id of the space of the address.
    pub space: Option<i64>,
    /// Tags; `None` where the answer did not show them (only listings do [S]).
    pub tags: Option<TagList>,
    /// Creation.
    pub created: Option<Timestamp>,
    /// Last change.
    pub updated: Option<Timestamp>,
}

/// The SIM of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSim {
    /// Id in emnify.
    pub id: i64,
    /// 19 digits.
    pub iccid: Option<SmolStr>,
    /// See [`sim_status`]; `None` right after an assignment, until the next read.
    pub status: Option<i64>,
}

/// A tag, by name; the id is missing while the tag does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Id in emnify.
    pub id: Option<i64>,
    /// Unique per organisation. [S]
    pub name: String,
}

impl Tag {
    /// Both are one tag: by their ids where both are known, because a name may be written in several ways.
    pub fn is(&self, other: &Self) -> bool {
        match (self.id, other.id) {
            (Some(a), Some(b)) => a == b,
            _ => self.name == other.name,
        }
    }
}

/// The tags of a device. Fleets carry the same ones everywhere, so lists that are equal are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagList(Arc<Vec<Tag>>);

static LISTS: LazyLock<Mutex<HashSet<Arc<Vec<Tag>>>>> = LazyLock::new(Mutex::default);

impl From<Vec<Tag>> for TagList {
    fn from(tags: Vec<Tag>) -> Self {
        let mut lists = LISTS.lock();
        if let Some(known) = lists.get(&tags) {
            return Self(known.clone());
        }
        if lists.len() == lists.capacity() {
            // before the set grows, what no device carries any more
            lists.retain(|list| Arc::strong_count(list) > 1);
        }
        let list = Arc::new(tags);
        lists.insert(list.clone());
        Self(list)
    }
}

impl FromIterator<Tag> for TagList {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        tags.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for TagList {
    type Target = [Tag];

    fn deref(&self) -> &[Tag] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a TagList {
    type Item = &'a Tag;
    type IntoIter = std::slice::Iter<'a, Tag>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Row {
    /// A deleted device may linger in listings; it counts as absent.
    pub fn is_tombstone(&self) -> bool {
        self.status == status::DELETED
    }

    /// Whether its SIM is in this state.
    pub fn sim_is(&self, state: i64) -> bool {
        self.sim.as_ref().is_some_and(|sim| sim.status == Some(state))
    }

    /// Whether a status change would end Factory Test, and so start billing. [P]
    pub fn in_factory_test(&self) -> bool {
        self.sim_is(sim_status::FACTORY_TEST)
    }
}

/// Value of [`key::LIKENESS`].
pub fn likeness(name: &str, service_profile: i64, tariff_profile: i64) -> String {
    format!("{service_profile}/{tariff_profile}/{name}")
}

/// Value of [`key::ADDRESS`].
pub fn address(space: i64, address: &str) -> String {
    format!("{space}/{address}")
}

/// What no listing shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Operators the device may not use.
    Blocklist,
    /// Data quota.
    DataQuota,
    /// SMS quota.
    SmsQuota,
    /// Where the device is; read once, events follow.
    Connectivity,
    /// How much it has used; read where the workspace wants to know.
    Usage,
}

/// The pieces; `None` is not read yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Ids of blocked operators.
    pub blocklist: Option<Vec<i64>>,
    /// `Some(None)`: there is none.
    pub data_quota: Option<Option<quota::Live>>,
    /// `Some(None)`: there is none.
    pub sms_quota: Option<Option<quota::Live>>,
    /// Where it was when it was read.
    pub connectivity: Option<Connectivity>,
    /// What it had used when it was read.
    pub usage: Option<Box<Usage>>,
}

/// What a device has used in one month.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Such as `2026-11`.
    pub month: String,
    /// Data in MB.
    pub megabytes: f64,
    /// Messages.
    pub sms: i64,
    /// What both cost, and in which currency; `None` where emnify does not say.
    pub cost: Option<(f64, String)>,
    /// When that was so.
    pub as_of: Timestamp,
}

/// What the spec wants; unset is unmanaged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Want {
    /// Name that is compared.
    pub name: Option<String>,
    /// Name that is sent on create.
    pub create_name: String,
    /// May use the network.
    pub enabled: Option<bool>,
    /// Id of the service profile.
    pub service_profile: Option<i64>,
    /// Id of the tariff profile.
    pub tariff_profile: Option<i64>,
    /// `Some(None)`: no SIM.
    pub sim: Option<Option<i64>>,
    /// Wanted state of that SIM.
    pub sim_state: Option<WantedState>,
    /// Digits as written.
    pub imei: Option<String>,
    /// Bound to the IMEI.
    pub imei_lock: Option<bool>,
    /// Fixed address.
    pub address: Option<String>,
    /// Id of its space.
    pub space: Option<i64>,
    /// Tags that have to be there.
    pub tags: Option<Vec<Tag>>,
    /// The tag that says who made the device.
    pub mark: Option<Tag>,
    /// Ids of exactly the operators to block.
    pub blocklist: Option<Vec<i64>>,
    /// Data allowance in MB.
    pub data_quota: Option<quota::Want>,
    /// SMS allowance in messages.
    pub sms_quota: Option<quota::Want>,
    /// Consent to end Factory Test.
    pub acknowledged: bool,
}
