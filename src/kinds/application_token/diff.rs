//! What a token still needs: pure.

use emnify::Jwt;
use emnify_engine::{
    cluster::secrets::{NONCE, TOKEN_ID},
    kind::{Context, Diff, FieldDiff, Have, Output, spec::Provenance},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use secrecy::{ExposeSecret, SecretString};

use super::{
    change::Change,
    rows::{Cidr, Ends, Row, SHORTEST, Want, describe},
    spec::{ApplicationToken, ApplicationTokenStatus},
};

/// How the token differs from the spec, and when to look again.
pub fn diff(
    want: &Want,
    have: &Have<ApplicationToken>,
    context: &Context<'_, ApplicationToken>,
) -> Diff<Change> {
    let mut out = Diff::default();
    let (revoke, later) = superfluous(want, have, context);
    out.wake_at = later;
    if !revoke.is_empty() {
        out.changes = revoke;
        return out;
    }
    let adopted = context.status.is_some_and(|s| s.common.provenance == Some(Provenance::Adopted));
    if !adopted {
        let (due, reason) = renewal(want, have, context.now);
        match reason {
            Some(reason) => {
                let after = context.status.and_then(next_renewal);
                match after.filter(|after| *after > context.now) {
                    None => {
                        out.renew = Some(reason);
                        return out;
                    }
                    Some(after) => {
                        out.waiting = Some(format!("{reason}; at most one new token is made an hour"));
                        out.wake_at = earliest(out.wake_at, Some(after));
                    }
                }
            }
            None => out.wake_at = earliest(out.wake_at, due),
        }
    }
    out.changes.extend(description(want, &have.row, adopted));
    let (mint, due) = jwt(want, have, context.now);
    out.changes.extend(mint);
    out.wake_at = earliest(out.wake_at, due);
    out
}

/// The token itself and every other live one that the object made: those it replaced, and those that a crash between the
/// create and its note left behind.
pub fn retire(have: &Have<ApplicationToken>, context: &Context<'_, ApplicationToken>) -> Vec<Change> {
    let siblings = have
        .parts
        .siblings
        .iter()
        .flatten()
        .filter(|row| goes_along(row, context.status, context.object_created));
    let siblings = siblings.map(|row| row.id).filter(|id| *id != have.row.id);
    let others = |id: &i64| !context.own_tokens.contains(id);
    let siblings = siblings.filter(others).map(|id| Change::RevokeOld { id });
    siblings.chain(Some(have.row.id).filter(others).map(|id| Change::Revoke { id })).collect()
}

/// A token that is revoked with the object: one that it replaced, or made.
pub fn goes_along(
    row: &Row,
    status: Option<&ApplicationTokenStatus>,
    object_created: Option<Timestamp>,
) -> bool {
    let retiring = status.map(|status| status.retiring.as_slice()).unwrap_or_default();
    retiring.iter().any(|old| old.id == row.id.to_string()) || made_by_object(row, object_created)
}

/// Tokens of ours that nobody needs: replaced ones after their grace, and at once those that nobody was given, which a
/// crash between the create and its note left behind.
fn superfluous(
    want: &Want,
    have: &Have<ApplicationToken>,
    context: &Context<'_, ApplicationToken>,
) -> (Vec<Change>, Option<Timestamp>) {
    let retiring = context.status.map(|status| status.retiring.as_slice()).unwrap_or_default();
    let (mut revoke, mut later) = (Vec::new(), None);
    let siblings = have.parts.siblings.iter().flatten();
    for row in siblings.filter(|row| row.id != have.row.id && !context.own_tokens.contains(&row.id)) {
        let due = match retiring.iter().find(|old| old.id == row.id.to_string()) {
            Some(old) if old.undelivered => Some(context.now),
            Some(old) => {
                old.since.get("status.retiring").ok().and_then(|since| since.checked_add(want.grace).ok())
            }
            None if !made_by_object(row, context.object_created) => continue,
            None => Some(context.now),
        };
        match due {
            Some(due) if due > context.now => later = earliest(later, Some(due)),
            _ => revoke.push(Change::RevokeOld { id: row.id }),
        }
    }
    (revoke, later)
}

/// A token with our mark from before this object was left behind on purpose, by an earlier one of the same name.
fn made_by_object(row: &Row, object_created: Option<Timestamp>) -> bool {
    row.nonce.is_some()
        && object_created.is_some_and(|object_created| row.created.is_some_and(|made| made >= object_created))
}

/// When the token is due for replacement, and why if that is now.
fn renewal(
    want: &Want,
    have: &Have<ApplicationToken>,
    now: Timestamp,
) -> (Option<Timestamp>, Option<String>) {
    let row = &have.row;
    if value(want, row, have.output.as_deref()).is_none() {
        return (None, Some("the Secret does not hold this token's value".into()));
    }
    if let Some(cidr) = want.cidr
        && row.cidr.as_deref().and_then(Cidr::parse) != Some(cidr)
    {
        return (None, Some(FieldDiff::new("cidr", row.cidr.as_deref().unwrap_or("any"), cidr).to_string()));
    }
    if let Some(reason) = other_end(want, row) {
        return (None, Some(reason));
    }
    let before_end = match want.ends {
        Ends::After(_, Some(before)) => row.expires.and_then(|ends| ends.checked_sub(before).ok()),
        _ => None,
    };
    let old_age = want.rotate_every.and_then(|every| row.created?.checked_add(every).ok());
    let due = earliest(before_end, old_age);
    let reason = match due {
        Some(due) if due <= now && due == before_end.unwrap_or(Timestamp::MAX) => {
            Some("the token ends soon".to_owned())
        }
        Some(due) if due <= now => Some("the token is older than rotateEvery".to_owned()),
        _ => None,
    };
    (due, reason)
}

/// Whether the token ends at another time than the spec says; emnify cannot change it.
fn other_end(want: &Want, row: &Row) -> Option<String> {
    let shown = || row.expires.map_or_else(|| "never".to_owned(), |at| at.to_string());
    match want.ends {
        Ends::Unset => None,
        Ends::At(at) => (!row.expires.is_some_and(|ends| same_end(ends, at)))
            .then(|| FieldDiff::new("expiry", shown(), at).to_string()),
        Ends::After(life, _) => {
            // A day more: the clocks differ, and emnify may keep days only.
            let latest = row.created.and_then(|made| made.checked_add(life + SHORTEST * 24).ok());
            let outlives = row.expires.is_none_or(|ends| latest.is_some_and(|latest| ends > latest));
            outlives.then(|| format!("expiresIn: the token ends {}, later than wanted", shown()))
        }
    }
}

/// To the second, or the midnight of the same day in case emnify keeps days only: otherwise every token would look wrong.
fn same_end(have: Timestamp, want: Timestamp) -> bool {
    let day = want.to_zoned(TimeZone::UTC).date();
    have.as_second() == want.as_second()
        || day.to_zoned(TimeZone::UTC).is_ok_and(|start| start.timestamp() == have)
}

/// The token's value, if the Secret holds the one of this token.
pub fn value<'a>(want: &Want, row: &Row, output: Option<&'a Output>) -> Option<&'a SecretString> {
    let output = output?;
    let token = output.data.get(&want.token_key).filter(|token| !token.expose_secret().is_empty())?;
    let belongs = match output.annotations.get(TOKEN_ID) {
        Some(id) => *id == row.id.to_string(),
        // Stored, but the crash came before the id was noted.
        None => row.nonce.is_some() && output.annotations.get(NONCE) == row.nonce.as_ref(),
    };
    belongs.then_some(token)
}

/// The JWT that the Secret holds.
pub fn held_jwt(key: &str, output: Option<&Output>) -> Option<Jwt> {
    Jwt::parse(output?.data.get(key)?.clone()).ok()
}

fn next_renewal(status: &ApplicationTokenStatus) -> Option<Timestamp> {
    let last = status.renewed_at.as_ref()?.get("status.renewedAt").ok()?;
    last.checked_add(SHORTEST).ok()
}

/// A description that differs. What was adopted stays unmarked: the mark says that we made it.
fn description(want: &Want, row: &Row, adopted: bool) -> Option<Change> {
    let text = want.text.as_deref().unwrap_or(&row.text);
    let nonce = row.nonce.as_deref().or(want.nonce.as_deref()).unwrap_or_default();
    let description = if adopted && row.owner.is_none() {
        text.to_owned()
    } else {
        describe(Some(text), &want.owner, nonce)
    };
    let now = row.description();
    if description == now {
        return None;
    }
    let field = if text == row.text {
        FieldDiff::new("description", now, &description)
    } else {
        FieldDiff::new("description", &row.text, text)
    };
    Some(Change::Describe { field, description })
}

/// A JWT to be made now, else the time when one will be.
fn jwt(want: &Want, have: &Have<ApplicationToken>, now: Timestamp) -> (Option<Change>, Option<Timestamp>) {
    let output = have.output.as_deref();
    let Some(((key, before), token)) = want.jwt.as_ref().zip(value(want, &have.row, output)) else {
        return (None, None);
    };
    let held = held_jwt(key, output).filter(|jwt| jwt.identity.application_token_id == Some(have.row.id));
    let due = held.as_ref().map(|jwt| {
        let identity = &jwt.identity;
        let life = identity.expires_at.duration_since(identity.issued_at);
        // At most half of the lifetime, or a long refreshBefore would log in all the time.
        let before = before
            .and_then(|before| SignedDuration::try_from(before).ok())
            .map(|before| before.min(life / 2));
        before.map_or_else(
            || identity.refresh_at(),
            |before| identity.expires_at.checked_sub(before).unwrap_or(now),
        )
    });
    if let Some(due) = due.filter(|due| *due > now) {
        return (None, Some(due));
    }
    let ends = held.map(|jwt| jwt.identity.expires_at);
    (Some(Change::MintJwt { id: have.row.id, token: token.clone(), key: key.clone(), ends }), None)
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}
