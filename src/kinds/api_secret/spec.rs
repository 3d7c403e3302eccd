//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Date, SecretKeyRef};

/// Key that signs the calls of API callbacks (alpha). Service profiles refer to it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "ApiSecret",
    namespaced,
    status = "ApiSecretStatus",
    derive = "PartialEq",
    shortname = "emcs"
)]
#[kube(printcolumn(name = "Purpose", type_ = "string", json_path = ".status.purpose"))]
#[serde(rename_all = "camelCase")]
pub struct ApiSecretSpec {
    /// The signing key, at least 16 bytes. Another value makes another key in emnify: profiles move to it, then the one before is
    /// deleted. Receivers accept both meanwhile.
    pub secret_ref: SecretKeyRef,
    /// What it is for, as the portal shows it; our mark follows it there. Unset: the name of this object. Another purpose makes
    /// another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S(.*\S)?$"), length(max = 160))]
    pub purpose: Option<String>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What emnify shows of the key; never the key itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiSecretStatus {
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// When the last key replaced another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Date>,
    /// Keys that were replaced and that somebody may still use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub retiring: Vec<Retiring>,
}

/// A key that was replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retiring {
    /// Its id.
    pub id: String,
    /// When it was replaced.
    pub since: Date,
}

emnify_engine::kind!(ApiSecret, ApiSecretStatus);
