//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{api::ExternalTextReference, kinds::common::events::Property};

/// An event of the organisation's own, made from one of emnify's templates. An `Automation` waits for it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "CustomEvent",
    namespaced,
    status = "CustomEventStatus",
    derive = "PartialEq",
    shortname = "emce"
)]
#[kube(printcolumn(name = "Template", type_ = "string", json_path = ".spec.template.externalName"))]
#[serde(rename_all = "camelCase")]
pub struct CustomEventSpec {
    /// Name in emnify; our mark follows it there. Unset: the name of this object. emnify cannot change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S(.*\S)?$"), length(max = 160))]
    pub name: Option<String>,
    /// The template, by its name in emnify or its id. emnify cannot change it.
    pub template: ExternalTextReference,
    /// What the template leaves open, checked against it before anything is sent. Unset: left as it is; a new event gets what
    /// the template presets. emnify cannot change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub properties: Option<Vec<Property>>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What emnify shows of the event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomEventStatus {
    /// What an automation may do when the event happens, as emnify names it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub supported_actions: Vec<String>,
    /// By what an automation may narrow the event down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub supported_targeting: Vec<String>,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

emnify_engine::kind!(CustomEvent, CustomEventStatus);
