//! What users write and read.

use std::collections::BTreeMap;

use emnify_engine::kind::{
    spec::{CommonStatus, WorkspaceRef},
    trigger::Fired,
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{CountOrPercent, Duration, LabelValue, OperatorReference},
    kinds::operation::{
        Action, Confirmation, DeviceSelector, EUICCS_OF_ACTION, OperationTarget, SetReference,
        TARGET_OF_ACTION, euiccs_of_action, target_of_action,
    },
};

/// Makes an `Operation` at times, or for the devices that emnify tells of: a schedule, or a rule.
///
/// What it made stays as a record, as many as the history limits say; with the trigger all of it goes.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "OperationTrigger",
    namespaced,
    status = "OperationTriggerStatus",
    shortname = "emtrig",
    derive = "PartialEq",
    cel,
    validation = Rule::new("size(self.metadata.name) <= 52").message("the name may have at most 52 characters: it begins the names of operations"),
    validation = Rule::new("!has(self.spec.when.schedule) || has(self.spec.operation.spec.target) != (has(self.spec.operation.spec.action.assignInclusiveVolume) || has(self.spec.operation.spec.action.verifyRecipient))").message("a schedule needs operation.spec.target; only assignInclusiveVolume and verifyRecipient, which are for the organisation, go without"),
    validation = Rule::new("has(self.spec.when.schedule) || !has(self.spec.operation.spec.target)").message("leave out operation.spec.target: the operation is for the devices that are told of"),
    validation = Rule::new("has(self.spec.when.schedule) || has(self.spec.operation.spec.action.sendSms) || has(self.spec.operation.spec.action.cancelSms) || has(self.spec.operation.spec.action.resetConnectivity) || has(self.spec.operation.spec.action.blockCurrentOperator) || has(self.spec.operation.spec.action.unblockOperators) || has(self.spec.operation.spec.action.setState) || has(self.spec.operation.spec.action.extendTrafficLimit) || has(self.spec.operation.spec.action.endTrafficLimitExtensions)").message("this action needs a schedule: it is not for single devices, or cannot be taken back"),
    validation = Rule::new(target_of_action!("self.spec.operation.spec")).message(TARGET_OF_ACTION),
    validation = Rule::new(euiccs_of_action!("self.spec.operation.spec")).message(EUICCS_OF_ACTION),
    validation = Rule::new("!has(self.spec.when.schedule) || !((has(self.spec.once) && self.spec.once) || has(self.spec.gather) || has(self.spec.maxTargetsPerHour))").message("once, gather and maxTargetsPerHour are for what is told, not for a schedule"),
    validation = Rule::new("has(self.spec.when.schedule) || !(has(self.spec.concurrencyPolicy) || has(self.spec.startingDeadlineSeconds))").message("concurrencyPolicy and startingDeadlineSeconds are for a schedule"),
    printcolumn(name = "When", type_ = "string", json_path = ".status.when"),
    printcolumn(name = "Action", type_ = "string", json_path = ".status.action"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.running"),
    printcolumn(name = "Last", type_ = "date", json_path = ".status.lastFired"),
    printcolumn(name = "Fired", type_ = "integer", json_path = ".status.fired", priority = 1),
    printcolumn(name = "Dropped", type_ = "integer", json_path = ".status.dropped", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct OperationTriggerSpec {
    /// Workspace that it listens to and its operations are carried out in. Default: the `Workspace` named `default` in this namespace, else the
    /// `ClusterWorkspace` named `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<WorkspaceRef>,
    /// Nothing is made while this is `true`; what happens meanwhile leads to nothing. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// When an operation is made. Exactly one member.
    pub when: TriggerWhen,
    /// `true`: each device at most once, ever, whatever came of it. It then carries the tag `k8s-once:<installation>/<namespace>/<name>`; taken
    /// off by hand, the device has another turn. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<bool>,
    /// What is told within this time goes into one operation, from `1s` to `1h`. Default `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Duration>,
    /// So many devices within an hour; what is told of others is dropped, and counted. It ends what would go in circles. Default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_targets_per_hour: Option<i32>,
    /// Whether a schedule makes an operation while one of it is not over. Default `Forbid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,
    /// A time that was missed is made up for within so many seconds; of several that were missed the last. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub starting_deadline_seconds: Option<i32>,
    /// Operations that are kept once they are complete. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub successful_history_limit: Option<i32>,
    /// Operations that are kept once they have failed. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub failed_history_limit: Option<i32>,
    /// The operation that is made.
    pub operation: OperationTemplate,
}

/// When an operation is made. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.schedule) ? 1 : 0) + (has(self.event) ? 1 : 0) + (has(self.sms) ? 1 : 0) == 1")
        .message("set exactly one of schedule, event, sms")
)]
pub struct TriggerWhen {
    /// At these times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<TriggerSchedule>,
    /// When the event log tells of a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<TriggerEvent>,
    /// When something becomes of a message. It needs the receiver of SMS callbacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms: Option<TriggerSms>,
}

/// Times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriggerSchedule {
    /// Five fields of cron: minute, hour, day of the month, month, day of the week. A time of day that clocks skip comes as much later as they
    /// were set forward; one that they show twice comes the first time. With `*` in the hour it goes by the time that passes.
    #[schemars(regex(pattern = r"^\s*\S+(\s+\S+){4}\s*$"), length(min = 9, max = 200))]
    pub cron: String,
    /// IANA name of the time zone, such as `Europe/Berlin`. Default `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_+/-]+$"), length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// Events of devices. One passes if all that is set here says so.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.endpointSelector) ? 1 : 0) + (has(self.endpointSet) ? 1 : 0) + (has(self.tag) ? 1 : 0) <= 1")
        .message("set at most one of endpointSelector, endpointSet, tag")
)]
pub struct TriggerEvent {
    /// Types of events, by their names in emnify, such as `Update GPRS location`, or by their ids, quoted.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 100)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub types: Vec<String>,
    /// `true`: alerts only; `false`: only what is none. Unset: both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<bool>,
    /// The devices of `Endpoint` objects in this namespace with these labels. Without a member that names devices: any device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_selector: Option<DeviceSelector>,
    /// The devices of an `EndpointSet` in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_set: Option<SetReference>,
    /// Devices that carry this tag in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[^,]+$"), length(min = 1, max = 100))]
    pub tag: Option<String>,
    /// Countries that the event names, by ISO code such as `DE`, or by their names in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 2, max = 100)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub countries: Option<Vec<String>>,
    /// Networks that the event names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub operators: Option<Vec<OperatorReference>>,
}

/// Messages, as signed callbacks tell of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TriggerSms {
    /// What becomes of a message: a device sent it, has it, or will not get it.
    pub kind: SmsKind,
    /// Number that it is for. Unset: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub dest_address: Option<String>,
}

/// What becomes of a message. `Received`: a device sent it. `Delivered`: a device has it. `Failed`: the device will not get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SmsKind {
    /// A device sent it.
    Received,
    /// A device has it.
    Delivered,
    /// The device will not get it.
    Failed,
}

/// Whether a schedule makes an operation while one of it is not over. `Forbid`: it waits for that one, as long as the time may be late. `Allow`: it
/// does. Default `Forbid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// It does.
    Allow,
    /// It waits for that one.
    Forbid,
}

/// The operation that is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationTemplate {
    /// Labels and annotations of each operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TemplateMetadata>,
    /// What is done. The history limits and the trigger's own `suspend` stand in for what an `Operation` has besides.
    pub spec: TemplateSpec,
}

/// Labels and annotations of what is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMetadata {
    /// Labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub labels: Option<BTreeMap<String, LabelValue>>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// What is done, as in the spec of an `Operation`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateSpec {
    /// Whom it is about: with a schedule, and only there. Exactly one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<OperationTarget>,
    /// What is done. Exactly one member.
    pub action: Action,
    /// Needed by an action that cannot be taken back, or is billed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Confirmation>,
    /// How many targets may be under way at once. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub parallelism: Option<i32>,
    /// An operation ends once more targets than this have failed, as a number or a share. Unset: it goes on to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failed_targets: Option<CountOrPercent>,
    /// So many seconds after its start what is left of an operation is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub active_deadline_seconds: Option<i32>,
}

/// What it did so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationTriggerStatus {
    /// What is done, as `operation.spec.action` calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// What it did so far.
    #[serde(flatten)]
    pub fired: Fired,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}
