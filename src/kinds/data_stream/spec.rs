//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destination::Destination;
use crate::api::Date;

/// Usage records or events of the whole organisation, sent on by emnify as they come: to an application, a store, or this operator itself. Where
/// to is somebody outside; events hold e-mail addresses.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "DataStream",
    namespaced,
    status = "DataStreamStatus",
    derive = "PartialEq",
    shortname = "emds"
)]
#[kube(printcolumn(name = "State", type_ = "string", json_path = ".status.state"))]
#[kube(printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"))]
#[kube(printcolumn(name = "Destination", type_ = "string", json_path = ".status.destination"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.type == 'Events' || !has(self.filters)")
        .message("filters choose events: remove them from a stream of type Usage")
)]
pub struct DataStreamSpec {
    /// Name in emnify, which our mark follows there. Unset: the stream is made with the name of this object, and the name is left alone after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S(.*\S)?$"), length(max = 160))]
    pub name: Option<String>,
    /// What it carries. It cannot be changed: make a second stream, then delete this one.
    #[serde(rename = "type")]
    pub kind: StreamType,
    /// Where records go. Its settings can be edited, another destination is another stream.
    pub destination: Destination,
    /// Which events. Unset: left alone; a new stream carries all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filters>,
    /// `true`: nothing is delivered, and emnify keeps records for up to seven days. Unset: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// What happens when emnify could not deliver and gave up. Unset: `OnError`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StreamType {
    /// Usage records.
    Usage,
    /// Events.
    #[default]
    Events,
}

/// What happens to a stream in error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RestartPolicy {
    /// It is restarted after 5 minutes, 15 minutes, an hour, and every 6 hours then.
    OnError,
    /// It stays so until somebody restarts or edits it.
    Never,
}

/// Which events a stream carries: those that meet all of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(cel)]
pub struct Filters {
    /// Types of events: names as emnify calls them, or ids as digits. Unset: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 100)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub event_types: Option<Vec<String>>,
    /// `true`: alerts only. Unset: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts_only: Option<bool>,
}

/// What emnify shows of the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataStreamStatus {
    /// How it is, in emnify's words: `Running`, `Paused`, `Error`, `Pending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Since when the operator sees it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_since: Option<Date>,
    /// The destination that it has: the member of `spec.destination`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Restarts since it last ran for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<i64>,
    /// When it was last restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_restart_at: Option<Date>,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

emnify_engine::kind!(DataStream, DataStreamStatus);
