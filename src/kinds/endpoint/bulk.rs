//! Calls for many devices at once.

use emnify::{
    Api, Error,
    wire::{
        endpoint::{Endpoint as Wire, EndpointCreate, EndpointPatch, SimChange},
        endpoint_bulk::{EndpointBatch, EndpointBatchPatch},
        integration::ADDRESS_SPACES,
        tag::TagItem,
    },
};
use emnify_engine::kind::{Id, Reply, misuse};

use super::{
    Endpoint,
    change::{Change, Create},
    io::{created, created_tag, own, reply, tag_item, wire_create, wire_patch},
};

type Changes = [(Id, Change)];

/// What a bulk call makes of the new devices is told apart by what only one of them can have.
pub async fn make(api: &Api, batch: &[Change]) -> Result<Vec<Reply<Endpoint>>, Error> {
    let new: Vec<&Create> = batch.iter().map(created).collect::<Result<_, _>>()?;
    let first = new.first().ok_or_else(|| misuse("an empty batch"))?;
    let EndpointCreate { status, service_profile, tariff_profile, ip_address_space, .. } = wire_create(first);
    let endpoints = new.iter().map(|new| own(new)).collect();
    let body = EndpointBatch { status, service_profile, tariff_profile, ip_address_space, endpoints };
    let made = api.create_endpoints(&body).await?;
    Ok(new
        .iter()
        .map(|new| made.iter().find(|wire| is(wire, new)).map_or_else(Reply::default, |w| reply(new, w)))
        .collect())
}

fn is(made: &Wire, new: &Create) -> bool {
    match (new.sim, &made.sim) {
        (Some(wanted), Some(shown)) => shown.id == wanted,
        _ => new.address.is_some() && made.ip_address == new.address,
    }
}

/// Sends changes of one batch key.
pub async fn apply(api: &Api, batch: &Changes) -> Result<Vec<Reply<Endpoint>>, Error> {
    let mut named = None;
    match batch.first() {
        None => {}
        Some((_, Change::CreateTag(name))) => named = created_tag(api, name).await?,
        Some((_, Change::AddTags(_))) => api.add_tags(&tag_items(batch)?).await?,
        Some((_, Change::RemoveTags(_))) => api.remove_tags(&tag_items(batch)?).await?,
        Some((_, Change::Delete { .. })) => {
            let ids = batch.iter().map(|(id, _)| id.number()).collect::<Result<Vec<_>, _>>()?;
            api.delete_endpoints(&ids).await?;
        }
        Some((_, Change::Patch(_) | Change::SimState { .. })) => {
            let patches = batch.iter().map(patch).collect::<Result<Vec<_>, _>>()?;
            api.patch_endpoints(&patches).await?;
        }
        Some(_) => return Err(misuse("these changes cannot share a call")),
    }
    Ok(batch.iter().map(|_| Reply { named: named.clone(), ..Reply::default() }).collect())
}

fn patch((id, change): &(Id, Change)) -> Result<EndpointBatchPatch, Error> {
    let patch = match change {
        Change::Patch(patch) => wire_patch(patch),
        Change::SimState { sim, to, .. } => EndpointPatch {
            sim: Some(SimChange::Assign { id: *sim, status: Some(to.id()) }),
            ..EndpointPatch::default()
        },
        _ => return Err(misuse("patches share a call with patches only")),
    };
    Ok(EndpointBatchPatch { id: id.number()?, patch })
}

fn tag_items(batch: &Changes) -> Result<Vec<TagItem>, Error> {
    let items = batch.iter().map(|(id, change)| match change {
        Change::AddTags(tags) | Change::RemoveTags(tags) => Ok(tag_item(id.number()?, tags)),
        _ => Err(misuse("tag changes share a call with tag changes only")),
    });
    items.collect()
}

/// Free addresses for devices like this one: in its space, else in all, because the API chooses.
pub async fn room(api: &Api, create: &Change) -> Result<Option<usize>, Error> {
    let Change::Create(new) = create else { return Ok(None) };
    let spaces = ADDRESS_SPACES.lookup(api).await?;
    let meant = spaces.iter().filter(|space| new.space.is_none_or(|id| space.id == id));
    let free: Option<i64> = meant.map(|space| space.available_count).sum();
    Ok(free.map(|free| usize::try_from(free).unwrap_or(0)))
}
