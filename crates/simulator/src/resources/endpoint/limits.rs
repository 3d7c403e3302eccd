//! Operators a device may not use, and extensions of its traffic limits.

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::path::addressed;
use crate::http::body::{decimal, unsigned};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::reference_data::Operator;
use crate::rules::dates;
use crate::state::{Draft, LimitExtension};

/// Blocked operators, unpaged, by id. [R]
pub(super) fn blacklist(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let mut blocked = call.org().endpoints[&id].operator_blacklist.clone();
    blocked.sort_unstable();
    let operators = blocked.iter().filter_map(|id| Operator::get(*id)).map(Operator::json);
    Ok(Reply::json(operators.collect::<Vec<_>>()))
}

/// Blocks an operator; a second time is a conflict. [R]
pub(super) fn block(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let operator = call.id("operator_id")?;
    if Operator::get(operator).is_none() {
        return Err(Refusal::not_found("operator"));
    }
    let (org, _) = call.split();
    let blocked = &mut org.endpoints.get_mut(&id).expect("addressed").operator_blacklist;
    if blocked.contains(&operator) {
        return Err(Refusal::duplicated(format!(
            "Operator with Id '{operator}' is already blacklisted on Endpoint with Id '{id}'."
        )));
    }
    blocked.push(operator);
    Ok(Reply::done())
}

/// Allows an operator again.
pub(super) fn unblock(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let operator = call.id("operator_id")?;
    let (org, _) = call.split();
    let blocked = &mut org.endpoints.get_mut(&id).expect("addressed").operator_blacklist;
    let place = blocked.iter().position(|one| *one == operator);
    blocked.remove(place.ok_or_else(|| Refusal::not_found("operator"))?);
    Ok(Reply::done())
}

/// Extensions that still hold.
pub(super) fn extensions(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let rows = call.org().endpoints[&id].limit_extensions.values().map(|row| show(id, row));
    Ok(Reply::json(rows.collect::<Vec<_>>()))
}

/// Allows more traffic until the end of the month [?] and unblocks the device. [P]
pub(super) fn extend(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let volume = decimal(call.field("volume"))
        .filter(|volume| *volume > 0.0)
        .ok_or_else(|| Refusal::bad_request("volume must be a positive number"))?;
    let endpoint = &call.org().endpoints[&id];
    let limits = &call.org().service_profiles[&endpoint.service_profile].data_limits;
    let limit = match unsigned(call.field("traffic_limit_id")) {
        Some(limit) => limits.contains_key(&limit).then_some(limit),
        None => limits.keys().next().copied(),
    };
    let limit = limit.ok_or_else(|| Refusal::not_found("traffic limit"))?;
    let month = call.now.to_zoned(TimeZone::UTC).date().first_of_month().saturating_add(1.month());
    let row = LimitExtension {
        id: 0,
        traffic_limit_id: limit,
        volume,
        expiration_date: dates::midnight(month),
        created_at: call.now,
    };
    let (org, next) = call.split();
    let endpoint = org.endpoints.get_mut(&id).expect("addressed");
    let new = endpoint.limit_extensions.add(next, row);
    endpoint.connectivity.blocked = false;
    let body = show(id, &endpoint.limit_extensions[&new]);
    org.indexes.settled = None;
    call.emit(Draft::new(9003).endpoint(id));
    Ok(Reply::json(body))
}

/// Ends all extensions.
pub(super) fn end_extensions(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let (org, _) = call.split();
    org.endpoints.get_mut(&id).expect("addressed").limit_extensions.clear();
    Ok(Reply::done())
}

fn show(endpoint: u64, row: &LimitExtension) -> Value {
    json!({
        "id": row.id,
        "endpoint_id": endpoint,
        "traffic_limit_id": row.traffic_limit_id,
        "volume": row.volume,
        "expiration_date": dates::express(row.expiration_date),
        "created_at": dates::express(row.created_at),
    })
}
