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
use crate::{
    api::{CountOrPercent, Date, Eid, Iccid, LabelValue, NumericId, ObjectName, Reference, TextReference},
    kinds::endpoint_set::{ConfigMapKeyRef, SimSelector},
};

/// Which target goes with which action, of the spec of an operation that stands there.
macro_rules! target_of_action {
    ($spec:literal) => {
        concat!(
            "!has(",
            $spec,
            ".target) || (has(",
            $spec,
            ".target.dataStream) == has(",
            $spec,
            ".action.restartDataStream) && has(",
            $spec,
            ".target.cloudConnect) == has(",
            $spec,
            ".action.retryCloudConnect) && has(",
            $spec,
            ".target.serviceProfile) == has(",
            $spec,
            ".action.removeQuotas) && has(",
            $spec,
            ".target.user) == has(",
            $spec,
            ".action.resetMfa))"
        )
    };
}

/// Which actions take eUICCs.
macro_rules! euiccs_of_action {
    ($spec:literal) => {
        concat!(
            "!has(",
            $spec,
            ".target) || !has(",
            $spec,
            ".target.euiccs) || has(",
            $spec,
            ".action.simOperation) || has(",
            $spec,
            ".action.euicc)"
        )
    };
}

pub(crate) use {euiccs_of_action, target_of_action};

pub(crate) const TARGET_OF_ACTION: &str = "dataStream is the target of restartDataStream, cloudConnect of retryCloudConnect, serviceProfile of removeQuotas, user of resetMfa, and of nothing else";
pub(crate) const EUICCS_OF_ACTION: &str = "euiccs are targets of simOperation and euicc only";

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
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.startedAt) || (self.spec.action == oldSelf.spec.action && has(self.spec.target) == has(oldSelf.spec.target) && (!has(self.spec.target) || self.spec.target == oldSelf.spec.target) && has(self.spec.workspaceRef) == has(oldSelf.spec.workspaceRef) && (!has(self.spec.workspaceRef) || self.spec.workspaceRef == oldSelf.spec.workspaceRef))").message("an operation that has begun does not change: give a new one another name"),
    validation = Rule::new("has(self.spec.target) != (has(self.spec.action.assignInclusiveVolume) || has(self.spec.action.verifyRecipient))").message("set target; only assignInclusiveVolume and verifyRecipient, which are for the organisation, go without"),
    validation = Rule::new(target_of_action!("self.spec")).message(TARGET_OF_ACTION),
    validation = Rule::new(euiccs_of_action!("self.spec")).message(EUICCS_OF_ACTION),
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
    /// Whom it is about. Exactly one member; left out where the action is for the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<OperationTarget>,
    /// What is done. Exactly one member.
    pub action: Action,
    /// Needed by an action that cannot be taken back, or is billed for good, and of no effect otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirmation>,
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

/// What a person says of an action that cannot be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// How many targets there are. With another number nothing happens, and the message says how many there are.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub targets: i64,
}

/// Whom an operation is about. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.endpoints) ? 1 : 0) + (has(self.endpointSelector) ? 1 : 0) + (has(self.endpointSet) ? 1 : 0) + (has(self.tag) ? 1 : 0) + (has(self.sims) ? 1 : 0) + (has(self.euiccs) ? 1 : 0) + (has(self.dataStream) ? 1 : 0) + (has(self.cloudConnect) ? 1 : 0) + (has(self.serviceProfile) ? 1 : 0) + (has(self.user) ? 1 : 0) == 1")
        .message("set exactly one member of target")
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
    /// SIMs. An action on devices is done to those that hold them; one on SIMs, where another member of `target` names devices, to the SIMs in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sims: Option<SimTargets>,
    /// eUICCs by their EIDs, quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub euiccs: Option<Vec<Eid>>,
    /// A data stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_stream: Option<TextReference>,
    /// An attachment of a customer's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_connect: Option<Reference>,
    /// A service profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_profile: Option<Reference>,
    /// A person; `externalName` is the e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Reference>,
}

/// SIMs of the organisation. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.list) ? 1 : 0) + (has(self.configMapRef) ? 1 : 0) + (has(self.selector) ? 1 : 0) == 1")
        .message("set exactly one of list, configMapRef, selector")
)]
pub struct SimTargets {
    /// These ICCIDs, quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub list: Option<Vec<Iccid>>,
    /// A `ConfigMap` with more of them than a list takes: one per line or separated by commas, `#` begins a comment. It is read again while
    /// the operation runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapKeyRef>,
    /// All SIMs that fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<SimSelector>,
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
    /// Written by an `OperationTrigger`: id of the event or message that told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<NumericId>,
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
