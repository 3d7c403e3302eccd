//! People of a workspace: roles and what these permit, status, passwords, support tokens.

mod account;
mod membership;
mod permission;
mod workspace;

use serde_json::{Value, json};

use self::membership::{addressed, expel, grant, membership, membership_mut, missing, role, roles, withdraw};
use super::route::{Needs, Route};
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::list::{Cell, Column, Filter, Headers, Paging, list as page};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::reference_data::row;
use crate::rules::dates;
use crate::state::{Draft, Lockout, Membership, State, Table, User};

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::java("user-per-page-sort-by-q-and-page-get", list),
        Route::java("user-per-page-sort-by-q-and-page-post", create).needs(Needs::Admin),
        Route::java("user-by-id-get", read),
        Route::java("user-by-id-patch", patch).needs(Needs::Admin),
        Route::java("user-by-id-delete", delete).needs(Needs::Admin),
        Route::express("user-v-2-delete", delete).needs(Needs::Admin),
        Route::java("user-role-by-id-and-role-id-put", add_role).needs(Needs::Admin),
        Route::java("user-role-by-id-and-role-id-delete", remove_role).needs(Needs::Admin),
        Route::express("user-v-2-invitation", invite).needs(Needs::Admin),
    ];
    routes.extend(account::routes());
    routes.extend(permission::routes());
    routes.extend(workspace::routes());
    routes
}

fn show(user: &User, state: &State, organisation: u64) -> Value {
    let name = state.organisations.get(&organisation).map(|org| org.name.as_str());
    json!({
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "created": dates::java(user.created),
        "status": row("user_status", user.status),
        "organisation": {"id": organisation, "name": name},
    })
}

/// Fields of `q` and `sort`. [S]
fn columns() -> Vec<Column<User>> {
    vec![
        Column { name: "id", filter: Filter::Exact, sort: true, read: |user, _| Cell::Int(user.id) },
        Column { name: "status", filter: Filter::Exact, sort: true, read: |user, _| Cell::Int(user.status) },
        Column {
            name: "name",
            filter: Filter::Contains,
            sort: true,
            read: |user, _| Cell::text(Some(&user.name)),
        },
        Column {
            name: "username",
            filter: Filter::Prefix,
            sort: true,
            read: |user, _| Cell::text(Some(&user.username)),
        },
        Column {
            name: "organisation",
            filter: Filter::Contains,
            sort: true,
            read: |_, org| Cell::text(Some(&org.name)),
        },
        Column { name: "created", filter: Filter::No, sort: true, read: |user, _| Cell::Time(user.created) },
    ]
}

/// Page sizes of people are not published. [?]
const PAGING: Paging = Paging { default: 100, max: 1000, headers: Headers::Five, strict: false };

fn list(call: &mut Call<'_>) -> Answer {
    let organisation = call.caller.organisation;
    let users = call.state.users.values().filter(|user| membership(user, organisation).is_some());
    page(call, users, &columns(), PAGING, |user| show(user, call.state, organisation))
}

fn read(call: &mut Call<'_>) -> Answer {
    let user = &call.state.users[&addressed(call)?];
    let organisation = call.caller.organisation;
    let mut shape = show(user, call.state, organisation);
    shape["roles"] = membership(user, organisation).map(|at| roles(&at.roles)).unwrap_or_default().into();
    let keys = user.mfa_keys.values().map(
        |key| json!({"id": key.id, "status": row("mfa_status", key.status), "type": row("mfa_type", 0)}),
    );
    shape["mfa"] = keys.collect();
    Ok(Reply::json(shape))
}

/// The role ids of a body, each of which must exist.
fn wanted_roles(call: &Call<'_>) -> Result<Vec<u64>, Issue> {
    let Some(list) = call.field("roles").as_array() else {
        return Ok(Vec::new());
    };
    let known = |value: &Value| body::id_of(value).filter(|id| row("user_role", *id).is_some());
    list.iter().map(|value| known(value).ok_or_else(|| Issue::reference("roles"))).collect()
}

/// Adds someone who has yet to accept. They are told by e-mail, which is not simulated. [S]
fn add(call: &mut Call<'_>, username: String, name: String, roles: Vec<u64>) -> u64 {
    let at = Membership { organisation: call.caller.organisation, roles, status: 0, default: true };
    let user = User {
        id: 0,
        username,
        name,
        password_sha1: String::new(),
        status: 0,
        created: call.now,
        workspaces: vec![at],
        mfa_keys: Table::default(),
        trusted_devices: Table::default(),
        lockout: Lockout::default(),
    };
    let state = &mut *call.state;
    let id = state.users.add(&mut state.next_ids, user);
    call.emit(Draft::new(36));
    id
}

fn text(call: &Call<'_>, field: &str, issues: &mut Vec<Issue>) -> String {
    let text = call.field(field).as_str().unwrap_or("").to_owned();
    if text.is_empty() {
        issues.push(Issue::required(field));
    }
    text
}

fn known(call: &Call<'_>, username: &str) -> bool {
    call.state.users.values().any(|user| user.username == username)
}

/// Usernames are unique everywhere. [S]
fn create(call: &mut Call<'_>) -> Answer {
    let mut issues = Vec::new();
    let (username, name) = (text(call, "username", &mut issues), text(call, "name", &mut issues));
    let roles = wanted_roles(call).unwrap_or_else(|issue| {
        issues.push(issue);
        Vec::new()
    });
    if call.field("roles").is_null() {
        issues.push(Issue::required("roles"));
    }
    if known(call, &username) {
        issues.push(Issue::new(Code::DUPLICATED, "username is taken"));
    }
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    if call.reference("organisation").is_some_and(|id| id != call.caller.organisation) {
        return Err(Refusal::not_found("Organisation"));
    }
    let id = add(call, username, name, roles);
    Ok(Reply::created(format!("/api/v1/user/{id}")))
}

/// Administrator unless roles are named. [S]
fn invite(call: &mut Call<'_>) -> Answer {
    let mut issues = Vec::new();
    let (username, name) = (text(call, "username", &mut issues), text(call, "name", &mut issues));
    let mut wanted = wanted_roles(call).map_err(|issue| Refusal::bad_request(issue.message))?;
    if let Some(issue) = issues.into_iter().next() {
        return Err(Refusal::bad_request(issue.message));
    }
    if call.reference("organisation").is_some_and(|id| id != call.caller.organisation) {
        return Err(Refusal::forbidden("The organisation is not yours"));
    }
    if wanted.is_empty() {
        wanted.push(1);
    }
    if !call.org().tariff_plan.workspaces_enabled {
        return Err(Refusal::forbidden("Workspaces are not enabled"));
    }
    let shown = roles(&wanted);
    let id = match call.state.users.values().find(|user| user.username == username).map(|user| user.id) {
        Some(id) => join(call, id, wanted)?,
        None => add(call, username.clone(), name.clone(), wanted),
    };
    let organisation = json!({"id": call.caller.organisation});
    Ok(Reply::json(json!({
        "id": id, "username": username, "name": name, "organisation": organisation, "roles": shown,
    })))
}

/// Someone who has an account is asked to a further workspace, unless that is one without workspaces. [S]
fn join(call: &mut Call<'_>, id: u64, roles: Vec<u64>) -> Result<u64, Refusal> {
    let organisation = call.caller.organisation;
    let enabled = |at: &Membership| {
        call.state.organisations.get(&at.organisation).is_some_and(|org| org.tariff_plan.workspaces_enabled)
    };
    let user = &call.state.users[&id];
    if membership(user, organisation).is_some() || !user.workspaces.iter().all(enabled) {
        return Err(Refusal::duplicated("The user exists already"));
    }
    let at = Membership { organisation, roles, status: 0, default: false };
    call.state.users.get_mut(&id).ok_or_else(missing)?.workspaces.push(at);
    call.emit(Draft::new(36));
    Ok(id)
}

/// Another username starts activation anew; status goes 1⇄2 and 0→2. [S]
fn patch(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let mut changed = call.state.users[&id].clone();
    let mut issues = Vec::new();
    if let Some(name) = call.field("name").as_str() {
        name.clone_into(&mut changed.name);
    }
    if let Some(status) = call.reference("status") {
        match (changed.status, status) {
            (from, to) if from == to => {}
            (0 | 1, 2) | (2, 1) => changed.status = status,
            _ => issues.push(Issue::new(Code::NOT_ALLOWED, "The status cannot become that")),
        }
    }
    if let Some(username) = call.field("username").as_str()
        && username != changed.username
    {
        if known(call, username) {
            issues.push(Issue::new(Code::DUPLICATED, "username is taken"));
        }
        username.clone_into(&mut changed.username);
        changed.status = 0;
    }
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    call.state.users.insert(id, changed);
    Ok(Reply::done())
}

fn delete(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    expel(call, id, call.caller.organisation);
    Ok(Reply::done())
}

fn add_role(call: &mut Call<'_>) -> Answer {
    let (user, role) = (addressed(call)?, role(call)?);
    grant(membership_mut(call.state, user, call.caller.organisation).ok_or_else(missing)?, role)
}

fn remove_role(call: &mut Call<'_>) -> Answer {
    let (user, role) = (addressed(call)?, role(call)?);
    withdraw(membership_mut(call.state, user, call.caller.organisation).ok_or_else(missing)?, role)
}
