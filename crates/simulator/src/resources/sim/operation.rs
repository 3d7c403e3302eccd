//! What is done with SIMs and EIDs as a whole: linking profiles that were bought, resets. [S] Refusals carry status and message.

use serde_json::{Value, json};

use crate::http::body::id_of;
use crate::http::call::{Answer, Call, Reply};
use crate::http::list::{self as lists, Cell, Column, Filter};
use crate::http::refusal::Refusal;
use crate::reference_data::{self, Family, number, uuid};
use crate::resources::route::Route;
use crate::resources::scheduled::{PAGING, lookup, page, word};
use crate::rules::dates;
use crate::state::sim_operation::{action, status};
use crate::state::{Organisation, SimOperation, SimTarget};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("list-sim-operation", list),
        Route::express("trigger-sim-operation", trigger),
        Route::express("list-sim-operation-action", |_| lookup("sim_operation_action")),
        Route::express("list-sim-operation-status", |_| lookup("sim_operation_status")),
        Route::express("get-sim-operation", get),
        Route::express("get-unlinked-product-stats", products),
    ]
}

fn bad(message: &str) -> Refusal {
    Refusal::with_status(400, message)
}

fn list(call: &mut Call<'_>) -> Answer {
    page(lists::list(call, call.org().sim_operations.values(), &COLUMNS, PAGING, show))
}

fn get(call: &mut Call<'_>) -> Answer {
    let number = number(Family::SimOperation, call.param("operation_id"));
    let row = number.and_then(|number| call.org().sim_operations.get(&number));
    row.map(|row| Reply::json(show(row))).ok_or_else(|| Refusal::with_status(404, "Operation not found"))
}

/// Profiles that were bought and are on no eUICC yet.
#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn products(call: &mut Call<'_>) -> Answer {
    let rows = call.org().esim_products.values();
    let rows = rows.map(|row| json!({"product": {"id": row.id, "name": row.name}, "quantity": row.quantity}));
    Ok(Reply::json(rows.collect::<Vec<_>>()))
}

/// Schedules an operation. EIDs that it cannot be done for end among the errors of it.
fn trigger(call: &mut Call<'_>) -> Answer {
    let known = |id: &u64| reference_data::row("sim_operation_action", *id).is_some();
    let wanted = call.reference("action").filter(known).ok_or_else(|| bad("action.id is no action"))?;
    let product = call.reference("product");
    if product.is_some_and(|id| !call.org().esim_products.contains_key(&id)) {
        return Err(bad("product.id is no product"));
    }
    if product.is_none() && wanted == action::LINK {
        return Err(bad("product is required"));
    }
    let targets = call.field("target").as_array().filter(|all| !all.is_empty());
    let targets = targets.ok_or_else(|| bad("target is required"))?;
    let targets: Result<Vec<_>, _> = targets.iter().map(|target| read(target, call.org())).collect();
    let targets = targets?;
    // Of another organisation: its own are found when the operation is carried out.
    let elsewhere = |eid: &&String| {
        let mut others = call.state.organisations.values().filter(|org| org.id != call.caller.organisation);
        wanted == action::LINK && others.any(|org| org.is_linked(eid))
    };
    let taken = targets.iter().filter_map(|target| target.eid.as_ref()).filter(elsewhere);
    let errors = taken.map(|eid| (eid.clone(), "The EID is linked already".to_owned())).collect();
    let row = SimOperation {
        id: 0,
        action: wanted,
        status: status::SCHEDULED,
        product,
        targets,
        created: call.now,
        updated: call.now,
        finalized: None,
        errors,
    };
    let (org, next) = call.split();
    let id = org.sim_operations.add(next, row);
    Ok(Reply::json(show(&org.sim_operations[&id])))
}

fn read(target: &Value, org: &Organisation) -> Result<SimTarget, Refusal> {
    if let Some(eid) = target["eid"].as_str() {
        let right = eid.len() == 32 && eid.starts_with("89") && eid.bytes().all(|byte| byte.is_ascii_digit());
        let eid = right.then(|| eid.to_owned()).ok_or_else(|| bad("eid must be 32 digits"))?;
        return Ok(SimTarget { sim: None, eid: Some(eid) });
    }
    let id = id_of(&target["sim"]).ok_or_else(|| bad("A target is a SIM or an EID"))?;
    let sim = org.sims.get(&id).ok_or_else(|| Refusal::with_status(404, format!("SIM {id} not found")))?;
    Ok(SimTarget { sim: Some(id), eid: sim.eid.clone() })
}

fn show(row: &SimOperation) -> Value {
    let target = |target: &SimTarget| {
        let mut shown = json!({});
        if let Some(id) = target.sim {
            shown["sim"] = json!({"id": id});
        }
        if let Some(eid) = &target.eid {
            shown["eid"] = eid.as_str().into();
        }
        shown
    };
    let ended = row.finalized.is_some();
    let (total, failed) = (row.targets.len(), if ended { row.errors.len() } else { 0 });
    let errors = row.errors.iter().filter(|_| ended);
    let mut body = json!({
        "id": uuid(Family::SimOperation, row.id),
        "action": word("sim_operation_action", row.action),
        "status": word("sim_operation_status", row.status),
        "creation_date": dates::express(row.created),
        "last_updated_at": dates::express(row.updated),
        "finalization_date": row.finalized.map(dates::express),
        "target": row.targets.iter().map(target).collect::<Vec<_>>(),
        "total_count": total,
        "failed_count": failed,
        "success_count": if ended { total - failed } else { 0 },
        "error": errors.map(|(eid, message)| json!({"eid": eid, "message": message})).collect::<Vec<_>>(),
    });
    if let Some(product) = row.product {
        body["product"] = json!({"id": product});
    }
    body
}

const fn column(
    name: &'static str,
    filter: Filter,
    read: fn(&SimOperation, &Organisation) -> Cell,
) -> Column<SimOperation> {
    Column { name, filter, sort: true, read }
}

/// What `q` and `sort` know. [S]
static COLUMNS: [Column<SimOperation>; 5] = [
    column("id", Filter::Exact, |row, _| Cell::Text(uuid(Family::SimOperation, row.id))),
    column("action", Filter::Exact, |row, _| Cell::Int(row.action)),
    column("status", Filter::Exact, |row, _| Cell::Int(row.status)),
    column("creation_date", Filter::No, |row, _| Cell::Time(row.created)),
    column("finalization_date", Filter::No, |row, _| row.finalized.map_or(Cell::Empty, Cell::Time)),
];
