//! What eUICCs are told to do. Carried out at the device's next poll; see `state::euicc`. [S][D]

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::path::addressed;
use crate::http::body::{flag, id_of, unsigned};
use crate::http::call::{Answer, Call, Reply};
use crate::http::list::{self as lists, Cell, Column, Filter};
use crate::http::refusal::Refusal;
use crate::reference_data::{self, Family, number, uuid};
use crate::resources::endpoint::luhn;
use crate::resources::scheduled::{PAGING, page, word};
use crate::rules::dates;
use crate::state::euicc::{IOT, action, status};
use crate::state::{EuiccOperation, Organisation, State};

/// Seconds an operation is valid unless asked otherwise, and at the most. [S]
const DAY: u64 = 86_400;

/// The operations of an eUICC, by default the oldest first.
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let (all, rows) = (&*call.state, call.org().euiccs[&id].operations.values());
    page(lists::list(call, rows, &COLUMNS, PAGING, |row| show(row, all)))
}

/// One operation.
pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let row = find(call)?;
    Ok(Reply::json(show(row, call.state)))
}

/// Reserved for later. [D]
pub(super) fn cancel(call: &mut Call<'_>) -> Answer {
    find(call)?;
    Err(Refusal::with_status(403, "Operations cannot be cancelled yet"))
}

fn find<'a>(call: &'a Call<'_>) -> Result<&'a EuiccOperation, Refusal> {
    let euicc = &call.org().euiccs[&addressed(call)?];
    let number = number(Family::EuiccOperation, call.param("operation_id"));
    let row = number.and_then(|number| euicc.operations.get(&number));
    row.ok_or_else(|| Refusal::with_status(404, "Operation not found"))
}

/// Schedules operations, all or none. Only IoT eUICCs take any. [D]
pub(super) fn schedule(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    if call.org().euiccs[&id].supported_profile_type != IOT {
        return Err(Refusal::with_status(404, "The eUICC is no IoT eUICC"));
    }
    let items = call.body.as_array().filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| Refusal::with_status(400, "A list of operations is required"))?;
    let rows: Result<Vec<_>, _> = items.iter().map(|item| read(item, call)).collect();
    let rows = rows.map_err(|why| Refusal::with_status(400, why))?;
    let (org, next) = call.split();
    let operations = &mut org.euiccs.get_mut(&id).expect("addressed").operations;
    let made: Vec<u64> = rows.into_iter().map(|row| operations.add(next, row)).collect();
    let link = |operation: &u64| {
        let name = uuid(Family::EuiccOperation, *operation);
        format!("</api/v1/euicc/{id}/operation/{name}>; rel=\"item\"")
    };
    let links = made.iter().map(link).collect::<Vec<_>>().join(", ");
    let operations = &call.org().euiccs[&id].operations;
    let body: Vec<Value> = made.iter().map(|id| show(&operations[id], call.state)).collect();
    Ok(Reply::json(body).header("link", links))
}

fn read(item: &Value, call: &Call<'_>) -> Result<EuiccOperation, &'static str> {
    let action =
        id_of(&item["action"]).filter(|id| reference_data::row("euicc_operation_action", *id).is_some());
    let action = action.ok_or("action.id is no action")?;
    let validity = match &item["validity_period"] {
        Value::Null => Some(DAY),
        period => unsigned(period).filter(|seconds| (1..=DAY).contains(seconds)),
    };
    let validity = validity.ok_or("validity_period must be 1 to 86400 seconds")?;
    let iccid = match &item["iccid_with_luhn"] {
        Value::Null => None,
        text => Some(without_luhn(text).ok_or("iccid_with_luhn must be an ICCID of 20 digits")?),
    };
    let code = item["activation_code"].as_str().is_some_and(|code| !code.is_empty());
    if iccid.is_none() && action != action::AUDIT && !(code && action == action::DOWNLOAD) {
        return Err("iccid_with_luhn is required");
    }
    let flag = |name: &str| match &item[name] {
        Value::Null => Ok(false),
        value => flag(value).ok_or("enable and rollback must be true or false"),
    };
    let seconds = SignedDuration::from_secs(validity.cast_signed());
    Ok(EuiccOperation {
        id: 0,
        action,
        status: status::SCHEDULED,
        iccid,
        enable: flag("enable")?,
        rollback: flag("rollback")?,
        created: call.now,
        expires: call.now + seconds,
        updated: call.now,
        finalized: None,
        error: None,
        user: call.caller.user,
        before: None,
    })
}

/// The 19 digits of an ICCID that is written with its check digit. [D]
fn without_luhn(text: &Value) -> Option<String> {
    let text = text.as_str().filter(|text| text.len() == 20 && text.starts_with("89"))?;
    let (iccid, digit) = text.split_at(19);
    let right = text.bytes().all(|byte| byte.is_ascii_digit()) && luhn(iccid).to_string() == digit;
    right.then(|| iccid.to_owned())
}

fn show(row: &EuiccOperation, all: &State) -> Value {
    let user = row.user.and_then(|id| all.users.get(&id));
    let user = user.map_or_else(
        || json!({"id": 0, "name": "Application token"}),
        |user| json!({"id": user.id, "name": user.name}),
    );
    let mut body = json!({
        "id": uuid(Family::EuiccOperation, row.id),
        "action": word("euicc_operation_action", row.action),
        "status": word("euicc_operation_status", row.status),
        "creation_date": dates::express(row.created),
        "expiry_date": dates::express(row.expires),
        "last_updated_at": dates::express(row.updated),
        "user": user,
    });
    if let Some(at) = row.finalized {
        body["finalization_date"] = dates::express(at).into();
    }
    if let Some(error) = &row.error {
        body["error"] = json!({"reason": error.reason, "message": error.message});
    }
    if let Some(iccid) = &row.iccid {
        body["iccid_with_luhn"] = format!("{iccid}{}", luhn(iccid)).into();
    }
    body
}

const fn column(
    name: &'static str,
    filter: Filter,
    read: fn(&EuiccOperation, &Organisation) -> Cell,
) -> Column<EuiccOperation> {
    Column { name, filter, sort: true, read }
}

/// What `q` and `sort` know. [S]
static COLUMNS: [Column<EuiccOperation>; 7] = [
    column("id", Filter::Exact, |row, _| Cell::Text(uuid(Family::EuiccOperation, row.id))),
    column("action", Filter::Exact, |row, _| Cell::Int(row.action)),
    column("status", Filter::Exact, |row, _| Cell::Int(row.status)),
    column("iccid_with_luhn", Filter::Exact, |row, _| {
        row.iccid.as_ref().map_or(Cell::Empty, |iccid| Cell::Text(format!("{iccid}{}", luhn(iccid))))
    }),
    column("creation_date", Filter::No, |row, _| Cell::Time(row.created)),
    column("expiry_date", Filter::No, |row, _| Cell::Time(row.expires)),
    column("finalization_date", Filter::No, |row, _| row.finalized.map_or(Cell::Empty, Cell::Time)),
];
