//! The calls of toys, and how they print.

use std::{collections::BTreeMap, fmt};

use emnify::{
    Api, Cursor, Error, Page,
    wire::{
        Listing, Nullable,
        endpoint::{EndpointCreate, EndpointOwn, EndpointPatch},
        endpoint_bulk::{EndpointBatch, EndpointBatchPatch},
    },
};
use emnify_engine::kind::{Id, Reply, managed::Answer};
use futures::FutureExt;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::{RECENT, Toy, ToyChange, ToyParts, ToyRow, ToyWant, may_panic};

pub(super) fn shown(serial: Option<&str>) -> &str {
    serial.unwrap_or("none")
}

impl fmt::Display for ToyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(_) => f.write_str("create"),
            Self::Serial(old, new) => {
                write!(f, "serial: {} -> {}", shown(old.as_deref()), shown(new.as_deref()))
            }
            Self::Rename(old, new) => write!(f, "name: {old} -> {new}"),
            Self::Follow(old, new) => write!(f, "follows: {old} -> {new}"),
            Self::State(state) => write!(f, "state: {state}"),
            Self::Tag(tag) => write!(f, "tag: {tag}"),
            Self::Code(_) => f.write_str("code: *** -> ***"),
            Self::Mark(mark) => write!(f, "mark: {mark}"),
            Self::Delete => f.write_str("delete"),
        }
    }
}

pub(super) fn own(want: &ToyWant) -> EndpointOwn {
    EndpointOwn {
        name: want.name.clone(),
        tags: want.mark.clone(),
        imei: want.serial.clone(),
        // no answer shows it: the row does not read it
        ip_address: want.code.as_ref().map(|code| code.value().expose_secret().to_owned()),
        ..EndpointOwn::default()
    }
}

pub(super) fn made_of(row: ToyRow) -> Reply<Toy> {
    let token = format!("token-of-{}", row.id);
    Reply {
        id: Some(Id::Int(row.id)),
        row: Some(row),
        secret: BTreeMap::from([("token".to_owned(), token.into())]),
        ..Reply::default()
    }
}

pub(super) async fn make_many(api: &Api, new: &[ToyChange]) -> Result<Vec<Reply<Toy>>, Error> {
    super::may_panic("send");
    let wants: Vec<&ToyWant> = new
        .iter()
        .filter_map(|change| if let ToyChange::Create(want) = change { Some(want) } else { None })
        .collect();
    let many = EndpointBatch {
        status: 0.into(),
        service_profile: wants.first().and_then(|w| w.follows).unwrap_or_default().into(),
        tariff_profile: 0.into(),
        ip_address_space: None,
        endpoints: wants.into_iter().map(own).collect(),
    };
    let made = api.create_endpoints(&many).await?;
    Ok(made.into_iter().map(|e| made_of(ToyRow::from(e))).collect())
}

pub(super) async fn mark_many(api: &Api, batch: &[(Id, ToyChange)]) -> Result<Vec<Reply<Toy>>, Error> {
    super::may_panic("send");
    let patches = batch.iter().filter_map(|(id, change)| {
        let ToyChange::Mark(mark) = change else { return None };
        let patch = EndpointPatch { tags: Some(mark.clone()), ..EndpointPatch::default() };
        Some(EndpointBatchPatch { id: id.int()?, patch })
    });
    api.patch_endpoints(&patches.collect::<Vec<_>>()).await?;
    Ok(batch.iter().map(|_| Reply::default()).collect())
}

pub(super) async fn send_one(api: &Api, id: i64, change: &ToyChange) -> Result<Reply<Toy>, Error> {
    let mut patch = EndpointPatch::default();
    match change {
        ToyChange::Create(want) => {
            let new = EndpointCreate {
                status: want.state.unwrap_or_default().into(),
                service_profile: want.follows.unwrap_or_default().into(),
                tariff_profile: 0.into(),
                ip_address_space: None,
                own: own(want),
            };
            let made = api.create_endpoint(&new).await?;
            let secret = BTreeMap::from([("token".to_owned(), format!("token-of-{}", made.id).into())]);
            return Ok(Reply { id: Some(Id::Int(made.id)), secret, ..Reply::default() });
        }
        ToyChange::Delete => return api.delete_endpoint(id).await.map(|()| Reply::default()),
        ToyChange::Code(code) => patch.ip_address = Some(code.value().expose_secret().to_owned()),
        ToyChange::Tag(tag) => return api.assign_tag(id, *tag).await.map(|()| Reply::default()),
        ToyChange::Serial(_, new) => patch.imei = Some(new.clone().map_or(Nullable::Null, Nullable::Set)),
        ToyChange::Rename(_, new) => patch.name = Some(new.clone()),
        ToyChange::Mark(mark) => patch.tags = Some(mark.clone()),
        ToyChange::Follow(_, new) => patch.service_profile = Some((*new).into()),
        ToyChange::State(state) => patch.status = Some((*state).into()),
    }
    api.patch_endpoint(id, &patch).await.map(|()| Reply::default())
}

/// Only of what is followed, or was: the others say nothing of it.
pub(super) fn with_users(row: &ToyRow, users: i64) -> Option<ToyRow> {
    let differs = row.users.unwrap_or_default() != users;
    differs.then(|| ToyRow { users: Some(users), ..row.clone() })
}

pub(super) fn census(
    row: &ToyRow,
    _: Option<&bool>,
    _: Option<&ToyParts>,
    put: &mut dyn FnMut(&'static str, &str),
) {
    may_panic("census");
    put("state", if row.status == 0 { "Enabled" } else { "Disabled" });
}

pub(super) fn page(api: &Api, at: Cursor) -> Answer<'_, Page<ToyRow>> {
    may_panic("recent");
    let newest_first = Listing::all().sort("-last_updated").per_page(RECENT);
    async move { Ok(api.list_endpoints(at, &newest_first).await?.map(ToyRow::from)) }.boxed()
}

pub(super) fn changed(row: &ToyRow) -> Option<Timestamp> {
    may_panic("changed");
    row.updated
}
