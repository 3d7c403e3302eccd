//! Calls, one each.

use emnify::{
    Api, Cursor, Error, Page,
    wire::tariff_profile::{BlockedOperator, RateZone, TariffProfile as Wire, TariffProfileWrite},
};
use emnify_engine::kind::{Id, Reply};

use super::{TariffProfile, change::{Change, FieldChange, To}, rows::{Blocked, Part, Parts, Row, Zone, Zones}};
use crate::kinds::common::number;

pub(super) async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
    Ok(api.list_tariff_profiles(at).await?.map(row))
}

pub(super) async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
    Ok(api.tariff_profile(number(id)?).await?.map(row))
}

pub(super) async fn read_part(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
    let id = number(id)?;
    match part {
        Part::Detail => {
            let zones = api.tariff_profile(id).await?.and_then(|profile| profile.rate_zones);
            into.zones = zones.map_or(Zones::Unread, read_zones);
        }
        Part::Blocklist => {
            into.blocklist = Some(api.operator_blocklist(id).await?.iter().filter_map(blocked).collect());
        }
    }
    Ok(())
}

pub(super) async fn send(
    api: &Api,
    batch: &[(Option<Id>, Change)],
) -> Result<Vec<Reply<TariffProfile>>, Error> {
    let mut replies = Vec::new();
    for (id, change) in batch {
        replies.push(send_one(api, id.as_ref(), change).await?);
    }
    Ok(replies)
}

async fn send_one(api: &Api, id: Option<&Id>, change: &Change) -> Result<Reply<TariffProfile>, Error> {
    if let Change::Create(sets) = change {
        let created = api.create_tariff_profile(&write(sets)).await?;
        return Ok(Reply { id: Some(created.id.into()), ..Reply::default() });
    }
    let id = number(id.expect("every change but a create is of a bound object"))?;
    match change {
        Change::Create(_) => {}
        Change::Patch { sets, .. } => api.patch_tariff_profile(id, &write(sets)).await?,
        Change::SelectZone { zone, .. } => api.select_rate_zone(id, *zone).await?,
        Change::DeselectZone { zone, .. } => api.deselect_rate_zone(id, *zone).await?,
        Change::Block { operator, rats, .. } if rats.is_empty() => {
            api.blocklist_operator(id, *operator).await?;
        }
        Change::Block { operator, rats, .. } => api.blocklist_rat_types(id, *operator, rats).await?,
        Change::Unblock { operator } => api.unblocklist_operator(id, *operator).await?,
        Change::UnblockRat { operator, rat } => api.unblocklist_rat_type(id, *operator, *rat).await?,
        Change::AssignVolume { volume } => api.assign_inclusive_volume(id, *volume).await?,
        Change::RemoveVolume { volume, .. } => api.remove_inclusive_volume(id, *volume).await?,
        Change::Delete => api.delete_tariff_profile(id).await?,
    }
    Ok(Reply::default())
}

fn write(sets: &[FieldChange]) -> TariffProfileWrite {
    let mut body = TariffProfileWrite::default();
    for set in sets {
        match &set.to {
            To::Name(name) => body.name = Some(name.clone()),
            To::Description(text) => body.description = Some(text.clone()),
            To::Tariff(tariff) => body.tariff = Some((*tariff).into()),
        }
    }
    body
}

fn row(profile: Wire) -> Row {
    Row {
        id: profile.id,
        name: profile.name,
        description: profile.description.unwrap_or_default(),
        used_count: profile.used_count.unwrap_or(0),
        tariff: profile.tariff.map(|tariff| (tariff.id, tariff.name)),
        inclusive_volume: profile.inclusive_volume.map(|volume| volume.id),
    }
}

/// Zones that are gone cannot be selected; they only confuse names.
fn read_zones(zones: Vec<RateZone>) -> Zones {
    let zones = zones.into_iter().filter(|zone| !zone.deleted);
    Zones::Read(zones.map(|zone| Zone { id: zone.id, name: zone.name, selected: zone.selected }).collect())
}

/// `None` for an operator of which nothing is blocked.
fn blocked(entry: &BlockedOperator) -> Option<(i64, Blocked)> {
    let rats = entry.blocklist.rat_types.iter().map(|rat| rat.id).collect();
    let blocked = Blocked { whole: entry.blocklist.operator, rats };
    (blocked != Blocked::default()).then_some((entry.operator.id, blocked))
}
