//! What is mirrored, and what is wanted, in the same terms.

use std::collections::BTreeMap;

pub use emnify::wire::traffic_limit::DATA;
use emnify_engine::kind::{Description, Kind as _};

use crate::{
    api::Target,
    kinds::{api_callback::ApiCallback, api_secret::ApiSecret, common::lookups, dns_config::DnsConfig},
};

macro_rules! flags {
    ($($(#[$doc:meta])* $flag:ident = $path:literal, $listed:literal, $cuts:expr;)*) => {
        /// A switch of the profile.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Flag { $($(#[$doc])* $flag,)* }

        impl Flag {
            /// All of them.
            pub const ALL: &[Flag] = &[$(Flag::$flag),*];

            /// Path in the spec.
            pub fn path(self) -> &'static str {
                match self { $(Self::$flag => $path,)* }
            }

            /// The listing shows it; the others need the detail [S].
            pub fn listed(self) -> bool {
                match self { $(Self::$flag => $listed,)* }
            }

            /// Setting it to this value may cut devices off.
            pub fn cuts_at(self) -> Option<bool> {
                match self { $(Self::$flag => $cuts,)* }
            }
        }
    };
}

flags! {
    /// 2G; seen in live data only [L].
    Allowed2g = "allowed2g", false, Some(false);
    /// 3G.
    Allowed3g = "allowed3g", true, Some(false);
    /// 4G and LTE-M.
    Allowed4g = "allowed4g", true, Some(false);
    /// NB-IoT.
    AllowedNbIot = "allowedNbIot", true, Some(false);
    /// NB-IoT over satellite.
    AllowedNbIotGeo = "allowedNbIotGeo", true, Some(false);
    /// Data quotas are enforced: devices without one are cut off [S].
    ApplyDataQuota = "applyDataQuota", true, Some(true);
    /// SMS quotas are enforced: devices without one are cut off [S].
    ApplySmsQuota = "applySmsQuota", true, Some(true);
    /// Retail mode.
    Retail = "retail", false, None;
    /// Non-IP data.
    Nipdp = "nipdp", false, None;
    /// SMS between devices.
    SmsP2pInt = "smsP2pInt", false, None;
    /// SMS to the outside.
    SmsP2pExt = "smsP2pExt", false, None;
}

/// Switches that are known or wanted.
pub type Flags = BTreeMap<Flag, bool>;

/// A reference that the profile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Link {
    /// DNS servers.
    Dns,
    /// Callback for SMS.
    ApiCallback,
    /// Secret of callbacks.
    ApiSecret,
    /// Callback for calls.
    MocCallback,
    /// How SMS reach the application.
    EsmeInterfaceType,
    /// Where traffic leaves emnify.
    BreakoutRegion,
}

impl Link {
    /// Path in the spec.
    pub fn path(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::ApiCallback => "apiCallback",
            Self::ApiSecret => "apiSecret",
            Self::MocCallback => "mocCallback",
            Self::EsmeInterfaceType => "esmeInterfaceType",
            Self::BreakoutRegion => "breakoutRegion",
        }
    }
}

/// References that are known or wanted; `None` is none.
pub type Links = BTreeMap<Link, Option<i64>>;

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
    /// Listed switches.
    pub flags: Flags,
}

/// What the listing does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Services, references and the other switches.
    Detail,
    /// Limits on data.
    DataLimits,
}

/// The parts, once read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// The detail.
    pub detail: Option<Detail>,
    /// Limits on data.
    pub data_limits: Option<Vec<DataLimit>>,
}

/// The detail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Switches.
    pub flags: Flags,
    /// References.
    pub links: Links,
    /// Services that are on, by id.
    pub services: BTreeMap<i64, HaveService>,
}

/// A service that is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HaveService {
    /// Its name, where known.
    pub name: String,
    /// Limits on SMS, ids of the catalogue; one as far as is known.
    pub limits: Vec<i64>,
}

/// A limit on data that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataLimit {
    /// Id; unknown between our own create and the next read.
    pub id: Option<i64>,
    /// What it says.
    pub rule: DataRule,
}

/// What a limit on data says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataRule {
    /// Bytes per month.
    pub volume: i64,
    /// Warning at this percentage.
    pub warning_percent: Option<i64>,
    /// Satellite traffic only.
    pub satellite_only: bool,
}

/// What emnify should hold; unset is unmanaged.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// Display name.
    pub name: String,
    /// Description.
    pub description: Description,
    /// Switches.
    pub flags: Flags,
    /// References.
    pub links: Links,
    /// All services; per service its limit: unmanaged, none, or an id of the catalogue.
    pub services: Option<BTreeMap<i64, WantService>>,
    /// All limits on data.
    pub data_limits: Option<Vec<DataRule>>,
}

/// A wanted service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantService {
    /// Path in the spec.
    pub path: String,
    /// Limit: unmanaged, none, or an id of the catalogue.
    pub limit: Option<Option<i64>>,
}

impl Link {
    /// Where its names are looked up.
    pub(super) fn target(self) -> Target {
        Target::Table(match self {
            Self::Dns => return Target::Kind(DnsConfig::KIND),
            Self::ApiCallback | Self::MocCallback => return Target::Kind(ApiCallback::KIND),
            Self::ApiSecret => return Target::Kind(ApiSecret::KIND),
            Self::EsmeInterfaceType => &lookups::ESME_INTERFACE_TYPES,
            Self::BreakoutRegion => &lookups::BREAKOUT_REGIONS,
        })
    }
}
