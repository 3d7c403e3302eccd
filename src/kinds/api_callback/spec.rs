//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where emnify sends the SMS of devices and the receipts of those that were sent to them. Service profiles refer to it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "ApiCallback",
    namespaced,
    status = "ApiCallbackStatus",
    derive = "PartialEq",
    shortname = "emcb"
)]
#[kube(printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"))]
#[serde(rename_all = "camelCase")]
pub struct ApiCallbackSpec {
    /// The address that is called. Without TLS (`http`) messages travel in clear. It cannot be changed: give another address another
    /// object.
    #[schemars(regex(pattern = r"^https?://[^\s/?#]+\S*$"), length(max = 2048))]
    #[x_kube(validation = Rule::new("!self.matches('^[^:]*://[^/?#]*@')").message("remove the user and password from the URL: everybody who may read this object sees them; an API secret signs the calls instead"))]
    pub url: String,
    /// What it is for, as the portal shows it; our mark follows it there. Unset: the name of this object. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S(.*\S)?$"), length(max = 160))]
    pub purpose: Option<String>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What emnify shows of the callback.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiCallbackStatus {
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

emnify_engine::kind!(ApiCallback, ApiCallbackStatus);
