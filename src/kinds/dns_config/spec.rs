//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pair of resolvers that service profiles refer to. Devices see it when they connect anew.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "DnsConfig",
    namespaced,
    status = "DnsConfigStatus",
    derive = "PartialEq",
    shortname = "emdns"
)]
#[kube(printcolumn(name = "Primary", type_ = "string", json_path = ".spec.primary"))]
#[kube(printcolumn(name = "Secondary", type_ = "string", json_path = ".spec.secondary"))]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.primary != self.secondary").message("primary and secondary are the same: name two resolvers"))]
pub struct DnsConfigSpec {
    /// First resolver, an IPv4 address; emnify ignores others. It cannot be changed: give another pair another object.
    #[schemars(regex(pattern = IPV4), length(max = 15))]
    pub primary: String,
    /// Second resolver, an IPv4 address; emnify ignores others. It cannot be changed: give another pair another object.
    #[schemars(regex(pattern = IPV4), length(max = 15))]
    pub secondary: String,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

const IPV4: &str = r"^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.|$)){4}$";

/// What emnify shows of the pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsConfigStatus {
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

emnify_engine::kind!(DnsConfig, DnsConfigStatus);
