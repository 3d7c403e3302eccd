//! Listing devices and reading one.

use super::path::addressed;
use super::render::{self, luhn};
use crate::Dialect;
use crate::http::call::{Answer, Call, Reply};
use crate::http::list::{self as lists, Cell, Column, Filter, Headers, Paging};
use crate::reference_data;
use crate::state::{Endpoint, Organisation, Sim};

/// All devices, paged. Before 2024 only five headers told the page. [R]
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let headers = if call.options.dialect == Dialect::D2022 { Headers::Five } else { Headers::Nine };
    let paging = Paging { default: 1000, max: 1000, headers, strict: false };
    let org = call.org();
    let options = call.options;
    lists::list(call, org.endpoints.values(), &COLUMNS, paging, |row| render::item(row, org, options))
}

/// One device.
pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let org = call.org();
    Ok(Reply::json(render::detail(&org.endpoints[&id], org, call.options)))
}

/// The statuses a device can have.
#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
pub(super) fn statuses(_: &mut Call<'_>) -> Answer {
    Ok(Reply::json(reference_data::rows("endpoint_status").to_vec()))
}

fn sim<'o>(endpoint: &Endpoint, org: &'o Organisation) -> Option<&'o Sim> {
    org.sims.get(&endpoint.sim?)
}

const fn column(
    name: &'static str,
    filter: Filter,
    sort: bool,
    read: fn(&Endpoint, &Organisation) -> Cell,
) -> Column<Endpoint> {
    Column { name, filter, sort, read }
}

/// What `q` and `sort` know. [D] How texts match is not published: ICCIDs by prefix [3P], others so that both a whole and a partial value find them. [?]
static COLUMNS: [Column<Endpoint>; 14] = [
    column("id", Filter::Exact, true, |row, _| Cell::Int(row.id)),
    column("status", Filter::Exact, true, |row, _| Cell::Int(u64::from(!row.enabled))),
    column("service_profile", Filter::Exact, true, |row, _| Cell::Int(row.service_profile)),
    column("tariff_profile", Filter::Exact, true, |row, _| Cell::Int(row.tariff_profile)),
    column("name", Filter::Contains, true, |row, _| Cell::Text(row.name.clone())),
    column("created", Filter::Exact, true, |row, _| Cell::Time(row.created)),
    column("last_updated", Filter::Exact, true, |row, _| Cell::Time(row.last_updated)),
    column("tags", Filter::Contains, true, tag_names),
    column("ip_address", Filter::Prefix, true, |row, _| {
        row.ip_address.map_or(Cell::Empty, |address| Cell::Text(address.to_string()))
    }),
    column("imei", Filter::Prefix, true, |row, _| Cell::text(row.imei.as_deref())),
    column("iccid", Filter::Prefix, false, |row, org| {
        Cell::text(sim(row, org).map(|sim| sim.iccid.as_str()))
    }),
    column("iccid_with_luhn", Filter::Prefix, false, |row, org| {
        sim(row, org).map_or(Cell::Empty, |sim| Cell::Text(format!("{}{}", sim.iccid, luhn(&sim.iccid))))
    }),
    column("eid", Filter::Prefix, true, |row, org| {
        Cell::text(sim(row, org).and_then(|sim| sim.eid.as_deref()))
    }),
    column("sim_status", Filter::Exact, false, |row, org| {
        Cell::int(sim(row, org).map(|sim| sim.status.id()))
    }),
];

fn tag_names(row: &Endpoint, org: &Organisation) -> Cell {
    let assigned = row.tag_ids.iter().filter_map(|id| org.tags.get(id)).map(|tag| tag.name.clone());
    Cell::Many(row.tags.iter().cloned().chain(assigned).collect())
}
