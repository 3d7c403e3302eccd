//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{ExternalTextReference, TextReference},
    kinds::common::events::Property,
};

/// What emnify does when an event happens: it sends mail, or calls a URL. A beta of emnify.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Automation",
    namespaced,
    status = "AutomationStatus",
    derive = "PartialEq",
    shortname = "emauto"
)]
#[kube(printcolumn(name = "State", type_ = "string", json_path = ".status.state"))]
#[kube(printcolumn(name = "Event", type_ = "string", json_path = ".status.event"))]
#[kube(printcolumn(name = "Executions", type_ = "integer", json_path = ".status.executions"))]
#[serde(rename_all = "camelCase")]
pub struct AutomationSpec {
    /// Name in emnify. Unset: the name of this object, and left alone after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 160))]
    pub name: Option<String>,
    /// Description in emnify. The operator appends a mark to what it created, and ignores it when comparing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 160))]
    pub description: Option<String>,
    /// Whether it runs, in emnify's words, without regard to case. Unset: `ACTIVE`, and left alone after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub state: Option<String>,
    /// What it waits for. emnify cannot change it.
    pub event: AutomationEvent,
    /// Everything that is done when the event happens. Every address that gets mail is asked by mail first whether it agrees.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub actions: Vec<AutomationAction>,
    /// What it is meant for, such as devices with a tag. Empty: everything that the event happens to. Unset: left as it is; a new
    /// automation is meant for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub targeting: Option<Vec<Property>>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// An event of the organisation's own, or one of emnify's. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(cel, validation = Rule::new("has(self.customEvent) != has(self.systemEvent)").message("set exactly one of customEvent, systemEvent"))]
pub struct AutomationEvent {
    /// A `CustomEvent`, by its name here, its id, or its name in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_event: Option<TextReference>,
    /// An event of emnify's, by its name there such as `Device blocked`, or its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_event: Option<ExternalTextReference>,
}

/// One thing that is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutomationAction {
    /// The action, by its name in emnify such as `Send email`, or its id.
    pub action: ExternalTextReference,
    /// What it is told, such as addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub properties: Option<Vec<Property>>,
}

/// What emnify shows of the automation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutomationStatus {
    /// Whether it runs, in emnify's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Name in emnify of the event that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// How often it ran, as of the last listing (every 10 minutes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executions: Option<i64>,
    /// When it ran last, as of the last listing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_execution: Option<String>,
    /// Who gets mail by it, once they agreed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub recipients: Vec<Recipient>,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

/// Who gets mail by an automation.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The address.
    pub email: String,
}

emnify_engine::kind!(Automation, AutomationStatus);
