//! `ApplicationToken`: a token of the workspace in a Secret.
//!
//! emnify shows a token once, when it is made, and never its id: the nonce of the attempt, at the end of the description,
//! finds it in the listing. Expiry and network cannot be changed, so a change makes a new token; the old one is revoked
//! after a grace time. "Delete" is revoke, for good.

pub mod change;
mod diff;
mod export;
mod io;
pub mod rows;
mod spec;
#[cfg(test)]
mod tests;

use std::time::Duration;

use emnify::{Api, Cursor, Error, Page};
use emnify_engine::kind::{
    Context, Diff, Facts, Find, Have, Id, Inputs, Invalid, Key, Managed, OutputRef, Reply,
    managed::Renewal,
    spec::{AdoptionPolicy, DeletionPolicy, Intent},
};
use jiff::Timestamp;

pub use self::spec::{
    ApplicationToken, ApplicationTokenSpec, ApplicationTokenStatus, JwtSpec, OutputSecret, Retiring,
};
use self::{
    change::Change,
    rows::{NONCE, Part, Parts, Row, Want, describe},
};

impl Managed for ApplicationToken {
    type Row = Row;
    type Part = Part;
    type Parts = Parts;
    type Want = Want;
    type Change = Change;
    type News = ();

    const SENSITIVE: bool = true;
    const RENEWAL: Option<Renewal<Self>> =
        Some(Renewal { renewed, expires, remains: diff::goes_along, ends: Change::ends_other });

    const FACTS: Facts = Facts {
        has_read: false,
        serial: None,
        sweep_every: Duration::from_secs(5 * 60),
        scrub_every: Duration::from_secs(60 * 60),
        adoption: AdoptionPolicy::Never,
        needs_intent: true,
    };

    fn id(row: &Row) -> Id {
        Id::Int(row.id)
    }

    fn keys(row: &Row, put: &mut dyn FnMut(Key)) {
        if let Some(nonce) = &row.nonce {
            put(Key::new(NONCE, nonce));
        }
    }

    fn mark(row: &Row) -> Option<String> {
        row.owner.clone()
    }

    fn created(row: &Row) -> Option<Timestamp> {
        row.created
    }

    fn output(&self) -> Option<OutputRef> {
        let keep = self.spec.common.deletion_policy == Some(DeletionPolicy::Orphan);
        Some(OutputRef { name: self.secret_name(), keep })
    }

    fn want(&self, from: &Inputs) -> Result<Want, Invalid> {
        self.wanted(from)
    }

    /// Only the attempt at hand: an earlier object of this name may have left its token behind on purpose.
    fn find(_: &Want, intent: Option<&Intent>) -> Vec<Find> {
        intent.map(|intent| Find::Trace(Key::new(NONCE, &intent.nonce))).into_iter().collect()
    }

    fn parts(_: &Want) -> Vec<Part> {
        vec![Part::Kin]
    }

    fn parts_to_retire(_: Option<&ApplicationTokenStatus>) -> Vec<Part> {
        vec![Part::Kin]
    }

    fn create(want: &Want, intent: Option<&Intent>) -> Option<Change> {
        let nonce = intent.map(|intent| intent.nonce.as_str()).or(want.nonce.as_deref()).unwrap_or_default();
        Some(Change::Create {
            description: describe(want.text.as_deref(), &want.owner, nonce),
            ends: want.ends,
            cidr: want.cidr.map(|cidr| cidr.to_string()),
            key: want.token_key.clone(),
        })
    }

    fn diff(want: &Want, have: &Have<Self>, context: &Context<'_, Self>) -> Diff<Change> {
        diff::diff(want, have, context)
    }

    fn retire(have: &Have<Self>, context: &Context<'_, Self>) -> Vec<Change> {
        diff::retire(have, context)
    }

    fn assume(change: &Change, row: &mut Row, parts: &mut Parts) {
        match change {
            Change::Describe { description, .. } => {
                let seen = io::described(description, row);
                *row = seen;
            }
            Change::RevokeOld { id } => {
                if let Some(siblings) = &mut parts.siblings {
                    siblings.retain(|row| row.id != *id);
                }
            }
            Change::Create { .. } | Change::MintJwt { .. } | Change::Revoke { .. } => {}
        }
    }

    fn report(&self, have: &Have<Self>, _: Option<&()>, status: &mut ApplicationTokenStatus) {
        io::report(self, have, status);
    }

    async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
        io::list(api, at).await
    }

    async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
        io::read(api, id).await
    }

    async fn read_part(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
        match part {
            Part::Kin => io::read_kin(api, id, into).await,
        }
    }

    async fn make(api: &Api, new: &Change) -> Result<Reply<Self>, Error> {
        io::make(api, new).await
    }

    async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<Self>, Error> {
        io::apply(api, id, change).await
    }
}

fn renewed(status: &mut ApplicationTokenStatus, old: &Id, now: Timestamp) {
    let id = old.to_string();
    let since = now.to_string();
    status.renewed_at = Some(since.clone().into());
    if status.retiring.iter().all(|retiring| retiring.id != id) {
        let undelivered = status.token_id.as_ref() != Some(&id);
        status.retiring.push(Retiring { id, since: since.into(), revoke_after: None, undelivered });
    }
}

/// A token that rotates is replaced before it ends.
fn expires(token: &ApplicationToken) -> Option<Timestamp> {
    let rotates = token.spec.rotate_before.is_some() || token.spec.rotate_every.is_some();
    let status = token.status.as_ref().filter(|_| !rotates)?;
    status.expires_at.as_ref()?.as_str().parse().ok()
}
