//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A tag that devices carry. An `Endpoint` puts it on by its name in emnify: `tags: [roof]`.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Tag",
    namespaced,
    status = "TagStatus",
    derive = "PartialEq",
    shortname = "emtag"
)]
#[kube(printcolumn(name = "Color", type_ = "string", json_path = ".spec.color"))]
#[kube(printcolumn(name = "Devices", type_ = "integer", json_path = ".status.devices"))]
#[serde(rename_all = "camelCase")]
pub struct TagSpec {
    /// Name in emnify, where two that differ only in case are one. An edit renames the tag, and devices keep it. Unset: the tag is made with
    /// the name of this object, and the name is left alone after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[^,\s]([^,]*[^,\s])?$"), length(min = 1, max = 100))]
    #[x_kube(validation = Rule::new("!self.trim().lowerAscii().startsWith('k8s:') && !self.trim().lowerAscii().startsWith('k8s-once:')").message("tags that start with k8s: or k8s-once: are the operator's own and cannot be set"))]
    pub name: Option<String>,
    /// Colour, by name such as `Blue` or as `#RRGGBB`, one of those that emnify offers. Unset: emnify chooses, and the colour is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub color: Option<String>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What emnify shows of the tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagStatus {
    /// Devices that carry it, as of the last listing (every 5 minutes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<i64>,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

emnify_engine::kind!(Tag, TagStatus);
