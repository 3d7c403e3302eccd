//! The calls of toys.

use std::collections::BTreeMap;

use emnify::{
    Api, Error,
    wire::{
        Nullable,
        endpoint::{EndpointCreate, EndpointOwn, EndpointPatch},
        endpoint_bulk::EndpointBatchPatch,
    },
};
use emnify_engine::kind::{Id, Reply};

use super::{Toy, ToyChange, ToyRow, ToyWant};

pub(super) fn own(want: &ToyWant) -> EndpointOwn {
    EndpointOwn {
        name: want.name.clone(),
        tags: want.mark.clone(),
        imei: want.serial.clone(),
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

pub(super) async fn mark_many(
    api: &Api,
    batch: &[(Option<Id>, ToyChange)],
) -> Result<Vec<Reply<Toy>>, Error> {
    let patches = batch.iter().filter_map(|(id, change)| {
        let ToyChange::Mark(mark) = change else { return None };
        let patch = EndpointPatch { tags: Some(mark.clone()), ..EndpointPatch::default() };
        Some(EndpointBatchPatch { id: id.as_ref()?.int()?, patch })
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
        ToyChange::Tag(tag) => return api.assign_tag(id, *tag).await.map(|()| Reply::default()),
        ToyChange::Serial(_, new) => patch.imei = Some(new.clone().map_or(Nullable::Null, Nullable::Set)),
        ToyChange::Rename(_, new) => patch.name = Some(new.clone()),
        ToyChange::Mark(mark) => patch.tags = Some(mark.clone()),
        ToyChange::Follow(_, new) => patch.service_profile = Some((*new).into()),
        ToyChange::State(state) => patch.status = Some((*state).into()),
    }
    api.patch_endpoint(id, &patch).await.map(|()| Reply::default())
}
