//! SIMs and their batches.

mod batch;
mod migration;
mod operation;
mod path;
mod render;
#[cfg(test)]
mod tests;
mod write;

use self::path::addressed;
use super::endpoint::usage_json;
use super::route::{Class, Needs, Route};
use crate::http::call::{Answer, Call, Reply};
use crate::http::list::{self as lists, Cell, Column, Filter, Headers, Paging};
use crate::reference_data;
use crate::state::{Organisation, Sim};

pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::java("sim-per-page-sort-by-q-and-page-get", list).class(Class::Ten),
        Route::java("sim-by-id-get", get).class(Class::Hundred),
        Route::java("sim-by-id-patch", write::patch),
        Route::java("sim-by-id-delete", write::delete),
        Route::java("bulk-sim-delete", write::delete_many),
        Route::java("sim-status-get", statuses),
        Route::php("sim-stats-by-id-get", stats).class(Class::Ten),
        Route::php("sim-statistics-daily-by-id-get", daily),
        Route::php("validate-sim-batch-by-bic", batch::validate),
        Route::php("register-sim-batch-by-bic", batch::register),
        Route::express("sim-migration-workspace", migration::migrate).needs(Needs::Person),
    ];
    routes.extend(operation::routes());
    routes
}

fn list(call: &mut Call<'_>) -> Answer {
    let paging = Paging { default: 2000, max: 2500, headers: Headers::Five, strict: false };
    let (org, all, options) = (call.org(), &*call.state, call.options);
    lists::list(call, org.sims.values(), &COLUMNS, paging, |sim| render::show(sim, org, all, options))
}

fn get(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let org = call.org();
    Ok(Reply::json(render::show(&org.sims[&id], org, call.state, call.options)))
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn statuses(_: &mut Call<'_>) -> Answer {
    Ok(Reply::json(reference_data::rows("sim_status").to_vec()))
}

/// Traffic is counted by device: that of the SIM's present one. An array of one. [S]
fn stats(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let org = call.org();
    let holder = org.endpoint_of_sim(id).and_then(|id| org.endpoints.get(&id));
    Ok(Reply::json(vec![usage_json(holder, call)]))
}

fn daily(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let org = call.org();
    let holder = org.endpoint_of_sim(id).and_then(|id| org.endpoints.get(&id));
    let days = holder.map(|endpoint| super::endpoint::daily_json(&endpoint.usage, call));
    Ok(Reply::json(days.unwrap_or_default()))
}

const fn column(
    name: &'static str,
    filter: Filter,
    sort: bool,
    read: fn(&Sim, &Organisation) -> Cell,
) -> Column<Sim> {
    Column { name, filter, sort, read }
}

/// What `q` and `sort` know. [D] ICCIDs match by prefix. [3P]
static COLUMNS: [Column<Sim>; 14] = [
    column("id", Filter::Exact, true, |sim, _| Cell::Int(sim.id)),
    column("iccid", Filter::Prefix, true, |sim, _| Cell::Text(sim.iccid.clone())),
    column("iccid_with_luhn", Filter::Prefix, false, |sim, _| Cell::Text(render::with_luhn(&sim.iccid))),
    column("status", Filter::Exact, true, |sim, _| Cell::Int(sim.status.id())),
    column("production_date", Filter::Exact, true, |sim, _| Cell::Time(sim.production_date)),
    column("imsi", Filter::Prefix, false, |sim, _| Cell::Text(sim.imsi.clone())),
    column("msisdn", Filter::Prefix, false, |sim, _| Cell::Text(sim.msisdn.clone())),
    column("eid", Filter::Prefix, true, |sim, _| Cell::text(sim.eid.as_deref())),
    // `endpoint:null` finds what is not assigned. [D]
    column("endpoint", Filter::Exact, true, |sim, org| Cell::int(org.endpoint_of_sim(sim.id))),
    column("model", Filter::Exact, true, |sim, _| Cell::Int(sim.profile_type)),
    column("issuer_org", Filter::Exact, true, |sim, org| Cell::Int(render::issuer(sim, org))),
    column("reseller_org", Filter::Exact, true, |sim, org| Cell::Int(render::reseller(sim, org))),
    column("customer_org", Filter::Exact, true, |_, org| Cell::Int(org.id)),
    column("satellite_capable", Filter::Exact, false, |sim, _| Cell::Text(sim.satellite_capable.to_string())),
];
