//! Devices and SIMs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::table::{Table, rows};

rows!(Endpoint => endpoint, Sim => sim, SimBatch => sim_batch, Sms => sms, LimitExtension => limit_extension);

/// A device.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// Not unique. [3P]
    pub name: String,
    /// The legacy comma list: null when never set, empty when cleared. [R]
    #[serde(default)]
    pub tags: Option<String>,
    /// Assigned tags (v2), by id.
    #[serde(default)]
    pub tag_ids: Vec<u64>,
    /// Whether its status is 0 Enabled rather than 1 Disabled.
    #[serde(default)]
    pub enabled: bool,
    /// Id of its service profile.
    pub service_profile: u64,
    /// Id of its tariff profile.
    pub tariff_profile: u64,
    /// Id of its SIM.
    #[serde(default)]
    pub sim: Option<u64>,
    /// 16 digits, discovered or set.
    #[serde(default)]
    pub imei: Option<String>,
    /// Whether only that IMEI may use the SIM.
    #[serde(default)]
    pub imei_lock: bool,
    /// Its address; the lowest free one of the organisation where left out.
    #[serde(default)]
    pub ip_address: Option<Ipv4Addr>,
    /// Id of the space of its address.
    #[serde(default)]
    pub ip_address_space: Option<u64>,
    /// When it was created.
    #[serde(default)]
    pub created: Timestamp,
    /// When a write last touched it.
    #[serde(default)]
    pub last_updated: Timestamp,
    /// Its place in the network.
    #[serde(default)]
    pub connectivity: Connectivity,
    /// Operators it may not use, by id.
    #[serde(default)]
    pub operator_blacklist: Vec<u64>,
    /// Its data quota, in MB.
    #[serde(default)]
    pub data_quota: Option<Quota>,
    /// Its SMS quota, in messages.
    #[serde(default)]
    pub sms_quota: Option<Quota>,
    /// Messages to and from it.
    #[serde(default)]
    pub sms: Table<Sms>,
    /// Extensions of its traffic limits.
    #[serde(default)]
    pub limit_extensions: Table<LimitExtension>,
    /// Traffic by UTC day.
    #[serde(default)]
    pub usage: BTreeMap<Date, Usage>,
    /// Traffic of the hour it was last used in.
    #[serde(default, skip_serializing_if = "HourUsage::is_none")]
    pub last_hour: HourUsage,
}

/// Traffic of one hour.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourUsage {
    /// Hours since 1970.
    pub hour: i64,
    /// What was used in it.
    #[serde(default)]
    pub usage: Usage,
}

impl HourUsage {
    fn is_none(&self) -> bool {
        self.hour == 0
    }
}

/// Where a device is in the network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connectivity {
    /// Refused by a traffic limit.
    #[serde(default)]
    pub blocked: bool,
    /// Registered there.
    #[serde(default)]
    pub location: Option<Location>,
    /// Data session.
    #[serde(default)]
    pub pdp_context: Option<PdpContext>,
}

/// A registration in a visited network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// Id of the operator.
    pub operator: u64,
    /// Since when.
    pub since: Timestamp,
    /// Id of the radio technology.
    pub rat_type: u64,
}

/// An active data session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PdpContext {
    /// Its id.
    pub id: u64,
    /// Since when.
    pub created: Timestamp,
    /// Location area code.
    pub lac: u32,
    /// Cell id.
    pub ci: u32,
    /// MB sent by the device.
    #[serde(default)]
    pub tx: f64,
    /// MB received by the device.
    #[serde(default)]
    pub rx: f64,
}

/// Traffic of a day: MB and messages, as the device sees them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// MB sent.
    pub data_tx: f64,
    /// MB received.
    pub data_rx: f64,
    /// Messages sent.
    pub sms_tx: u64,
    /// Messages received.
    pub sms_rx: u64,
}

/// A quota of a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// 1 ACTIVE, 2 EXHAUSTED, 3 EXPIRED.
    pub status: u64,
    /// What is left; can be slightly negative.
    pub volume: f64,
    /// When it ends.
    pub expiry_date: Timestamp,
    /// 1 Block.
    pub action_on_exhaustion: u64,
    /// Whether `last_volume_added` is added daily at 00:00 UTC.
    #[serde(default)]
    pub auto_refill: bool,
    /// What the last top-up added.
    #[serde(default)]
    pub last_volume_added: f64,
    /// When the status last changed.
    pub last_status_change_date: Timestamp,
    /// Share left at which event 18 or 20 is written.
    #[serde(default)]
    pub threshold_percentage: Option<f64>,
    /// The UTC day up to which refills are done.
    pub refilled: Date,
}

/// Traffic allowed beyond a limit until the end of the month.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct LimitExtension {
    #[serde(default)]
    pub id: u64,
    pub traffic_limit_id: u64,
    pub volume: f64,
    pub expiration_date: Timestamp,
    pub created_at: Timestamp,
}

/// States of a message. [R]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the API's own words")]
pub enum SmsState {
    DeliveryAttemptPending = 1,
    InProgress = 2,
    Buffered = 3,
    Delivered = 4,
    Failed = 5,
    Expired = 6,
    Canceled = 7,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct Sms {
    #[serde(default)]
    pub id: u64,
    pub payload: String,
    #[serde(default)]
    pub source_address: String,
    pub source_address_type: u64,
    #[serde(default)]
    pub dest_address: Option<String>,
    #[serde(default)]
    pub udh: Option<String>,
    #[serde(default)]
    pub dcs: u64,
    pub status: SmsState,
    pub submit_date: Timestamp,
    pub expiry_date: Timestamp,
    #[serde(default)]
    pub final_date: Option<Timestamp>,
    /// The SIM it was sent to, or that sent it.
    pub sim: Option<u64>,
    /// It came from the device.
    #[serde(default)]
    pub mobile_originated: bool,
    /// Its delivery is not tried before.
    #[serde(default)]
    pub attempt_at: Option<Timestamp>,
}

/// States of a SIM. [R]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the API's own words")]
pub enum SimState {
    #[default]
    Issued = 0,
    Activated = 1,
    Suspended = 2,
    Deleted = 3,
    FactoryTest = 4,
}

/// A SIM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sim {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// 19 digits, without the check digit. [R]
    pub iccid: String,
    /// 32 digits, on eUICCs only.
    #[serde(default)]
    pub eid: Option<String>,
    /// 15 digits.
    pub imsi: String,
    /// Telephone number.
    pub msisdn: String,
    /// Its state.
    #[serde(default)]
    pub status: SimState,
    /// When it was made.
    #[serde(default)]
    pub production_date: Timestamp,
    /// First activation; survives suspension. [R]
    #[serde(default)]
    pub activation_date: Option<Timestamp>,
    /// 1 = UICC, 5 = IoT eUICC profile.
    #[serde(default = "uicc")]
    pub profile_type: u64,
    /// Whether it reaches satellites.
    #[serde(default)]
    pub satellite_capable: bool,
    /// Id of the organisation that sold it.
    #[serde(default)]
    pub issuer_org: Option<u64>,
    /// Id of the organisation that resells it.
    #[serde(default)]
    pub reseller_org: Option<u64>,
    /// MB used in Factory Test.
    #[serde(default)]
    pub test_data: f64,
    /// Messages used in Factory Test.
    #[serde(default)]
    pub test_sms: u64,
}

fn uicc() -> u64 {
    1
}

/// A batch of SIMs waiting for its BIC to be registered, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimBatch {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// The code printed on the batch (BIC2) or SIM (BIC1).
    pub bic: String,
    /// The organisation that may register it; none: any.
    #[serde(default)]
    pub customer_org: Option<u64>,
    /// The organisation that has registered it.
    #[serde(default)]
    pub registered_by: Option<u64>,
    /// Its SIMs until then.
    #[serde(default)]
    pub sims: Vec<Sim>,
}
