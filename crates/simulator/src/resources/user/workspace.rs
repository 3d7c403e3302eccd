//! People across workspaces (v2). Who may not look gets 403. [S]

use serde_json::{Value, json};

use super::membership::{addressed, expel, grant, membership, membership_mut, role, roles, withdraw};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::resources::route::{Needs, Route};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("get-assigned-workspaces", list),
        Route::express("update-default-workspace", choose_default).needs(Needs::Person),
        Route::express("update-workspace-user-status", set_status).needs(Needs::Admin),
        Route::express("unassign-workspaces", leave).needs(Needs::Read),
        Route::express("assign-user-role-by-id", add_role).needs(Needs::Admin),
        Route::express("remove-user-role-by-id", remove_role).needs(Needs::Admin),
    ]
}

fn forbidden() -> Refusal {
    Refusal::forbidden("The user or workspace is not accessible")
}

fn list(call: &mut Call<'_>) -> Answer {
    let user = &call.state.users[&addressed(call).map_err(|_| forbidden())?];
    let rows: Vec<Value> = user
        .workspaces
        .iter()
        .filter_map(|at| {
            let org = call.state.organisations.get(&at.organisation)?;
            Some(json!({
                "id": org.id,
                "name": org.name,
                "status": {"status": {"id": at.status}},
                "roles": roles(&at.roles),
                "owner": false,
                "default_workspace": at.default,
            }))
        })
        .collect();
    Ok(Reply::json(rows))
}

/// Set by an Administrator of the workspace acted in and of the one chosen, for one of both. [S]
fn choose_default(call: &mut Call<'_>) -> Answer {
    let user = addressed(call).map_err(|_| forbidden())?;
    let workspace = call.id("workspace_id")?;
    let member = membership(&call.state.users[&user], workspace).is_some();
    let caller = call.caller.user.and_then(|id| call.state.users.get(&id));
    let administers = |organisation| {
        let at = caller.and_then(|caller| membership(caller, organisation));
        at.is_some_and(|at| at.status == 1 && at.roles.contains(&1))
    };
    if !member || !administers(workspace) || !administers(call.caller.organisation) {
        return Err(forbidden());
    }
    for at in &mut call.state.users.get_mut(&user).expect("looked up above").workspaces {
        at.default = at.organisation == workspace;
    }
    Ok(Reply::done())
}

/// The addressed person and workspace, which must be the caller's [S], of a plan that has workspaces.
fn target(call: &Call<'_>) -> Result<(u64, u64), Refusal> {
    let workspace = call.id("workspace_id")?;
    if workspace != call.caller.organisation || !call.org().tariff_plan.workspaces_enabled {
        return Err(forbidden());
    }
    Ok((addressed(call)?, workspace))
}

/// Nobody changes what they may do themselves. [S]
fn other(call: &Call<'_>, user: u64) -> Result<(), Refusal> {
    if call.caller.user == Some(user) {
        return Err(Refusal::bad_request("Your own roles cannot be changed"));
    }
    Ok(())
}

fn set_status(call: &mut Call<'_>) -> Answer {
    let (user, workspace) = target(call)?;
    let status = call.reference("status").filter(|status| [1, 2].contains(status));
    let status = status.ok_or_else(|| Refusal::bad_request("status must be 1 or 2"))?;
    membership_mut(call.state, user, workspace).ok_or_else(forbidden)?.status = status;
    Ok(Reply::done())
}

/// An administrator removes anyone, everyone themselves.
fn leave(call: &mut Call<'_>) -> Answer {
    let (user, workspace) = target(call)?;
    if call.caller.user != Some(user) && !call.caller.roles.contains(&1) {
        return Err(forbidden());
    }
    expel(call, user, workspace);
    Ok(Reply::done())
}

fn add_role(call: &mut Call<'_>) -> Answer {
    let ((user, workspace), role) = (target(call)?, role(call)?);
    other(call, user)?;
    let at = membership_mut(call.state, user, workspace).ok_or_else(forbidden)?;
    // Here a role that is held already is no error. [S]
    if at.roles.contains(&role) { Ok(Reply::done()) } else { grant(at, role) }
}

fn remove_role(call: &mut Call<'_>) -> Answer {
    let ((user, workspace), role) = (target(call)?, role(call)?);
    other(call, user)?;
    let at = membership_mut(call.state, user, workspace).ok_or_else(forbidden)?;
    withdraw(at, role).map_err(|refusal| {
        if refusal.status == 409 { Refusal::bad_request("The last role cannot be removed") } else { refusal }
    })
}
