//! Calls for SIMs: one each.

use emnify::{
    Api, Cursor, Error, Page,
    wire::{
        Listing,
        event::Event,
        sim::{LARGEST_PAGE, Sim as Wire},
    },
};
use emnify_engine::kind::{EventEffect, Id, Subject};

use super::{euicc::News, rows::Row};

/// Events that tell of a SIM: activation, suspension, deletion, factory test, release, assignment.
pub(super) const EVENTS: [i64; 6] = [8, 9, 10, 45, 50, 51];

/// One page of the listing.
pub async fn list(api: &Api, at: Cursor) -> Result<Page<Row>, Error> {
    let page = api.list_sims(at, &Listing::all().per_page(LARGEST_PAGE)).await?;
    Ok(page.try_map(|wire| wire.id, row))
}

/// One SIM; a deleted one is absent.
pub async fn read(api: &Api, id: &Id) -> Result<Option<Row>, Error> {
    let Some(id) = id.int() else { return Ok(None) };
    let row = api.sim(id).await?.map(row).transpose()?;
    Ok(row.filter(|row| !row.is_tombstone()))
}

fn row(wire: Wire) -> Result<Row, Error> {
    let status = wire
        .status
        .as_ref()
        .map(|status| status.id)
        .ok_or_else(|| Error::Unreadable { message: format!("SIM {} has no status", wire.id) })?;
    Ok(Row {
        id: wire.id,
        iccid: wire.number().map(Into::into),
        eid: wire.eid.map(Into::into),
        imsi: wire.imsi.map(Into::into),
        msisdn: wire.msisdn.map(Into::into),
        status,
        endpoint: wire.endpoint.map(|endpoint| endpoint.id),
        model: wire.model.map(|model| model.id),
        activated: wire.activation_date,
    })
}

/// Events only hint: the listing says what came of them.
pub fn on_event(event: &Event) -> Option<EventEffect<News>> {
    let id = event.sim.as_ref()?.id?;
    EVENTS.contains(&event.kind()?).then_some(EventEffect { of: Subject::Id(Id::Int(id)), news: None })
}
