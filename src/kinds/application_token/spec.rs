//! What users write, and what they see.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{DataKey, Date, Duration, ObjectName};

/// An application token of the workspace, kept in a Secret: made, rotated with overlap, and revoked with this object.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "ApplicationToken",
    namespaced,
    status = "ApplicationTokenStatus",
    derive = "PartialEq",
    derive = "Default",
    cel,
    shortname = "emtok",
    validation = Rule::new("size(self.metadata.name) <= 247 || (has(self.spec.secretRef) && has(self.spec.secretRef.name))")
        .message("the Secret takes this name with -token at the end, and a name has at most 253 characters: shorten it to 247, or set spec.secretRef.name"),
    printcolumn(name = "Secret", type_ = "string", json_path = ".status.secretName"),
    printcolumn(name = "Expiry", type_ = "string", json_path = ".status.expiresAt"),
    printcolumn(name = "JWT expiry", type_ = "string", json_path = ".status.jwtExpiresAt")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.expiry) && has(self.expiresIn))")
        .message("set at most one of expiry, expiresIn"),
    validation = Rule::new("!has(self.rotateBefore) || has(self.expiresIn)")
        .message("rotateBefore needs expiresIn: with a fixed expiry the next token would end at the same time"),
    validation = Rule::new("!has(self.gracePeriod) || !has(self.id)")
        .message("gracePeriod is for tokens that are rotated; an adopted token (id) never is"),
    validation = Rule::new("!has(self.jwt) || !has(self.secretRef) || (has(self.secretRef.tokenKey) ? self.secretRef.tokenKey : 'token') != (has(self.secretRef.jwtKey) ? self.secretRef.jwtKey : 'jwt')")
        .message("secretRef.tokenKey and secretRef.jwtKey must differ: both go into one Secret"),
    validation = Rule::new("!has(self.jwt) || !has(self.id)")
        .message("jwt needs the token itself, which emnify shows only once; leave out id to have a new token made")
)]
pub struct ApplicationTokenSpec {
    /// Policies.
    #[serde(flatten)]
    pub common: CommonSpec,
    /// What the token is for, shown in the portal. The operator adds its mark at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 160))]
    pub description: Option<String>,
    /// When the token ends. Unset, with `expiresIn` unset too: never. A change makes a new token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Date>,
    /// Lifetime of each token, such as `2160h` (90 days). Use it with `rotateBefore`. A shorter lifetime makes a new token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Duration>,
    /// Addresses that may use the token, such as `203.0.113.0/24`. Unset: any. A change makes a new token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 43), regex(pattern = r"^[0-9a-fA-F.:]+/[0-9]{1,3}$"))]
    pub cidr: Option<String>,
    /// Secret to write to, in this namespace. It must not exist, or belong to this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<OutputSecret>,
    /// A ready JWT made from the token, for workloads that should not hold the token. Removing this leaves the last JWT in
    /// the Secret until it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSpec>,
    /// Make a new token this long before the present one ends, such as `720h`. Less than `expiresIn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_before: Option<Duration>,
    /// Make a new token this long after the present one was made, at least `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_every: Option<Duration>,
    /// How long the previous token goes on working after a rotation. Default `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<Duration>,
}

/// Where the token goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputSecret {
    /// Name of the Secret. Default: the name of this object with `-token` at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,
    /// Key of the token. Default `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_key: Option<DataKey>,
    /// Key of the JWT. Default `jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_key: Option<DataKey>,
}

/// A JWT made from the token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtSpec {
    /// Whether a JWT is kept in the Secret.
    pub enabled: bool,
    /// Replace it this long before it ends. Default: a tenth of its lifetime; at most half of it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_before: Option<Duration>,
}

/// What is known of the token; never the token itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationTokenStatus {
    /// Common fields.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// When the token ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Date>,
    /// Secret that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// Id of the token whose value is in the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// When the JWT in the Secret ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_expires_at: Option<Date>,
    /// When the last token replaced another one. There is at most one replacement an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Date>,
    /// Previous tokens in their grace time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub retiring: Vec<Retiring>,
}

/// A token that was replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retiring {
    /// Its id.
    pub id: String,
    /// When it was replaced.
    pub since: Date,
    /// When it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_after: Option<Date>,
    /// Its value never reached the Secret, so nobody needs grace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undelivered: bool,
}

emnify_engine::kind!(ApplicationToken, ApplicationTokenStatus);
