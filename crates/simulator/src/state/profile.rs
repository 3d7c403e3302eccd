//! Service and tariff profiles, and the tariffs behind them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::{Table, rows};

rows!(
    ServiceProfile => service_profile, DataLimit => data_limit, TariffProfile => tariff_profile,
    Tariff => tariff, RateZone => rate_zone, InclusiveVolume => inclusive_volume,
);

/// An operator refused by a tariff profile: as a whole, for single radio technologies, or both at once. [S]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockedOperator {
    /// Id of the operator.
    pub operator: u64,
    /// Refused as a whole.
    #[serde(default)]
    pub completely: bool,
    /// Ids of the technologies it is refused for.
    #[serde(default)]
    pub rat_types: Vec<u64>,
}

/// What devices may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, clippy::struct_excessive_bools, reason = "the API's own words")]
pub struct ServiceProfile {
    pub id: u64,
    pub name: String,
    pub description: String,
    pub allowed_2g: bool,
    pub allowed_3g: bool,
    pub allowed_4g: bool,
    pub allowed_nb_iot: bool,
    pub allowed_nb_iot_geo: bool,
    pub apply_data_quota: bool,
    pub apply_sms_quota: bool,
    pub retail: bool,
    pub prepaid: bool,
    pub nipdp: bool,
    pub sms_p2p_int: bool,
    pub sms_p2p_ext: bool,
    pub api_callback: Option<u64>,
    pub api_secret: Option<u64>,
    pub moc_callback: Option<u64>,
    pub esme_interface_type: Option<u64>,
    pub breakout_region: Option<u64>,
    /// Id of the DNS configuration.
    pub dns: Option<u64>,
    /// Services, each with its SMS limits.
    pub services: Vec<ProfileService>,
    /// Data limits.
    pub data_limits: Table<DataLimit>,
}

impl Default for ServiceProfile {
    fn default() -> Self {
        Self {
            id: 0,
            name: String::new(),
            description: String::new(),
            allowed_2g: true,
            allowed_3g: true,
            allowed_4g: true,
            allowed_nb_iot: true,
            allowed_nb_iot_geo: false,
            apply_data_quota: false,
            apply_sms_quota: false,
            retail: false,
            prepaid: false,
            nipdp: false,
            sms_p2p_int: true,
            sms_p2p_ext: true,
            api_callback: None,
            api_secret: None,
            moc_callback: None,
            esme_interface_type: None,
            breakout_region: None,
            dns: None,
            services: Vec::new(),
            data_limits: Table::default(),
        }
    }
}

/// A service of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileService {
    /// Id of the service; 38 = data.
    pub service: u64,
    /// Ids of its limits in the fixed catalogue.
    #[serde(default)]
    pub traffic_limits: Vec<u64>,
}

/// A monthly data limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct DataLimit {
    #[serde(default)]
    pub id: u64,
    pub service: u64,
    #[serde(default)]
    pub satellite_only: bool,
    pub period: u64,
    /// Bytes.
    pub volume: u64,
    #[serde(default)]
    pub warning_percent: Option<u64>,
}

/// Where devices may go and what it costs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TariffProfile {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Id of the tariff.
    pub tariff: u64,
    /// Ids of the selected rate zones; none: devices are blocked everywhere. [P]
    pub rate_zones: Vec<u64>,
    /// Id of the assigned inclusive volume.
    pub inclusive_volume: Option<u64>,
    /// Operators refused by policy.
    pub operator_blocklist: Vec<BlockedOperator>,
}

/// A tariff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Its zones.
    #[serde(default)]
    pub rate_zones: Table<RateZone>,
    /// Volumes one can assign to profiles of this tariff.
    #[serde(default)]
    pub inclusive_volumes: Table<InclusiveVolume>,
}

/// A group of countries with one price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateZone {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Price of a MB.
    #[serde(default)]
    pub rate: f64,
    /// Ids of its operators.
    #[serde(default)]
    pub operators: Vec<u64>,
    /// Valid from then.
    #[serde(default)]
    pub valid_from: Timestamp,
    /// Valid until then.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
}

/// Traffic paid in advance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct InclusiveVolume {
    #[serde(default)]
    pub id: u64,
    /// MB.
    pub volume: f64,
    pub rate: f64,
    #[serde(default)]
    pub pooled: bool,
    pub start_date: Timestamp,
    #[serde(default)]
    pub end_date: Option<Timestamp>,
    pub rate_zone: u64,
}
