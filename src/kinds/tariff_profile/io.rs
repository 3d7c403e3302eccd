//! Calls, one each.

use emnify::{
    Api, Cursor, Error, Page,
    wire::tariff_profile::{
        BlockedOperator, Covered, RateZone, TARIFF_PROFILES, TariffProfile as Wire, TariffProfileWrite,
    },
};
use emnify_engine::kind::{Applied, Id, Reply};

use super::{
    TariffProfile,
    change::{Change, FieldChange, Sub, To},
    rows::{Blocked, Part, Parts, Row, Zone, Zones},
};

pub(super) async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
    Ok(TARIFF_PROFILES.list(api, at).await?.map(row))
}

pub(super) async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
    Ok(TARIFF_PROFILES.get(api, id.number()?).await?.map(row))
}

pub(super) async fn read_part(api: &Api, id: &Id, part: Part, into: &mut Parts) -> Result<(), Error> {
    let id = id.number()?;
    match part {
        Part::Detail => {
            let zones = TARIFF_PROFILES.get(api, id).await?.and_then(|profile| profile.rate_zones);
            let zones = zones.map_or(Zones::Unread, read_zones);
            if into.zones != zones {
                into.countries = None;
            }
            into.zones = zones;
        }
        Part::Blocklist => {
            let blocklist = Some(api.operator_blocklist(id).await?.iter().filter_map(blocked).collect());
            if into.blocklist != blocklist {
                into.countries = None;
            }
            into.blocklist = blocklist;
        }
        Part::Coverage => {
            let covered = api.coverage(id).await?;
            let usable = |covered: &&Covered| covered.redundancy_count.is_none_or(|networks| networks > 0);
            let countries = covered.iter().filter(usable).count();
            into.countries = i64::try_from(countries).ok();
        }
    }
    Ok(())
}

pub(super) async fn make(api: &Api, new: &Change) -> Result<Reply<TariffProfile>, Error> {
    let created = TARIFF_PROFILES.create(api, &write(new.created()?)).await?;
    Ok(Reply { id: Some(created.id.into()), ..Reply::default() })
}

pub(super) async fn apply(api: &Api, id: &Id, change: &Change) -> Result<Reply<TariffProfile>, Error> {
    let id = id.number()?;
    match change.applied()? {
        Applied::Patch(sets) => TARIFF_PROFILES.patch(api, id, &write(sets)).await?,
        Applied::Sub(sub) => send(api, id, sub).await?,
        Applied::Delete => TARIFF_PROFILES.delete(api, id).await?,
    }
    Ok(Reply::default())
}

async fn send(api: &Api, id: i64, sub: &Sub) -> Result<(), Error> {
    match sub {
        Sub::SelectZone { zone, .. } => api.select_rate_zone(id, *zone).await,
        Sub::DeselectZone { zone, .. } => api.deselect_rate_zone(id, *zone).await,
        Sub::Block { operator, rats, .. } if rats.is_empty() => api.blocklist_operator(id, *operator).await,
        Sub::Block { operator, rats, .. } => api.blocklist_rat_types(id, *operator, rats).await,
        Sub::Unblock { operator } => api.unblocklist_operator(id, *operator).await,
        Sub::UnblockRat { operator, rat } => api.unblocklist_rat_type(id, *operator, *rat).await,
        Sub::AssignVolume { volume } => api.assign_inclusive_volume(id, *volume).await,
        Sub::RemoveVolume { volume, .. } => api.remove_inclusive_volume(id, *volume).await,
    }
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
