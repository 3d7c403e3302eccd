//! `Workspace` and `ClusterWorkspace`: an emnify organisation and how to log in to it.

use std::collections::BTreeMap;

use emnify_engine::{kind::spec::WorkspaceKind, session::guard::GuardState};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::api::{Date, Duration, LabelValue, NamespaceName, NumericId, ObjectName, SecretKeyRef};

/// An emnify organisation for the objects of one namespace.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Workspace",
    namespaced,
    status = "WorkspaceStatus",
    derive = "PartialEq",
    cel,
    shortname = "emws",
    validation = Rule::new("size(self.metadata.name) <= 63").message("the name may have at most 63 characters"),
    printcolumn(name = "Organisation", type_ = "string", json_path = ".status.organisation.name"),
    printcolumn(name = "Org id", type_ = "string", json_path = ".status.organisation.id"),
    printcolumn(name = "Devices", type_ = "integer", json_path = r#".status.counts[?(@.kind=="Endpoint")].count"#),
    printcolumn(name = "Token expiry", type_ = "string", json_path = ".status.tokenExpiresAt")
)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceSpec {
    /// Organisation and login.
    #[serde(flatten)]
    pub access: Access,
}

/// An emnify organisation shared between the namespaces that it allows. Its Secrets live in the operator's namespace.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "ClusterWorkspace",
    status = "WorkspaceStatus",
    derive = "PartialEq",
    cel,
    shortname = "emcws",
    validation = Rule::new("size(self.metadata.name) <= 63").message("the name may have at most 63 characters"),
    printcolumn(name = "Organisation", type_ = "string", json_path = ".status.organisation.name"),
    printcolumn(name = "Org id", type_ = "string", json_path = ".status.organisation.id"),
    printcolumn(name = "Devices", type_ = "integer", json_path = r#".status.counts[?(@.kind=="Endpoint")].count"#),
    printcolumn(name = "Token expiry", type_ = "string", json_path = ".status.tokenExpiresAt")
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterWorkspaceSpec {
    /// Organisation and login.
    #[serde(flatten)]
    pub access: Access,
    /// Namespaces whose objects may use this workspace. Unset: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// Kinds that may use this workspace, such as `Endpoint`. Unset: every kind but `ApplicationToken`, `Automation`,
    /// `CloudConnect`, `DataStream`, `User`, `Operation`, `OperationTrigger` and `SimBatch`, which would hand out the organisation itself, tell of all of it, or are for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 63), regex(pattern = "^[A-Z][A-Za-z]*$")))]
    #[x_kube(merge_strategy = ListMerge::Atomic, validation = Rule::new("self.all(one, self.exists_one(other, other == one))").message("a kind is in the list twice: remove one"))]
    pub allowed_kinds: Option<Vec<String>>,
    /// Objects may use `adoptionPolicy: Force`. Default `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_force: Option<bool>,
}

/// What `Workspace` and `ClusterWorkspace` share: organisation, login, limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("!has(self.organisationId) || !has(self.credentials.user) || !has(self.credentials.user.switchTo) || self.organisationId == self.credentials.user.switchTo")
        .message("organisationId and credentials.user.switchTo name the same organisation: leave one of them out, or write the same id")
)]
pub struct Access {
    /// How to log in. A changed Secret is tried within 30 s, and used only if it works for the same organisation.
    pub credentials: CredentialsSpec,
    /// Organisation that the credentials must belong to. Unset: the one of the first login, pinned from then on. To
    /// move to another organisation, write its id here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<NumericId>,
    /// Address of the API. Default `https://cdn.emnify.net`. The operator's administrator decides which are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub base_url: Option<String>,
    /// Stops mass changes until somebody approves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardSpec>,
    /// How many percent of the organisation's monthly request quota (ten million) this installation may use. Default 100.
    /// Before the share is used up, what can wait slows down; then nothing is sent until the next month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub budget_percent: Option<i64>,
    /// Time between two complete listings of each kind, at least `10s`. Default: chosen per kind, and longer for kinds
    /// with many thousands of objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_interval: Option<Duration>,
    /// What each device uses: read only where this is set, since it takes a request for each device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_usage: Option<DeviceUsageSpec>,
    /// `true`: no calls at all for this workspace, until set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// An application token, or a user with password. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.applicationTokenSecretRef) != has(self.user)")
        .message("set exactly one of applicationTokenSecretRef, user")
)]
pub struct CredentialsSpec {
    /// An application token, from the portal's page "Integrations". The recommended way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_token_secret_ref: Option<SecretKeyRef>,
    /// A user of the portal. The user's rights are the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserSpec>,
}

/// User name, password and second factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.username) != has(self.usernameSecretRef)")
        .message("set exactly one of username, usernameSecretRef")
)]
pub struct UserSpec {
    /// E-mail address of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 254))]
    pub username: Option<String>,
    /// E-mail address of the user, from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username_secret_ref: Option<SecretKeyRef>,
    /// Password in clear, or its SHA-1 as 40 hexadecimal digits. One line break at the end is ignored.
    pub password_secret_ref: SecretKeyRef,
    /// The password that emnify still knows, while that of `passwordSecretRef` is new: if the new one is refused and this one is not, the
    /// operator changes the password to the new one. `status.credential.previousObsolete` says when it can go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_password_secret_ref: Option<SecretKeyRef>,
    /// Organisation to work in, where it is not the user's default: the id of a workspace that the user is a member of. Each login is
    /// switched to it, so that one user serves several workspaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_to: Option<NumericId>,
    /// Second factor, for users that have one, or are to have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<MfaSpec>,
}

/// A TOTP key, a trusted device, or a second factor of the operator's making. Exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.totpSecretRef) ? 1 : 0) + (has(self.trustedDevice) ? 1 : 0) + (has(self.managed) ? 1 : 0) == 1")
        .message("set exactly one of totpSecretRef, trustedDevice, managed")
)]
pub struct MfaSpec {
    /// The base32 key shown when the second factor was set up; the operator makes the codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totp_secret_ref: Option<SecretKeyRef>,
    /// Registers the operator as a trusted device, which emnify asks for no code for 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_device: Option<TrustedDeviceSpec>,
    /// The operator gives the user a second factor and keeps its key. Taking this out removes the second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<ManagedMfa>,
}

/// Where the key of a second factor is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedMfa {
    /// Secret to write to, beside those of the credentials: `totp` is the base32 key, `otpauth` the same for an authenticator. It must not exist, or
    /// be one that the operator made. The operator never deletes it: without the key nobody logs in as this user.
    pub secret_name: ObjectName,
}

/// Registration of the operator as a trusted device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedDeviceSpec {
    /// A fresh six-digit code of the user's authenticator. It is used once; write a new one when the condition `Ready`
    /// asks for it.
    pub code_secret_ref: SecretKeyRef,
}

/// How many devices may be deleted, disabled, suspended, activated, cut off or re-priced before somebody must approve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardSpec {
    /// Devices per window.
    #[schemars(range(min = 1))]
    pub max_devices: i64,
    /// Length of the window. Default `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
}

/// How often `status.usage` of each `Endpoint` is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceUsageSpec {
    /// Time between two readings of a device, at least `1h`. With so many devices that it would take more than a tenth of the requests that the
    /// workspace may make in a month, they are read more rarely: `status.deviceUsage.interval` says how often.
    pub interval: Duration,
}

/// Namespaces that may use a cluster workspace. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.names) ? 1 : 0) + (has(self.matchLabels) ? 1 : 0) + (has(self.all) ? 1 : 0) == 1")
        .message("set exactly one of names, matchLabels, all"),
    validation = Rule::new("!has(self.all) || self.all")
        .message("all can only be true; leave allowedNamespaces out to allow none")
)]
pub struct AllowedNamespaces {
    /// These.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub names: Option<Vec<NamespaceName>>,
    /// Those with all of these labels.
    #[serde(default, deserialize_with = "without_nulls", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(validation = Rule::new("self.exists(key, size(self[key]) >= 0)").message("needs at least one label"), validation = Rule::new(r"self.all(key, size(key) <= 317 && key.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$'))").message("a label's key is a name of at most 63 letters, digits, -, _ and ., with or without a domain and a slash before it"))]
    pub match_labels: Option<BTreeMap<String, LabelValue>>,
    /// `true`: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
}

/// A value that is null is one that is left out.
fn without_nulls<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<BTreeMap<String, LabelValue>>, D::Error> {
    let all: Option<BTreeMap<String, Option<LabelValue>>> = Option::deserialize(from)?;
    Ok(all.map(|all| all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()))
}

/// What emnify said about the organisation, and how the login stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceStatus {
    /// Generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Organisation of the first login; later credentials must belong to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Organisation>,
    /// Name of the active tariff plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff_plan: Option<String>,
    /// SIMs of this organisation are activated into Factory Test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_test_mode: Option<bool>,
    /// End of the current login's token; it is renewed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<Date>,
    /// How the credentials fared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialStatus>,
    /// The last failure of a login, until one succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Objects in emnify, of each kind that was listed completely, as of the last complete listing.
    #[serde(default, deserialize_with = "list_or_nothing", skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub counts: Vec<KindCount>,
    /// Requests of the calendar month, written every ten minutes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetStatus>,
    /// Slow re-reading of what no listing shows, written every ten minutes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrub: Option<ScrubStatus>,
    /// How often devices are really asked for what they use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_usage: Option<DeviceUsageStatus>,
    /// How far the event log was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventsStatus>,
    /// What the guard has counted: it outlives restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<GuardState>,
    /// Value of the annotation `emnify.io/refresh` that was last handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_refresh_at: Option<String>,
    /// `Ready`, `Reconciling`, `Stalled`; `GuardTripped`, `BudgetLow`, `Restricted` and `OrganisationBlocked` while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// An emnify organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organisation {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Address of the API that it was found at. Another one is used once somebody has confirmed it, by a new value of the
    /// annotation `emnify.io/refresh`: an organisation of the same id may be another one there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// What emnify says of it, such as `Active`. Read when the operator starts and when emnify tells of a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What it pays in, such as `EUR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The most that it may spend in a month, in that currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_cost_limit: Option<String>,
}

/// How often `status.usage` of each `Endpoint` is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceUsageStatus {
    /// The interval of the spec, or a longer one where there are too many devices for it.
    pub interval: Duration,
}

/// Which credential worked and which was refused, as digests salted with a value in the session's Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialStatus {
    /// The one that worked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// The one that was refused last, unless a later one worked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// The code that was last used to register a trusted device; it will not work again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_code: Option<String>,
    /// `true`: the password of `passwordSecretRef` works, so `previousPasswordSecretRef` and its Secret can go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_obsolete: Option<bool>,
    /// The two passwords between which emnify refused the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_refused: Option<String>,
}

/// A credential that was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Its digest.
    pub credential: String,
    /// Why.
    pub cause: Cause,
    /// Organisation it belongs to, where that is the trouble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Organisation>,
    /// Organisation that it was tried for, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// When, RFC 3339.
    pub at: Date,
}

/// Why a credential was refused: emnify does not accept it, asks for a second factor, or it belongs to another organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Cause {
    /// emnify does not accept it.
    Credential,
    /// The second factor is missing or unusable.
    SecondFactor,
    /// It belongs to another organisation.
    OtherOrganisation,
}

/// How many objects of a kind there are in emnify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindCount {
    /// The kind, such as `Endpoint`.
    pub kind: String,
    /// How many there are; application tokens that are revoked are none.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// When the last complete listing of them began, RFC 3339. Written with other news of the organisation, or every ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Date>,
}

/// Counts of an earlier release were an object with a field per kind. They are made anew, so whatever is no list of ours is
/// none at all: a status that cannot be read would stall the Workspace.
fn list_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<KindCount>, D::Error> {
    let counts = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(counts).unwrap_or_default())
}

/// Requests of a calendar month; emnify allows ten million per organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStatus {
    /// Such as `2026-11`, UTC.
    pub month: String,
    /// Requests so far, in full thousands, so that the status does not move with each request.
    #[schemars(range(min = 0))]
    pub requests: i64,
    /// How many percent of them were made in which lane, in steps of five.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lanes: BTreeMap<String, i64>,
}

/// How far the event log was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventsStatus {
    /// By emnify's clock, RFC 3339; written now and then. A restart reads on from there.
    pub position: Date,
}

/// Quotas, blocklists, details of profiles, rate zones, first-time connectivity: read one by one, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScrubStatus {
    /// How many there are to read, rounded up to two digits.
    #[schemars(range(min = 0))]
    pub objects: i64,
    /// How old what was read may become, rounded up: they are read with a small share of the request budget.
    pub rotation: Duration,
}

/// A `Workspace` or a `ClusterWorkspace`.
pub trait WorkspaceObject: kube::Resource<DynamicType = ()> {
    /// Which of the two.
    const KIND: WorkspaceKind;
    /// The shared part of the spec.
    fn access(&self) -> &Access;
    /// What was last written.
    fn status(&self) -> Option<&WorkspaceStatus>;
    /// Name of the Secret in the operator's namespace that keeps the login. A namespace holds no dot, so that no two
    /// workspaces share a name.
    fn session_secret(&self) -> String {
        let name = self.meta().name.as_deref().unwrap_or_default();
        let namespace = self.meta().namespace.as_deref().unwrap_or_default();
        match Self::KIND {
            WorkspaceKind::Workspace => format!("session.workspace.{namespace}.{name}"),
            WorkspaceKind::ClusterWorkspace => format!("session.clusterworkspace.{name}"),
        }
    }
    /// Name of the Secret in which releases before 0.2 kept the login: beside the credentials, where tenants write.
    fn former_session_secret(&self) -> String {
        let name = self.meta().name.as_deref().unwrap_or_default();
        match Self::KIND {
            WorkspaceKind::Workspace => format!("{name}-session"),
            WorkspaceKind::ClusterWorkspace => format!("{name}-clustersession"),
        }
    }
}

impl WorkspaceObject for Workspace {
    const KIND: WorkspaceKind = WorkspaceKind::Workspace;
    fn access(&self) -> &Access {
        &self.spec.access
    }
    fn status(&self) -> Option<&WorkspaceStatus> {
        self.status.as_ref()
    }
}

impl WorkspaceObject for ClusterWorkspace {
    const KIND: WorkspaceKind = WorkspaceKind::ClusterWorkspace;
    fn access(&self) -> &Access {
        &self.spec.access
    }
    fn status(&self) -> Option<&WorkspaceStatus> {
        self.status.as_ref()
    }
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
