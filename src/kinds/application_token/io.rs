//! Calls, and what goes into the status.

use std::collections::BTreeMap;

use emnify::{
    Api, Cursor, Error, Page,
    wire::application_token::{self as wire, ApplicationTokenCreate, ApplicationTokenPatch},
};
use emnify_engine::kind::{Have, Id, Inputs, Reply, misuse};
use jiff::Timestamp;

use super::{
    change::Change,
    diff,
    rows::{Ends, Parts, Row},
    spec::{ApplicationToken, ApplicationTokenStatus},
};

/// A page without revoked tokens. How many tokens there are in all is left out, since the header counts those too.
pub(super) async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
    let mut page = api.list_application_tokens(at).await?;
    let live = std::mem::take(&mut page.items).into_iter().filter_map(Row::live).collect();
    Ok(Page { total: None, ..page.with(live) })
}

/// The whole listing; emnify has no read of one token.
async fn all(api: &Api) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let mut at = Some(Cursor::first());
    while let Some(cursor) = at {
        let page = list(api, cursor).await?;
        at = page.next();
        rows.extend(page.items);
    }
    Ok(rows)
}

pub(super) async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
    Ok(all(api).await?.into_iter().find(|row| Id::Int(row.id) == *id))
}

/// The tokens with the same owner as token `id`, without it.
pub(super) async fn read_kin(api: &Api, id: &Id, into: &mut Parts) -> Result<(), Error> {
    let rows = all(api).await?;
    let owner = rows.iter().find(|row| Id::Int(row.id) == *id).and_then(|row| row.owner.clone());
    let siblings = |row: &Row| owner.is_some() && row.owner == owner && Id::Int(row.id) != *id;
    into.siblings = Some(rows.into_iter().filter(siblings).collect());
    Ok(())
}

pub(super) async fn make(api: &Api, new: &Change) -> Result<Reply<ApplicationToken>, Error> {
    let Change::Create { description, ends, cidr, key } = new else {
        return Err(misuse("only a create makes a token"));
    };
    let new = ApplicationTokenCreate {
        description: description.clone(),
        expires: expiry(*ends, api.client().server_time()),
        ip: cidr.clone(),
    };
    let token = api.create_application_token(&new).await?;
    Ok(Reply { secret: BTreeMap::from([(key.clone(), token)]), ..Reply::default() })
}

pub(super) async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<ApplicationToken>, Error> {
    let mut reply = Reply::default();
    match change {
        Change::Create { .. } => return Err(misuse("the token is there already")),
        Change::Describe { description, .. } => {
            let patch = ApplicationTokenPatch { description: Some(description.clone()), status: None };
            api.patch_application_token(id.number()?, &patch).await?;
        }
        Change::MintJwt { token, key, .. } => {
            let jwt = api.mint_jwt(token.clone()).await.map_err(refused_here)?;
            reply.secret.insert(key.clone(), jwt.token);
        }
        // one answer that it does not exist is not believed: a token that lives on is worse than one more listing
        Change::Revoke { id } | Change::RevokeOld { id } => api.revoke_application_token(*id).await?,
    }
    Ok(reply)
}

/// emnify's clock decides when a token ends.
fn expiry(ends: Ends, now: Timestamp) -> Option<Timestamp> {
    match ends {
        Ends::Unset => None,
        Ends::At(at) => Some(at),
        Ends::After(life, _) => now.checked_add(life).ok(),
    }
}

/// A refusal of the token says nothing of the workspace's own login.
fn refused_here(error: Error) -> Error {
    match error {
        Error::Unauthorized { status, .. } => Error::Rejected {
            status,
            code: None,
            message: "jwt: emnify refuses a login with this token from the operator's address; widen cidr to include it, \
                      or set jwt.enabled: false"
                .into(),
        },
        other => other,
    }
}

/// The row as a new description makes it look.
pub(super) fn described(description: &str, row: &Row) -> Row {
    let seen = wire::ApplicationToken {
        id: row.id,
        description: Some(description.to_owned()),
        created: row.created,
        status: Some(wire::status::ACTIVATED),
        expiry_date: row.expires,
        ip: row.cidr.clone(),
    };
    Row::live(seen).unwrap_or_else(|| row.clone())
}

pub(super) fn report(
    object: &ApplicationToken,
    have: &Have<ApplicationToken>,
    status: &mut ApplicationTokenStatus,
) {
    let row = &have.row;
    // Only keys and spans matter here; an invalid spec reports nothing new.
    let Ok(want) = object.wanted(&Inputs::default()) else { return };
    let output = have.output.as_deref();
    status.expires_at = row.expires.map(|at| at.to_string().into());
    status.secret_name = Some(object.secret_name());
    if diff::value(&want, row, output).is_some() {
        status.token_id = Some(row.id.to_string());
    }
    let jwt = want.jwt.as_ref().and_then(|(key, _)| diff::held_jwt(key, output));
    status.jwt_expires_at = jwt.map(|jwt| jwt.identity.expires_at.to_string().into());
    if let Some(siblings) = &have.parts.siblings {
        status.retiring.retain(|old| siblings.iter().any(|row| row.id.to_string() == old.id));
    }
    for old in &mut status.retiring {
        let end = old.since.get("status.retiring").ok().and_then(|since| since.checked_add(want.grace).ok());
        old.revoke_after = end.map(|at| at.to_string().into());
    }
}
