//! What a manifest says about a device, and what is reported.

#![allow(clippy::duplicated_attributes, reason = "printed columns have types of the same name")]

use emnify_engine::kind::{
    Dates,
    spec::{CommonSpec, CommonStatus},
};
use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Date, Duration, Eid, Iccid, Imei, NumericId, ObjectName, OperatorReference, Reference, Volume},
    kinds::sim::{
        SimState,
        period::{self, ActivePeriod},
    },
};

/// A device in the emnify network.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Endpoint",
    namespaced,
    status = "EndpointStatus",
    shortname = "emep",
    derive = "PartialEq",
    cel,
    printcolumn(name = "Connectivity", type_ = "string", json_path = ".status.connectivity.state"),
    printcolumn(name = "SIM", type_ = "string", json_path = ".status.sim.state"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(
        name = "Operator",
        type_ = "string",
        json_path = ".status.connectivity.operator",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.ipAddress) || has(self.ipAddressSpace)")
        .message("ipAddress needs ipAddressSpace: say which space the address is from")
)]
pub struct EndpointSpec {
    /// Name in emnify. Unset: the device is created with the name of this object, and the name is left alone after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// SIM of the device, and the state it should be in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim: Option<EndpointSim>,
    /// IMEI. Compared by its first 14 digits, and only while `imeiLock` is true, because the network reports the
    /// IMEI of what it sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imei: Option<Imei>,
    /// Refuse service when the SIM is used with another IMEI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imei_lock: Option<bool>,
    /// Fixed address. Unset: emnify assigns one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9A-Fa-f.:]+$"), length(max = 45))]
    pub ip_address: Option<String>,
    /// What does not make it this device and no other.
    #[serde(flatten)]
    pub settings: EndpointSettings,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What can be said about a device without saying which: what the template of a fleet and a single device share.
///
/// A lock to an IMEI is not among it: what emnify does with a lock and no IMEI is not documented, and a device that is
/// refused service has to be visited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSettings {
    /// Whether the device may use the network; it also needs an activated SIM. Unset: created disabled, then left
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Service profile. Needed to create the device. Devices see a change after they attach anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_profile: Option<Reference>,
    /// Tariff profile. Needed to create the device. Devices see a change after they attach anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff_profile: Option<Reference>,
    /// Space that the address is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address_space: Option<Box<AddressSpace>>,
    /// Tags by name. Missing ones are created. Tags that others put on the device stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), inner(regex(pattern = r"^[^,]+$"), length(min = 1, max = 100)))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.all(one, self.exists_one(other, other == one))").message("a tag is in the list twice: remove one"),
        validation = Rule::new("self.all(t, !t.trim().lowerAscii().startsWith('k8s:') && !t.trim().lowerAscii().startsWith('k8s-once:'))").message("tags that start with k8s: or k8s-once: are the operator's own and cannot be set")
    )]
    pub tags: Option<Vec<String>>,
    /// Operators that the device may not use: exactly these. Unset: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub operator_blocklist: Option<Vec<OperatorReference>>,
    /// Allowances of data and SMS. The service profile decides whether they are applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // in a box, as what else few devices have: a fleet is held in memory
    pub quota: Option<Box<Quotas>>,
    /// `true` consents to ending Factory Test, and so to activation and billing, when a change of `enabled` or
    /// `sim.state: Suspended` meets a SIM in Factory Test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_factory_test_end: Option<bool>,
}

/// A SIM by ICCID, EID or object; or `none: true` for a device without one. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.iccid) ? 1 : 0) + (has(self.eid) ? 1 : 0) + (has(self.name) ? 1 : 0) + (has(self.none) ? 1 : 0) == 1")
        .message("set exactly one of iccid, eid, name, none"),
    validation = Rule::new("!has(self.none) || self.none")
        .message("none can only be true; leave sim out to leave it unmanaged"),
    validation = Rule::new("!has(self.none) || !has(self.state)")
        .message("state needs a SIM: remove it, or name the SIM instead of none"),
    validation = Rule::new(period::RULE).message(period::RULE_MESSAGE)
)]
pub struct EndpointSim {
    /// ICCID: 19 digits, or 20 with the check digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<Iccid>,
    /// EID of an eUICC that holds one SIM: 32 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eid: Option<Eid>,
    /// `Sim` object in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// `true`: no SIM; one that is there is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<bool>,
    /// Wanted state. `Activated` starts billing. It is applied when the spec changes: a SIM that somebody suspends
    /// in the portal is reported and not activated again. Unset: the state is left alone. A `Sim` object that sets
    /// `state` for the same SIM excludes this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SimState>,
    /// When it is active.
    #[serde(flatten)]
    pub active: ActivePeriod,
}

/// An address space by its name here, its id or its CIDR. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.name) ? 1 : 0) + (has(self.id) ? 1 : 0) + (has(self.cidr) ? 1 : 0) == 1")
        .message("set exactly one of name, id, cidr")
)]
pub struct AddressSpace {
    /// `IpAddressSpace` object in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// Id in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// CIDR, such as `10.192.0.0/24`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$"), length(max = 49))]
    pub cidr: Option<String>,
}

/// Allowances. One that is removed from the spec is deleted in emnify if this object had set it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    /// Data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataQuota>,
    /// SMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<SmsQuota>,
}

/// An allowance of data; the device is blocked when it is used up. It is set when it changes, and a volume that was
/// used is never given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.period) != has(self.expiry)").message("set exactly one of period, expiry")
)]
pub struct DataQuota {
    /// Volume, such as `500M`; emnify counts in MB (10^6 bytes).
    pub allowance: Volume,
    /// How long the allowance is good for, counted from when it is set, such as `720h`. It is not renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Duration>,
    /// When it ends, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Date>,
    /// emnify adds the allowance every day at 00:00 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_refill: Option<bool>,
    /// Percentage at which emnify raises an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub threshold_percentage: Option<i64>,
}

/// An allowance of SMS; sending is blocked when it is used up. It is set when it changes, and messages that were used
/// are never given back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.period) != has(self.expiry)").message("set exactly one of period, expiry")
)]
pub struct SmsQuota {
    /// Number of messages.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub allowance: i64,
    /// How long the allowance is good for, counted from when it is set, such as `720h`. It is not renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Duration>,
    /// When it ends, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Date>,
    /// emnify adds the allowance every day at 00:00 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_refill: Option<bool>,
    /// Percentage at which emnify raises an event. emnify needs one; unset: 80.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub threshold_percentage: Option<i64>,
}

/// What emnify shows of the device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// Address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// IMEI, set or seen by the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imei: Option<String>,
    /// The SIM that is assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim: Option<EndpointSimStatus>,
    /// Whether the device is reachable, where, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connectivity: Option<Box<ConnectivityStatus>>,
    /// Tags that this object put on the device; removing one from the spec removes it from the device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tags: Vec<String>,
    /// Allowances that this object has set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Box<QuotaStatus>>,
    /// What the device has used this month, where `deviceUsage` of the workspace asks for it, as it was read last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Box<UsageStatus>>,
    /// Shared fields.
    #[serde(flatten)]
    pub common: CommonStatus,
}

/// The SIM of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSimStatus {
    /// Id in emnify.
    pub id: String,
    /// ICCID, 19 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<String>,
    /// `Issued`, `Activated`, `Suspended`, `FactoryTest` or a state this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The state is set by this object, so retiring the device suspends the SIM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<bool>,
}

/// Reachability of a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectivityStatus {
    /// `Online`, `Attached`, `Offline`, `Blocked` or a word this version does not know.
    pub state: String,
    /// Visited operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Visited country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Radio technology, such as `4G`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rat_type: Option<String>,
    /// Cell as `mcc-mnc-lac-ci`, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// Since when, RFC 3339, where emnify says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// What a device has used in a calendar month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageStatus {
    /// Such as `2026-11`.
    pub month: String,
    /// Data in both directions, in MB.
    pub data_megabytes: String,
    /// Messages in both directions.
    pub sms: i64,
    /// What that costs, where emnify says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    /// Currency of the cost, such as `EUR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// When it was read, RFC 3339.
    pub as_of: String,
}

/// Allowances that were set; what is left of them is in metrics, not here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QuotaStatus {
    /// Data, in MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<SetAllowance>,
    /// SMS, in messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<SetAllowance>,
}

/// An allowance as it was last set, to tell a change of the spec from use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetAllowance {
    /// Volume or number of messages.
    pub allowance: String,
    /// Period or end.
    pub term: String,
    /// When it ends, RFC 3339; unknown where an earlier release set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
}

impl EndpointSpec {
    fn dates(&self, now: Timestamp) -> Dates {
        self.sim.as_ref().map(|sim| sim.active.dates(now)).unwrap_or_default()
    }
}

emnify_engine::kind!(Endpoint, EndpointStatus, dates);
