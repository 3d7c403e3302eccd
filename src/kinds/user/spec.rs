//! What users write and read.

use emnify::wire::user::role;
use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Date, NumericId};

/// A person who may log in to the workspace: invited, given roles, suspended, and taken out with this object.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "User",
    namespaced,
    status = "UserStatus",
    derive = "PartialEq",
    shortname = "emuser"
)]
#[kube(printcolumn(name = "Username", type_ = "string", json_path = ".spec.username"))]
#[kube(printcolumn(name = "Roles", type_ = "string", json_path = ".status.roles"))]
#[kube(printcolumn(name = "State", type_ = "string", json_path = ".status.state"))]
#[serde(rename_all = "camelCase")]
pub struct UserSpec {
    /// E-mail address, compared without regard to case. emnify mails the invitation there. It cannot be changed: give another address another object.
    #[schemars(regex(pattern = r"^[^@\s,/]+@[^@\s,/]+\.[^@\s,/]+$"), length(min = 5, max = 254))]
    pub username: String,
    /// Display name.
    #[schemars(length(min = 1, max = 160))]
    pub name: String,
    /// All roles in the workspace: `Administrator`, `User`, `Observer`; the others are taken away. The last active Administrator stays one.
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Vec<UserRole>,
    /// `true`: the person may not log in to the workspace. Unset: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<bool>,
    /// Workspace that a login of the person lands in. The workspace of this object has to log in as a person (`credentials.user`) who is an
    /// Administrator of both. Unset: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_workspace: Option<DefaultWorkspace>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// A workspace of emnify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultWorkspace {
    /// Id of its organisation.
    pub id: NumericId,
}

/// A role that an organisation can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum UserRole {
    /// May do everything.
    Administrator,
    /// May change everything but the account.
    User,
    /// May look.
    Observer,
}

impl UserRole {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Administrator, Self::User, Self::Observer];

    /// Its id in emnify [S].
    pub const fn id(self) -> i64 {
        match self {
            Self::Administrator => role::ADMINISTRATOR,
            Self::User => role::USER,
            Self::Observer => role::OBSERVER,
        }
    }

    /// The role with that id, unless it is one that only emnify gives.
    pub fn of(id: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }

    /// As specs spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "Administrator",
            Self::User => "User",
            Self::Observer => "Observer",
        }
    }
}

/// What emnify shows of the person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// `ActivationPending` until they accept the invitation, `Active` or `Suspended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Roles in the workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub roles: Vec<String>,
    /// Whether emnify asks them for a second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<bool>,
    /// When they were invited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Date>,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

emnify_engine::kind!(User, UserStatus);
