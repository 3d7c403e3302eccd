//! What users write and read.

use emnify_engine::kind::{
    spec::{CommonStatus, WorkspaceRef},
    task::Progress,
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranges::MOST_RANGES;
use crate::{
    api::{Bic, Date},
    kinds::endpoint_set::IccidRange,
};

/// A delivery of SIMs that is registered with emnify once, by the code on its box, and kept as a record.
///
/// SIMs cost nothing until they are activated. Deleting the object changes nothing in emnify: a registration cannot be taken back.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "SimBatch",
    namespaced,
    status = "SimBatchStatus",
    shortname = "emsb",
    derive = "PartialEq",
    cel,
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.startedAt) || (self.spec.bic == oldSelf.spec.bic && has(self.spec.state) == has(oldSelf.spec.state) && (!has(self.spec.state) || self.spec.state == oldSelf.spec.state) && has(self.spec.workspaceRef) == has(oldSelf.spec.workspaceRef) && (!has(self.spec.workspaceRef) || self.spec.workspaceRef == oldSelf.spec.workspaceRef))").message("a registration that has begun does not change: give a new one another name"),
    validation = Rule::new("!has(self.spec.state) || self.spec.state != 'Activated'").message("emnify registers SIMs as Issued whatever is asked; activate them with an EndpointSet or an Operation"),
    printcolumn(name = "BIC", type_ = "string", json_path = ".spec.bic"),
    printcolumn(name = "SIMs", type_ = "integer", json_path = ".status.sims"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase")
)]
#[serde(rename_all = "camelCase")]
pub struct SimBatchSpec {
    /// Workspace in which the SIMs are registered. Default: the `Workspace` named `default` in this namespace, else the
    /// `ClusterWorkspace` named `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<WorkspaceRef>,
    /// Code of the batch, as it stands on the box: of one SIM (BIC1) or of all in it (BIC2).
    pub bic: Bic,
    /// State that the SIMs come in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<BatchSimState>,
    /// Nothing is sent while this is `true`. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// If the registration has not begun by this time, it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Date>,
}

/// State that the SIMs come in: `Issued`, or `FactoryTest` where the tariff plan has it. Default `Issued`. emnify activates none on
/// registration, so that `Activated` is refused: that is done by an `EndpointSet` or an `Operation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BatchSimState {
    /// Never used, and not billed.
    Issued,
    /// In service, free up to emnify's thresholds.
    FactoryTest,
    /// Refused, with what to do instead.
    Activated,
}

/// How far it is, and which SIMs it brought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimBatchStatus {
    /// SIMs that the registration brought. Not known of a batch that was registered before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sims: Option<i64>,
    /// Their ICCIDs, as few ranges as there can be: what `EndpointSet.spec.sims.selector.iccidRanges` takes. An ICCID that is not 19 digits is
    /// counted in `sims` and in no range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MOST_RANGES))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub iccid_ranges: Vec<IccidRange>,
    /// There are more ranges than are shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges_truncated: Option<bool>,
    /// When emnify registered them, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Progress.
    #[serde(flatten)]
    pub progress: Progress,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}
