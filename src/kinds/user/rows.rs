//! What is mirrored, and what is wanted, in the same terms.

use std::collections::{BTreeMap, BTreeSet};

use emnify::wire::user::{role, status};
use jiff::Timestamp;

use super::spec::UserRole;

/// Entry of the listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Id.
    pub id: i64,
    /// E-mail address, in lower case.
    pub username: String,
    /// Display name.
    pub name: String,
    /// When they were invited.
    pub created: Option<Timestamp>,
    /// Status of the account.
    pub account: Option<i64>,
}

/// What the listing does not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Roles, second factor, workspaces.
    Detail,
    /// Whether somebody else is an active Administrator.
    OtherAdministrator,
}

/// The parts, once read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Roles, second factor, workspaces.
    pub detail: Option<Detail>,
    /// Somebody else is an active Administrator.
    pub other_administrator: Option<bool>,
}

/// Roles, second factor, workspaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Roles that the organisation can give, by id.
    pub roles: BTreeSet<i64>,
    /// Names of roles that only emnify gives.
    pub foreign: Vec<String>,
    /// A second factor is active.
    pub second_factor: bool,
    /// Status in this workspace, where emnify tells it.
    pub here: Option<i64>,
    /// Where a login lands; `None` where emnify does not show workspaces.
    pub default_workspace: Option<i64>,
}

impl Detail {
    /// The state that the account and the membership make together.
    pub fn state(&self, account: Option<i64>) -> Option<i64> {
        let all = [self.here, account];
        let any = |wanted: i64| all.contains(&Some(wanted)).then_some(wanted);
        any(status::SUSPENDED).or_else(|| any(status::ACTIVATION_PENDING)).or(self.here).or(account)
    }

    /// They may do everything now.
    pub fn administers(&self, account: Option<i64>) -> bool {
        self.roles.contains(&role::ADMINISTRATOR) && self.state(account) == Some(status::ACTIVE)
    }
}

/// What emnify calls a status, as a spec would.
pub fn state_name(state: i64) -> &'static str {
    match state {
        status::ACTIVATION_PENDING => "ActivationPending",
        status::ACTIVE => "Active",
        status::SUSPENDED => "Suspended",
        _ => "Unknown",
    }
}

/// What emnify should hold; unset is unmanaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// E-mail address, in lower case.
    pub username: String,
    /// Display name.
    pub name: String,
    /// All roles, by id.
    pub roles: BTreeMap<i64, UserRole>,
    /// May not log in.
    pub suspended: Option<bool>,
    /// Where a login lands.
    pub default_workspace: Option<i64>,
}
