//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::api::{ExternalReference, NumericId, OperatorReference};

/// Where devices may connect, through which operators, and at which tariff.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "TariffProfile",
    namespaced,
    status = "TariffProfileStatus",
    derive = "PartialEq",
    shortname = "emtp"
)]
#[kube(printcolumn(name = "Name", type_ = "string", json_path = ".spec.name"))]
#[kube(printcolumn(name = "Tariff", type_ = "string", json_path = ".status.tariff"))]
#[kube(printcolumn(name = "Devices", type_ = "integer", json_path = ".status.usedCount"))]
#[kube(printcolumn(name = "Countries", type_ = "integer", json_path = ".status.countries", priority = 1))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.tariff) || has(self.rateZones)")
        .message("rateZones is required with tariff: a new tariff starts without zones, and devices are cut off until one is selected"),
    validation = Rule::new("has(self.tariff) || has(self.id)")
        .message("tariff is required, except on a profile that id adopts")
)]
pub struct TariffProfileSpec {
    /// Name in emnify.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Description in emnify. The operator appends a mark to what it created, and ignores it when comparing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub description: Option<String>,
    /// Tariff, by id, or by the name of one that another profile of the organisation has. A change re-prices every
    /// device with this profile and cuts them off until the rate zones are selected again, which follows at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<ExternalReference>,
    /// All rate zones that are selected, by id or name; the others are deselected. Devices connect only in these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub rate_zones: Option<Vec<ExternalReference>>,
    /// All operators that devices may not use; the others are unblocked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub operator_blocklist: Option<Vec<BlockedOperator>>,
    /// Inclusive volume of the organisation that devices with this profile use up first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusive_volume: Option<InclusiveVolume>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// An operator that devices may not use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedOperator {
    /// Which one.
    pub operator: OperatorReference,
    /// Radio technologies that are blocked, by name as emnify lists them, such as `4G`. Unset: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic, validation = Rule::new("self.all(one, self.exists_one(other, other == one))").message("a radio technology is in the list twice: remove one"))]
    pub rat_types: Option<Vec<String>>,
}

/// An inclusive volume, or none. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.id) != has(self.none)").message("set exactly one of id, none"),
    validation = Rule::new("!has(self.none) || self.none")
        .message("none can only be true; leave the whole field out to leave it unmanaged")
)]
pub struct InclusiveVolume {
    /// Id in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// `true`: no inclusive volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<bool>,
}

/// What emnify shows of the profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TariffProfileStatus {
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// Devices with this profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_count: Option<i64>,
    /// Name of the tariff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<String>,
    /// Names of the selected rate zones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub rate_zones: Vec<String>,
    /// Number of countries that devices may connect in, which follows from rate zones and blocked operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries: Option<i64>,
}

emnify_engine::kind!(TariffProfile, TariffProfileStatus);
