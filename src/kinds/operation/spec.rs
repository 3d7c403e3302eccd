//! What users write and read.

use std::collections::BTreeMap;

use emnify_engine::kind::{
    spec::{CommonStatus, WorkspaceRef},
    task::Progress,
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::params::Action;
use crate::api::{CountOrPercent, Date, Iccid, LabelValue, NumericId, ObjectName};

/// An action of emnify that is carried out once for each of its targets, such as a message to devices, and kept as a record.
///
/// It is to emnify what a Job is to Pods. Once it has begun, target and action do not change: give a new one another name.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Operation",
    namespaced,
    status = "OperationStatus",
    shortname = "emop",
    derive = "PartialEq",
    cel,
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.startedAt) || (self.spec.action == oldSelf.spec.action && self.spec.target == oldSelf.spec.target && has(self.spec.workspaceRef) == has(oldSelf.spec.workspaceRef) && (!has(self.spec.workspaceRef) || self.spec.workspaceRef == oldSelf.spec.workspaceRef))").message("an operation that has begun does not change: give a new one another name"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Action", type_ = "string", json_path = ".status.action"),
    printcolumn(name = "Succeeded", type_ = "integer", json_path = ".status.targets.succeeded"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.targets.failed"),
    printcolumn(name = "Total", type_ = "integer", json_path = ".status.targets.total")
)]
#[serde(rename_all = "camelCase")]
pub struct OperationSpec {
    /// Workspace in which it is carried out. Default: the `Workspace` named `default` in this namespace, else the
    /// `ClusterWorkspace` named `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<WorkspaceRef>,
    /// Whom it is about. Exactly one member.
    pub target: OperationTarget,
    /// What is done. Exactly one member.
    pub action: Action,
    /// Nothing more is sent while this is `true`; what was sent is finished. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// How many targets may be under way at once: after a crash so many are in doubt. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub parallelism: Option<i32>,
    /// It ends, and the rest is not sent, once more targets than this have failed, as a number or a share. Unset: it goes on to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failed_targets: Option<CountOrPercent>,
    /// It does not begin before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Date>,
    /// If it has not begun by this time, it never does. It keeps a rebuilt cluster from carrying out once more what a repository still
    /// holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
    /// So many seconds after its start what is left is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub active_deadline_seconds: Option<i32>,
    /// The object is deleted so many seconds after it finished. Not where Argo CD, Flux or Helm keep it, which would make it, and carry it
    /// out, anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<i32>,
}

/// Whom an operation is about. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.endpoints) ? 1 : 0) + (has(self.endpointSelector) ? 1 : 0) + (has(self.endpointSet) ? 1 : 0) + (has(self.tag) ? 1 : 0) == 1")
        .message("set exactly one of endpoints, endpointSelector, endpointSet, tag")
)]
pub struct OperationTarget {
    /// These devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub endpoints: Option<Vec<DeviceReference>>,
    /// The devices of `Endpoint` objects in this namespace with these labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_selector: Option<DeviceSelector>,
    /// The devices of an `EndpointSet` in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_set: Option<SetReference>,
    /// Devices that carry this tag in emnify, whether an object manages them or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[^,]+$"), length(min = 1, max = 100))]
    pub tag: Option<String>,
}

/// A device. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.name) ? 1 : 0) + (has(self.id) ? 1 : 0) + (has(self.iccid) ? 1 : 0) == 1")
        .message("set exactly one of name, id, iccid")
)]
pub struct DeviceReference {
    /// Name of an `Endpoint` in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// Id in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// ICCID of the SIM in it, quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<Iccid>,
}

/// Labels of objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSelector {
    /// All of these; at least one.
    #[schemars(length(min = 1, max = 64))]
    pub match_labels: BTreeMap<String, LabelValue>,
}

/// An `EndpointSet` in this namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetReference {
    /// Its name.
    pub name: ObjectName,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// What is done, as `spec.action` calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Progress.
    #[serde(flatten)]
    pub progress: Progress,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}
