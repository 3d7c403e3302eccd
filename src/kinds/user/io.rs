//! Calls. A call that takes an Administrator away asks before and after who else is one: what the mirror knows may be
//! old, another program may take away the other one at the same moment, and nobody could repair it.

use emnify::{
    Api, Created, Cursor, Error, Page, found,
    wire::user::{self, Membership, USERS, User as Wire, UserCreate, UserWrite, status},
};
use emnify_engine::kind::{Applied, Id, Reply, misuse};

use super::{
    User,
    change::{Change, FieldChange, Sub, To, demotes},
    diff::last_administrator,
    rows::{Detail, Part, Parts, Row},
    spec::UserRole,
};

pub(super) async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
    Ok(USERS.list(api, at).await?.map(row))
}

pub(super) async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
    Ok(USERS.get(api, id.number()?).await?.map(row))
}

pub(super) async fn read_part(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
    let id = id.number()?;
    match part {
        Part::Detail => {
            let (_, detail) = read_detail(api, id).await?.ok_or_else(gone)?;
            into.detail = Some(detail);
        }
        Part::OtherAdministrator => into.other_administrator = Some(administrator_but(api, id).await?),
    }
    Ok(())
}

fn gone() -> Error {
    Error::NotFound { message: "the user is gone".into() }
}

pub(super) async fn make(api: &Api, new: &Change) -> Result<Reply<User>, Error> {
    // the first call of a client logs in
    let in_workspaces = in_workspaces(api).await?;
    let workspace = organisation(api)?;
    let mut body = UserCreate {
        username: String::new(),
        name: String::new(),
        organisation: workspace.into(),
        roles: vec![],
    };
    for set in new.created()? {
        match &set.to {
            To::Username(username) => body.username.clone_from(username),
            To::Name(name) => body.name.clone_from(name),
            To::Roles(roles) => body.roles = roles.iter().map(|role| (*role).into()).collect(),
        }
    }
    if body.roles.is_empty() {
        return Err(misuse("without roles emnify would make an Administrator"));
    }
    let Created { id } = if in_workspaces {
        api.invite_user(&body).await.map_err(elsewhere)?
    } else {
        USERS.create(api, &body).await?
    };
    Ok(Reply { id: Some(id.into()), ..Reply::default() })
}

/// Nothing ends this conflict by itself.
fn elsewhere(error: Error) -> Error {
    match error {
        Error::Conflict { code, message } => Error::Rejected {
            status: 409,
            code,
            message: format!(
                "{message}: they belong to this organisation already, or to another one without workspaces; \
                 use `id` if they are listed here, or another address"
            ),
        },
        other => other,
    }
}

pub(super) async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<User>, Error> {
    let id = id.number()?;
    if demotes(change) {
        demote(api, id, change).await?;
    } else {
        send(api, id, change).await?;
    }
    Ok(Reply::default())
}

async fn send(api: &Api, id: i64, change: &Change) -> Result<(), Error> {
    match change.applied()? {
        Applied::Patch(sets) => USERS.patch(api, id, &write(sets)).await,
        Applied::Sub(Sub::DefaultWorkspace { new, .. }) => api.set_default_workspace(id, *new).await,
        Applied::Sub(sub) => {
            let here = workspace(api).await?;
            send_sub(api, id, here, *sub).await
        }
        Applied::Delete => match workspace(api).await? {
            Some(workspace) => api.remove_from_workspace(id, workspace).await,
            None => match api.delete_user(id).await {
                // an organisation that does not know v2 of it
                Err(Error::NotFound { .. } | Error::Unavailable { .. }) => USERS.delete(api, id).await,
                done => done,
            },
        },
    }
}

/// `here`: the workspace, where the plan has them.
async fn send_sub(api: &Api, id: i64, here: Option<i64>, sub: Sub) -> Result<(), Error> {
    match (sub, here) {
        (Sub::AddRole(role), _) => api.add_user_role(id, here, role.id()).await,
        (Sub::RemoveRole(role), _) => api.remove_user_role(id, here, role.id()).await,
        (Sub::Suspend(on), Some(workspace)) => api.set_user_status(id, workspace, suspended(on)).await,
        (Sub::Suspend(on), None) => {
            let write = UserWrite { status: Some(suspended(on).into()), ..UserWrite::default() };
            USERS.patch(api, id, &write).await
        }
        (Sub::DefaultWorkspace { new, .. }, _) => api.set_default_workspace(id, new).await,
    }
}

const fn suspended(on: bool) -> i64 {
    if on { status::SUSPENDED } else { status::ACTIVE }
}

/// Takes an Administrator away unless they are the last one, and gives it back if they turn out to have been.
async fn demote(api: &Api, id: i64, change: &Change) -> Result<(), Error> {
    let Some((account, detail)) = read_detail(api, id).await? else {
        return send(api, id, change).await;
    };
    if !detail.administers(account.account) {
        return send(api, id, change).await;
    }
    let last = || Error::Conflict { code: None, message: last_administrator(&account.username) };
    if !administrator_but(api, id).await? {
        return Err(last());
    }
    send(api, id, change).await?;
    let back = match change {
        Change::Sub(Sub::RemoveRole(role)) => Sub::AddRole(*role),
        Change::Sub(Sub::Suspend(_)) => Sub::Suspend(false),
        // whoever left has to be invited again, which only they can accept
        _ => return Ok(()),
    };
    // what cannot be read now is no reason to undo what was asked for
    if administrator_but(api, id).await.unwrap_or(true) {
        return Ok(());
    }
    let here = workspace(api).await?;
    send_sub(api, id, here, back).await?;
    Err(last())
}

/// The person and what the listing does not show of them.
async fn read_detail(api: &Api, id: i64) -> Result<Option<(Row, Detail)>, Error> {
    let Some(user) = USERS.get(api, id).await? else { return Ok(None) };
    let at = memberships(api, id).await?;
    let workspace = organisation(api)?;
    let shown = user
        .roles
        .as_deref()
        .ok_or_else(|| Error::Unreadable { message: "emnify shows no roles of the user".into() })?;
    let foreign = shown.iter().filter(|role| UserRole::of(role.id).is_none());
    let detail = Detail {
        roles: shown.iter().map(|role| role.id).filter(|id| UserRole::of(*id).is_some()).collect(),
        foreign: foreign.map(|role| role.name.clone().unwrap_or_else(|| role.id.to_string())).collect(),
        second_factor: user.mfa.iter().any(user::SecondFactor::is_active),
        here: at.iter().find(|at| at.id == workspace).and_then(|at| at.status),
        default_workspace: at.iter().find(|at| at.default_workspace).map(|at| at.id),
    };
    Ok(Some((row(user), detail)))
}

/// Where they belong; nothing where emnify does not tell it to this login.
async fn memberships(api: &Api, id: i64) -> Result<Vec<Membership>, Error> {
    match found(api.user_workspaces(id).await) {
        Ok(all) => Ok(all.unwrap_or_default()),
        Err(Error::Rejected { status: 403, .. } | Error::Unauthorized { status: 403, .. }) => Ok(Vec::new()),
        Err(other) => Err(other),
    }
}

/// Somebody else is an active Administrator, as emnify says now. Whoever cannot be read is none.
async fn administrator_but(api: &Api, id: i64) -> Result<bool, Error> {
    let mut next = Some(Cursor::first());
    while let Some(at) = next {
        let page = USERS.list(api, at).await?;
        next = page.next();
        let others = page.items.iter().filter(|user| user.id != id && user.status == Some(status::ACTIVE));
        for other in others {
            let detail = match read_detail(api, other.id).await {
                Err(Error::Unreadable { .. }) => None,
                read => read?,
            };
            if detail.is_some_and(|(row, detail)| detail.administers(row.account)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// People belong to workspaces, as nearly everywhere; asked each time, since a plan can change and writes are rare.
async fn in_workspaces(api: &Api) -> Result<bool, Error> {
    Ok(api.active_tariff_plan().await?.and_then(|plan| plan.workspaces_enabled).unwrap_or(true))
}

/// The workspace, where the plan has them. The first call of a client logs in.
async fn workspace(api: &Api) -> Result<Option<i64>, Error> {
    let in_workspaces = in_workspaces(api).await?;
    Ok(in_workspaces.then_some(organisation(api)?))
}

fn organisation(api: &Api) -> Result<i64, Error> {
    let identity = api.client().identity().ok_or_else(|| misuse("not logged in"))?;
    Ok(identity.organisation_id)
}

fn write(sets: &[FieldChange]) -> UserWrite {
    let mut body = UserWrite::default();
    for set in sets {
        if let To::Name(name) = &set.to {
            body.name = Some(name.clone());
        }
    }
    body
}

fn row(user: Wire) -> Row {
    Row {
        id: user.id,
        username: user.username.trim().to_lowercase(),
        name: user.name,
        created: user.created,
        account: user.status,
    }
}
