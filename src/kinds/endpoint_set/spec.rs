//! What a manifest says about a fleet, and what is reported.

#![allow(clippy::duplicated_attributes, reason = "printed columns have types of the same name")]

use std::collections::BTreeMap;

use emnify_engine::{
    decide::refusals::KEPT_REFUSALS,
    kind::{
        Dates,
        spec::{CommonSpec, CommonStatus, RefusedMember},
    },
};
use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{CountOrPercent, DataKey, Date, Duration, Iccid, NumericId, ObjectName},
    kinds::{
        endpoint::{EndpointSettings, QuotaStatus},
        sim::{
            SimState,
            period::{self, ActivePeriod},
        },
    },
};

/// A fleet as one object: a device for each of many SIMs, all by one template.
///
/// A device of the set carries the tag `k8s:<installation>/<namespace>/<set>`; those that the set made also carry
/// `k8s:<installation>`. Nothing is kept per device in Kubernetes.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "EndpointSet",
    namespaced,
    status = "EndpointSetStatus",
    shortname = "emeps",
    derive = "PartialEq",
    cel,
    validation = Rule::new("size(self.metadata.name) <= 63").message("the name may have at most 63 characters: it is part of a tag of its devices"),
    scale(
        spec_replicas_path = ".spec.pool.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.labelSelector"
    ),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".status.desiredReplicas"),
    printcolumn(name = "Members", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Up-To-Date", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Online", type_ = "integer", json_path = ".status.connectivity.Online"),
    printcolumn(
        name = "Failed",
        type_ = "integer",
        json_path = ".status.failedReplicas",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.sims) != has(self.pool)")
        .message("set exactly one of sims, pool"),
    validation = Rule::new("!has(self.id)")
        .message("a set is not one object of emnify: remove id; devices that exist are taken over with adoptionPolicy"),
    validation = Rule::new("!has(self.ignoreFields) || self.ignoreFields.all(f, f != 'tags')")
        .message("tags say which devices are of the set: remove tags from ignoreFields, and leave template.tags out instead")
)]
pub struct EndpointSetSpec {
    /// What every device of the set should be. There is no `imei`, `ipAddress` or SIM in it, because these belong to
    /// one device, and no `imeiLock`, because a lock without an IMEI is not documented.
    pub template: EndpointTemplate,
    /// The SIMs whose devices are the set. Exactly one of `sims` and `pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sims: Option<SimSource>,
    /// A number of free SIMs, for `kubectl scale`. Exactly one of `sims` and `pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<SimPool>,
    /// Names of the devices, with `{iccid}`, `{iccid:last6}` (1 to 18 digits), `{set}` and `{namespace}`. There is no
    /// number of the member in it, since that would change when an older member leaves. Unset: a device is created
    /// as `{set}-{iccid}`, and its name is left alone after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(
        validation = Rule::new("self.matches('^([^{}[:cntrl:]]|[{](iccid(:last([1-9]|1[0-8]))?|set|namespace)[}])+$')")
            .message("use {iccid}, {iccid:last6} (1 to 18 digits), {set} and {namespace}, and no other braces"),
        validation = Rule::new("self.contains('{iccid')")
            .message("use {iccid} or {iccid:last6}, or all devices of the set have the same name")
    )]
    pub name_template: Option<String>,
    /// How fast changes reach the devices. Unset: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutSpec>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What every device of a set should be. Unset fields are left alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointTemplate {
    /// The SIM of each device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim: Option<TemplateSim>,
    /// What a single device says too.
    #[serde(flatten)]
    pub settings: EndpointSettings,
}

/// What the SIM of each device should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(cel, validation = Rule::new(period::RULE).message(period::RULE_MESSAGE))]
pub struct TemplateSim {
    /// Wanted state. `Activated` starts billing. It is applied when the spec changes or a device joins: a SIM that
    /// somebody suspends in the portal is reported and not activated again. Where it is set, the SIM of a device
    /// that the set deletes is suspended. Unset: the state is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SimState>,
    /// When they are active.
    #[serde(flatten)]
    pub active: ActivePeriod,
}

/// Which SIMs. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.list) ? 1 : 0) + (has(self.configMapRef) ? 1 : 0) + (has(self.selector) ? 1 : 0) == 1")
        .message("set exactly one of list, configMapRef, selector")
)]
pub struct SimSource {
    /// ICCIDs: 19 digits, or 20 with the check digit; quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub list: Option<Vec<Iccid>>,
    /// A `ConfigMap` with more of them than a list takes: one per line or separated by commas, `#` begins a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapKeyRef>,
    /// All SIMs that fit. A SIM that is in a device of somebody else is reported, unless `adoptionPolicy` allows to
    /// take that over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<SimSelector>,
}

/// One key of a `ConfigMap` in the object's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// Name of the `ConfigMap`.
    pub name: ObjectName,
    /// Key in its data.
    pub key: DataKey,
}

/// A number of free SIMs that fit: members stay, then the lowest ICCIDs join; the newest leave first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("!has(self.selector.tag)")
        .message("a pool takes SIMs that are in no device, and tags are on devices: remove tag")
)]
pub struct SimPool {
    /// Which SIMs may be taken.
    pub selector: SimSelector,
    /// How many devices there should be. Unset, for `kubectl scale` or an autoscaler to say: as many as there are,
    /// none in a new set. An autoscaler begins once somebody has scaled to at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub replicas: Option<i32>,
}

/// SIMs for which all of this holds; at least one member is needed.
///
/// It offers what the listing of SIMs shows. That has no batch: emnify names the SIMs of a batch once, in the answer
/// to its registration [R], so name the range of ICCIDs on the delivery note instead. It has no tags either; those are
/// on devices, and that is what `tag` looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.iccidRanges) || has(self.tag) || has(self.model) || has(self.unassigned)")
        .message("an empty selector would mean every SIM: set iccidRanges, tag, model or unassigned")
)]
pub struct SimSelector {
    /// The ICCID is in one of these ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub iccid_ranges: Option<Vec<IccidRange>>,
    /// The SIM is in a device that carries this tag in emnify, to take over a fleet that is there already
    /// (`adoptionPolicy`). A device that loses the tag leaves the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[^,]+$"), length(min = 1, max = 100))]
    pub tag: Option<String>,
    /// Id of the SIM's model in emnify, as a `Sim` shows it in `status.modelId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<NumericId>,
    /// `true`: the SIM is in no device, or in one of this set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self").message("unassigned can only be true; leave it out to choose assigned SIMs too"))]
    pub unassigned: Option<bool>,
}

/// ICCIDs from one to another, both included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("self.from <= self.to || self.from.startsWith(self.to)").message("from is above to: swap them")
)]
pub struct IccidRange {
    /// The lowest, quoted.
    pub from: Iccid,
    /// The highest, quoted.
    pub to: Iccid,
}

/// How fast changes reach the devices of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSpec {
    /// How many devices may be cut off or disturbed at once, as a number or a share of the set. Unset: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<CountOrPercent>,
    /// How long a device counts as disturbed after a change, such as `30s`: the time that it needs to attach again.
    /// Unset: until emnify has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_ready: Option<Duration>,
    /// So many of the oldest devices are left as they are: lower it step by step, newest first. Unset: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub partition: Option<i64>,
    /// How many SIMs may be activated in some time, since each is billed from then on. Unset: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_activations: Option<ActivationLimit>,
}

/// So many activations in so much time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivationLimit {
    /// Number of SIMs.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub count: i64,
    /// In this time, such as `24h`.
    pub window: Duration,
}

/// A fleet, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSetStatus {
    /// SIMs that the spec means, so devices that there should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<i32>,
    /// Devices that are members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Members that are as the template wants them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Members that may use the network: enabled, with a SIM that is activated or in Factory Test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_replicas: Option<i32>,
    /// Members that `rollout.partition` leaves as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_replicas: Option<i32>,
    /// Devices on their way out of the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving_replicas: Option<i32>,
    /// SIMs and devices that somebody should look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_replicas: Option<i32>,
    /// The first of them, in order of rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failures: Vec<MemberFailure>,
    /// Members by connectivity; `Unknown` until emnify reports something of the device.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub connectivity: BTreeMap<String, i32>,
    /// Members by the state of their SIM.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sim_states: BTreeMap<String, i32>,
    /// For the scale subresource. Devices are not pods, so it selects none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,
    /// Tags that the set put on its members; removing one from the template removes it from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tags: Vec<String>,
    /// Allowances that all members were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<QuotaStatus>,
    /// Activations within the window of `rollout.maxActivations`, by the end of their minute; written before they are sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub activations: Vec<ActivationStatus>,
    /// What emnify refused members, the first hundred: the same requests are sent again only rarely, after a restart too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = KEPT_REFUSALS))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub refusals: Vec<RefusedMember>,
    /// Shared fields.
    #[serde(flatten)]
    pub common: CommonStatus,
}

/// A SIM or device that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberFailure {
    /// ICCID, or where the SIM is named.
    pub iccid: String,
    /// What kind of failure, as conditions call it.
    pub reason: String,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl EndpointSetSpec {
    fn dates(&self, now: Timestamp) -> Dates {
        self.template.sim.as_ref().map(|sim| sim.active.dates(now)).unwrap_or_default()
    }
}

emnify_engine::kind!(EndpointSet, EndpointSetStatus, dates);

/// Members that were activated in a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivationStatus {
    /// The end of that minute, RFC 3339.
    pub at: Date,
    /// So many.
    pub members: i64,
}
