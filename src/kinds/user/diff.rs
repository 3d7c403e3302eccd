//! What differs, and what is never done.

use emnify::wire::user::{role, status};
use emnify_engine::kind::{Context, Diff, FieldDiff, Have, Invalid, Veto, reason};

use super::{
    User,
    change::{Change, FieldChange, Sub, To, demotes, named},
    rows::{Detail, Row, Want},
    spec::UserRole,
};

pub(super) fn create(want: &Want) -> Change {
    let set = |path: &str, new: &str, to| FieldChange::new(FieldDiff::new(path, "-", new), to);
    let roles: Vec<i64> = want.roles.keys().copied().collect();
    Change::Create(vec![
        set("username", &want.username, To::Username(want.username.clone())),
        set("name", &want.name, To::Name(want.name.clone())),
        set("roles", &named(&roles), To::Roles(roles)),
    ])
}

pub(super) fn diff(want: &Want, have: &Have<User>, context: &Context<'_, User>) -> Diff<Change> {
    let row = &have.row;
    if is_own(row, context) {
        return Diff { illegal: Some(Invalid::new("username", OWN)), ..Diff::default() };
    }
    if want.username != row.username {
        let field = FieldDiff::new("username", &row.username, &want.username);
        return Diff { immutable: vec![field], ..Diff::default() };
    }
    let Some(detail) = &have.parts.detail else {
        return Diff { waiting: Some("the roles of the user are not read yet".into()), ..Diff::default() };
    };
    let mut changes = Vec::new();
    if want.name != row.name {
        let name =
            FieldChange::new(FieldDiff::new("name", &row.name, &want.name), To::Name(want.name.clone()));
        changes.push(Change::Patch(vec![name]));
    }
    changes.extend(roles(want, detail).map(Change::Sub));
    let suspended = detail.state(row.account) == Some(status::SUSPENDED);
    changes.extend(want.suspended.filter(|on| *on != suspended).map(|on| Change::Sub(Sub::Suspend(on))));
    match (want.default_workspace, detail.default_workspace) {
        (Some(new), Some(old)) if new != old => changes.push(Change::Sub(Sub::DefaultWorkspace { old, new })),
        (Some(_), None) if changes.is_empty() => {
            let message =
                "emnify shows no workspaces of this user: leave it out, or use a plan with workspaces";
            return Diff { illegal: Some(Invalid::new("defaultWorkspace", message)), ..Diff::default() };
        }
        _ => {}
    }
    Diff::from(changes)
}

/// Given first, so that nobody is ever without one: emnify keeps the last role [S].
fn roles(want: &Want, detail: &Detail) -> impl Iterator<Item = Sub> {
    let missing =
        want.roles.iter().filter(|(id, _)| !detail.roles.contains(id)).map(|(_, role)| Sub::AddRole(*role));
    let surplus = detail.roles.iter().filter(|id| !want.roles.contains_key(id));
    let surplus = surplus.filter_map(|id| UserRole::of(*id)).map(Sub::RemoveRole);
    missing.chain(surplus)
}

const OWN: &str = "the operator logs in as this user, and would shut itself out; manage another user, or give the workspace other credentials";

fn is_own(row: &Row, context: &Context<'_, User>) -> bool {
    context.own_users.contains(&row.username)
}

pub(super) fn forbids(change: &Change, have: &Have<User>, context: &Context<'_, User>) -> Option<Veto> {
    let row = &have.row;
    if is_own(row, context) {
        return Some(Veto::new(reason::INVALID_SPEC, format!("username: {OWN}")));
    }
    let detail = have.parts.detail.as_ref()?;
    if !detail.foreign.is_empty() {
        let message = format!(
            "{change}: not sent: {} has the role {}, which only emnify gives, and users with such a role are left alone",
            row.username,
            detail.foreign.join(", "),
        );
        return Some(Veto::new(reason::REJECTED, message));
    }
    if demotes(change) && detail.administers(row.account) && have.parts.other_administrator != Some(true) {
        return Some(Veto::new(reason::LAST_ADMINISTRATOR, last_administrator(&row.username)));
    }
    if let (Change::Sub(Sub::DefaultWorkspace { .. }), false) = (change, context.as_user) {
        let message = "defaultWorkspace: emnify takes it from a person only; give the workspace credentials.user of an \
                       Administrator of both workspaces, or leave the field out";
        return Some(Veto::new(reason::USER_CREDENTIALS_NEEDED, message));
    }
    None
}

/// What is told about whoever must stay.
pub(super) fn last_administrator(username: &str) -> String {
    format!(
        "{username} is the last active {} of the organisation; make another active user one first",
        UserRole::of(role::ADMINISTRATOR).map_or("Administrator", UserRole::as_str)
    )
}
