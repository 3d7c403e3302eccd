//! Whom a path names, and what they are in a workspace.

use serde_json::{Value, json};

use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::reference_data::{describe, row};
use crate::state::{Draft, Membership, State, User};

pub(super) fn missing() -> Refusal {
    Refusal::not_found("User")
}

/// The person a path names, by id or by e-mail address, if they belong to the caller's workspace. [S]
pub(super) fn addressed(call: &Call<'_>) -> Result<u64, Refusal> {
    let named = call.param("user_id");
    let user = match named.parse::<u64>() {
        Ok(id) => call.state.users.get(&id),
        Err(_) => call.state.users.values().find(|user| user.username == named),
    };
    let user = user.filter(|user| membership(user, call.caller.organisation).is_some());
    user.map(|user| user.id).ok_or_else(missing)
}

pub(super) fn membership(user: &User, organisation: u64) -> Option<&Membership> {
    user.workspaces.iter().find(|at| at.organisation == organisation)
}

/// What a person is in one workspace, to change.
pub(super) fn membership_mut(state: &mut State, user: u64, organisation: u64) -> Option<&mut Membership> {
    let user = state.users.get_mut(&user)?;
    user.workspaces.iter_mut().find(|at| at.organisation == organisation)
}

/// What emnify calls a role that only it gives, and that no list of roles shows. [S]
const SUPER_ADMIN: &str = "SuperAdmin";

pub(super) fn roles(ids: &[u64]) -> Vec<Value> {
    let name = |id: &u64| describe("user_role", *id).unwrap_or(SUPER_ADMIN);
    ids.iter().map(|id| json!({"id": id, "name": name(id)})).collect()
}

/// A role that no list shows: emnify's own people have one.
pub(super) fn is_support(role: u64) -> bool {
    row("user_role", role).is_none()
}

/// Ends a membership, and the person's account with the last one.
pub(super) fn expel(call: &mut Call<'_>, user: u64, organisation: u64) {
    if let Some(row) = call.state.users.get_mut(&user) {
        row.workspaces.retain(|at| at.organisation != organisation);
        if row.workspaces.is_empty() {
            call.state.users.remove(&user);
        }
    }
    call.emit(Draft::new(46));
}

/// The role that the path names.
pub(super) fn role(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.id("role_id")?;
    row("user_role", id).map(|_| id).ok_or_else(|| Refusal::not_found("Role"))
}

pub(super) fn grant(at: &mut Membership, role: u64) -> Answer {
    if at.roles.contains(&role) {
        return Err(Refusal::duplicated("The user has the role already"));
    }
    at.roles.push(role);
    Ok(Reply::done())
}

/// The last role stays. [S]
pub(super) fn withdraw(at: &mut Membership, role: u64) -> Answer {
    if !at.roles.contains(&role) {
        return Err(Refusal::not_found("Role"));
    }
    if at.roles.len() == 1 {
        return Err(Refusal::conflict("The last role cannot be removed"));
    }
    at.roles.retain(|held| *held != role);
    Ok(Reply::done())
}
