//! eUICCs and the profiles on them. [S] Refusals of this family carry status and message.

mod operation;
mod path;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::path::addressed;
use super::endpoint::luhn;
use super::route::{Needs, Route};
use super::scheduled::{PAGING, lookup, page, word};
use crate::http::call::{Answer, Call, Reply};
use crate::http::list::{self as lists, Cell, Column, Filter};
use crate::http::refusal::Refusal;
use crate::rules::dates;
use crate::state::{Euicc, EuiccProfile, Organisation};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("list-euiccs", list),
        Route::express("list-euicc-profile-status", |_| lookup("euicc_profile_status")),
        Route::express("list-euicc-status", |_| lookup("euicc_status")),
        Route::express("post-euicc-unlinked-validation", linked).needs(Needs::Read),
        Route::express("get-euicc", get),
        Route::express("list-operation-action", |_| lookup("euicc_operation_action")),
        Route::express("list-operation-status", |_| lookup("euicc_operation_status")),
        Route::express("list-operation", operation::list),
        Route::express("schedule-operations", operation::schedule),
        Route::express("get-operation", operation::get),
        Route::express("cancel-operation", operation::cancel),
    ]
}

fn list(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    page(lists::list(call, org.euiccs.values(), &COLUMNS, PAGING, |euicc| show(euicc, org)))
}

fn get(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let org = call.org();
    Ok(Reply::json(show(&org.euiccs[&id], org)))
}

/// Those of the EIDs that have a profile already, whoever's they are. What the answer lists is not published. [?]
fn linked(call: &mut Call<'_>) -> Answer {
    let bad = || Refusal::with_status(400, "target must be a list of EIDs");
    let targets = call.field("target").as_array().ok_or_else(bad)?;
    let eids: Option<Vec<&str>> = targets.iter().map(|target| target["eid"].as_str()).collect();
    let taken = |eid: &&str| call.state.organisations.values().any(|org| org.is_linked(eid));
    let eids = eids.ok_or_else(bad)?.into_iter().filter(taken).map(|eid| json!({"eid": eid}));
    Ok(Reply::json(eids.collect::<Vec<_>>()))
}

fn show(euicc: &Euicc, org: &Organisation) -> Value {
    let party = json!({"id": org.id, "name": org.name});
    json!({
        "id": euicc.id,
        "eid": euicc.eid,
        "created": dates::express(euicc.created),
        "issuer_org": party,
        "customer_org": party,
        "supported_profile_type": word("sim_profile_type", euicc.supported_profile_type),
        "status": word("euicc_status", euicc.status),
        "last_audited": euicc.last_audited.map(dates::express),
        "last_polled": euicc.last_polled.map(dates::express),
        "last_synced": euicc.last_polled.or(euicc.last_audited).map(dates::express),
        "eim": word("eim", 1),
        "profile": euicc.profiles.iter().map(|row| show_profile(row, euicc, org)).collect::<Vec<_>>(),
    })
}

fn show_profile(row: &EuiccProfile, euicc: &Euicc, org: &Organisation) -> Value {
    let device = org.device_of_profile(&row.iccid).and_then(|id| org.endpoints.get(&id));
    json!({
        "iccid_with_luhn": format!("{}{}", row.iccid, luhn(&row.iccid)),
        "status": word("euicc_profile_status", row.status),
        "customer_org": {"id": org.id, "name": org.name},
        "name": row.name,
        "operator": {"id": 1, "name": "emnify"},
        "preloaded": row.preloaded,
        "fallback_allowed": row.fallback_allowed,
        "fallback_attribute": row.fallback,
        "profile_type": word("sim_profile_type", euicc.supported_profile_type),
        "endpoint": device.map(|device| json!({"id": device.id, "name": device.name})),
    })
}

const fn column(
    name: &'static str,
    filter: Filter,
    sort: bool,
    read: fn(&Euicc, &Organisation) -> Cell,
) -> Column<Euicc> {
    Column { name, filter, sort, read }
}

/// What `q` and `sort` know. [S]
static COLUMNS: [Column<Euicc>; 6] = [
    column("id", Filter::Exact, true, |euicc, _| Cell::Int(euicc.id)),
    column("eid", Filter::Prefix, true, |euicc, _| Cell::Text(euicc.eid.clone())),
    column("supported_profile_type", Filter::Exact, true, |euicc, _| Cell::Int(euicc.supported_profile_type)),
    column("status", Filter::Exact, true, |euicc, _| Cell::Int(euicc.status)),
    column("eim", Filter::Exact, true, |_, _| Cell::Int(1)),
    column("modified", Filter::No, true, |euicc, _| {
        euicc.last_polled.map_or(Cell::Time(euicc.created), Cell::Time)
    }),
];
