//! What every kind carries in its spec and status, whatever it mirrors.

// the schema derive wraps each struct in a module of its own
#![allow(unreachable_pub)]
#![allow(clippy::box_collection, reason = "what few objects have takes no more than a word of the others")]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Pattern of what Kubernetes takes for the name of an object: labels of lower-case letters, digits and dashes, with dots
/// between them.
pub const OBJECT_NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// Policy fields, flattened into every spec. Unset means the safe default its line names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonSpec {
    /// Workspace this object belongs to. Default: the `Workspace` named `default` in this namespace, else the
    /// `ClusterWorkspace` named `default`. Once the object is bound, another workspace of the same organisation will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<WorkspaceRef>,
    /// Adopt the emnify object with this id instead of creating one; writing it is consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9-]+$"), length(max = 64))]
    pub id: Option<String>,
    /// What the operator may do. Default `Manage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,
    /// What happens in emnify when this object is deleted. Default: what the operator created is deleted, what
    /// it adopted is left behind (for `CloudConnect`: both are left behind).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Whether an emnify object that is already there may be taken over. Default `Never` (for `Sim`: `IfUnowned`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
    /// What happens when somebody changes a managed field in emnify. Default `Correct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_policy: Option<DriftPolicy>,
    /// Paths of spec fields that are set on creation and left alone afterwards, such as `serviceProfile`.
    #[serde(default, deserialize_with = "null_is_empty", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ignore_fields: Vec<String>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl CommonSpec {
    /// What the operator may do.
    pub fn management(&self) -> ManagementPolicy {
        self.management_policy.unwrap_or(ManagementPolicy::Manage)
    }

    /// What happens on drift.
    pub fn drift(&self) -> DriftPolicy {
        self.drift_policy.unwrap_or(DriftPolicy::Correct)
    }
}

/// A `Workspace` in the same namespace, or a `ClusterWorkspace`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceRef {
    /// Default `Workspace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<WorkspaceKind>,
    /// Name of the object.
    #[schemars(regex(pattern = OBJECT_NAME), length(min = 1, max = 63))]
    pub name: String,
}

/// Kind of the workspace object: `Workspace` (in this namespace) or `ClusterWorkspace`. Default `Workspace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum WorkspaceKind {
    /// Namespaced.
    Workspace,
    /// Cluster-scoped, shared between the namespaces it allows.
    ClusterWorkspace,
}

impl WorkspaceKind {
    /// Its name in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workspace => "Workspace",
            Self::ClusterWorkspace => "ClusterWorkspace",
        }
    }
}

/// Identity of a workspace object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkspaceKey {
    /// `None` for a `ClusterWorkspace`.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for WorkspaceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "Workspace {namespace}/{}", self.name),
            None => write!(f, "ClusterWorkspace {}", self.name),
        }
    }
}

/// What the operator may do in emnify. `Manage`: create, update and delete. `Observe`: report differences, never write.
/// `Suspend`: nothing at all, until changed back. Default `Manage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// Create, update and delete.
    Manage,
    /// Report differences, never write.
    Observe,
    /// Do nothing at all until changed back.
    Suspend,
}

/// What happens in emnify when this object is deleted. `Delete`: it is retired, even if it was adopted. `Orphan`: it is
/// left as it is. Default: what the operator created is deleted, what it adopted is left behind (for `CloudConnect`: both are
/// left behind).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Retire it, even if it was adopted.
    Delete,
    /// Leave it as it is.
    Orphan,
}

/// Whether an emnify object that is there already may be taken over. `Never`: the object stalls and says how to allow it.
/// `IfUnowned`: only when it carries nobody's mark. `Force`: even when another installation has marked it. Default `Never`
/// (for `Sim`: `IfUnowned`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Never; the object stalls and says how to allow it.
    Never,
    /// Only when it carries nobody's mark.
    IfUnowned,
    /// Even when another installation has marked it.
    Force,
}

/// What happens when somebody changes a managed field in emnify. `Correct`: it is set back. `Warn`: it is reported in the
/// condition `Drifted`. Default `Correct`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Set it back.
    Correct,
    /// Report it in the condition `Drifted`.
    Warn,
}

/// How the emnify object came to be ours: `Created` by the operator, or `Adopted` because it was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Provenance {
    /// The operator created it.
    Created,
    /// It was there before.
    Adopted,
}

/// Written before a create is sent, so that a crash at any point can tell what it made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Unique to this attempt; part of the mark where a kind has one.
    pub nonce: String,
    /// When it was recorded, RFC 3339, by the operator's clock.
    pub since: String,
}

/// The last refusal by emnify, remembered so that the same request is sent again only rarely.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Digest of the change and of the ids its references meant.
    pub digest: String,
    /// What emnify said.
    pub message: String,
    /// How often it was refused in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub tries: Option<i64>,
    /// It is not sent again before this time, RFC 3339, unless the spec, what it refers to or `emnify.io/refresh` changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
}

impl Rejected {
    /// Until when the request is not sent again; what an earlier version wrote down names no time, and is tried at once.
    pub(crate) fn until(&self) -> Option<jiff::Timestamp> {
        self.not_before.as_ref()?.parse().ok()
    }
}

/// A refusal that one member of a set met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedMember {
    /// Id of what the member holds; of one that leaves the set its own id, after a minus.
    pub member: String,
    /// What was refused.
    #[serde(flatten)]
    pub rejected: Rejected,
}

/// Status fields, flattened into every status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonStatus {
    /// Id of the emnify object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Organisation the object lives in; pinned when it is bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<String>,
    /// Workspace that `workspaceRef` resolved to when the object was bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceRef>,
    /// Generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Last generation that was fully in step with emnify; a difference at this generation is drift, not an edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_generation: Option<i64>,
    /// Last date of the spec, such as `sim.activeFrom`, that was fully carried out; one that passed since counts as an edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_date: Option<String>,
    /// How the emnify object came to be ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// A create that may have been sent and is not accounted for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // in a box, as what else is rare and passing: a fleet is held in memory
    pub intent: Option<Box<Intent>>,
    /// The last refusal by emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Box<Rejected>>,
    /// Keyed digests of what Secrets held when it was last sent, by the path of the field that names the Secret. A value itself is
    /// nowhere but in its Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub inputs: Option<Box<BTreeMap<String, String>>>,
    /// Value of the annotation `emnify.io/refresh` that was last handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_refresh_at: Option<String>,
    /// `Ready`, `Reconciling`, `Stalled`, `Synced`, `Drifted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

impl CommonStatus {
    /// The digest of what was last sent of the Secret that the field at `path` names; `None` if nothing ever was.
    pub fn input(&self, path: &str) -> Option<&str> {
        self.inputs.as_ref()?.get(path).map(String::as_str)
    }

    /// These were sent.
    pub(crate) fn carry(&mut self, digests: BTreeMap<String, String>) {
        if !digests.is_empty() {
            self.inputs.get_or_insert_default().extend(digests);
        }
    }

    /// Forgets Secrets that no field names any more.
    pub(crate) fn keep_inputs(&mut self, names: impl Fn(&str) -> bool) {
        let Some(inputs) = &mut self.inputs else { return };
        inputs.retain(|path, _| names(path));
        self.inputs.take_if(|inputs| inputs.is_empty());
    }
}
