//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A range of addresses that devices are given theirs from. Making and deleting one needs the role Administrator in emnify.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "IpAddressSpace",
    namespaced,
    status = "IpAddressSpaceStatus",
    derive = "PartialEq",
    shortname = "emips"
)]
#[kube(printcolumn(name = "CIDR", type_ = "string", json_path = ".spec.cidr"))]
#[kube(printcolumn(name = "Used", type_ = "integer", json_path = ".status.usedCount"))]
#[kube(printcolumn(name = "Free", type_ = "integer", json_path = ".status.availableCount"))]
#[serde(rename_all = "camelCase")]
pub struct IpAddressSpaceSpec {
    /// The range, such as `10.192.4.0/24`: IPv4, within 10.112.0.0/12, 10.176.0.0/12, 10.192.0.0/12 or 100.64.0.0/10 without 100.64.0.0/24, and
    /// overlapping no space that anybody holds. It cannot be changed: give another range another object.
    #[schemars(regex(pattern = r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$"), length(max = 49))]
    #[x_kube(validation = Rule::new("!self.contains(':')").message("emnify assigns IPv4 addresses to devices only: write a range such as 10.192.4.0/24"))]
    pub cidr: String,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What emnify shows of the space.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IpAddressSpaceStatus {
    /// Addresses that devices have, as of the last listing (every 15 minutes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_count: Option<i64>,
    /// Addresses that are left, as of the last listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_count: Option<i64>,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

emnify_engine::kind!(IpAddressSpace, IpAddressSpaceStatus);
