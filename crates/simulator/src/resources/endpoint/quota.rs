//! Data and SMS quotas: an allowance that is used up, expires and may refill daily.

use serde_json::{Value, json};

use super::path::addressed;
use crate::Sources;
use crate::http::body::{decimal, flag, id_of};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::rules::dates;
use crate::state::traffic::{ACTIVE, EXHAUSTED, EXPIRED, Measure};
use crate::state::{Actor, Draft, Quota};

pub(super) fn get_data(call: &mut Call<'_>) -> Answer {
    get(call, Measure::Data)
}

pub(super) fn get_sms(call: &mut Call<'_>) -> Answer {
    get(call, Measure::Sms)
}

pub(super) fn set_data(call: &mut Call<'_>) -> Answer {
    set(call, Measure::Data)
}

pub(super) fn set_sms(call: &mut Call<'_>) -> Answer {
    set(call, Measure::Sms)
}

pub(super) fn delete_data(call: &mut Call<'_>) -> Answer {
    delete(call, Measure::Data)
}

pub(super) fn delete_sms(call: &mut Call<'_>) -> Answer {
    delete(call, Measure::Sms)
}

/// 404 where there is none. [?]
fn get(call: &mut Call<'_>, measure: Measure) -> Answer {
    let id = addressed(call)?;
    let (org, _) = call.split();
    let quota = measure.of(org.endpoints.get_mut(&id).expect("addressed"));
    let quota = quota.as_ref().ok_or_else(|| Refusal::not_found("quota"))?;
    Ok(Reply::json(show(quota, measure)))
}

/// Sets a quota or changes the one there is: what is not said of it stays as it is [3P]. By the schema everything has to be
/// said each time [S].
fn set(call: &mut Call<'_>, measure: Measure) -> Answer {
    let id = addressed(call)?;
    let invalid = |field: &str| Refusal::message(422, format!("{field} is missing or has an invalid format"));
    let body = call.body;
    let now = call.now;
    let partial = call.options.sources == Sources::Observed;
    let (org, _) = call.split();
    let slot = measure.of(org.endpoints.get_mut(&id).expect("addressed"));
    let old = slot.clone();
    let kept = old.as_ref().filter(|_| partial);
    let said = |field: &str| kept.is_none() || !body[field].is_null();
    let status = if said("status") { id_of(&body["status"]) } else { kept.map(|old| old.status) };
    let status = status.filter(|id| (ACTIVE..=EXPIRED).contains(id)).ok_or_else(|| invalid("status"))?;
    let volume = if said("volume") { decimal(&body["volume"]) } else { kept.map(|old| old.volume) };
    let volume = volume.ok_or_else(|| invalid("volume"))?;
    let expiry_date = if said("expiry_date") {
        body["expiry_date"].as_str().and_then(dates::read)
    } else {
        kept.map(|old| old.expiry_date)
    };
    let expiry_date = expiry_date.ok_or_else(|| invalid("expiry_date"))?;
    let action = id_of(&body["action_on_exhaustion"]).unwrap_or(1);
    let required = measure == Measure::Data && kept.is_none();
    if action != 1 || (required && body["action_on_exhaustion"].is_null()) {
        // Throttling ended on 9 December 2024. [D]
        return Err(invalid("action_on_exhaustion"));
    }
    // A new volume is a top-up of that size; without one the last top-up stays.
    let added = if said("volume") { volume } else { kept.map_or(volume, |old| old.last_volume_added) };
    let unchanged = old.as_ref().filter(|old| old.status == status);
    *slot = Some(Quota {
        status,
        volume,
        expiry_date,
        action_on_exhaustion: action,
        auto_refill: flag(&body["auto_refill"])
            .unwrap_or_else(|| old.as_ref().is_some_and(|old| old.auto_refill)),
        last_volume_added: decimal(&body["last_volume_added"]).unwrap_or(added),
        last_status_change_date: unchanged.map_or(now, |old| old.last_status_change_date),
        threshold_percentage: decimal(&body["threshold_percentage"])
            .or_else(|| old.as_ref().and_then(|old| old.threshold_percentage)),
        refilled: dates::day(now),
    });
    org.indexes.settled = None;
    let endpoint = &org.endpoints[&id];
    let detail = json!({"quota": {
        "volume": volume,
        "expiryDate": dates::express(expiry_date),
        "lastVolumeAdded": match measure {
            Measure::Data => &endpoint.data_quota,
            Measure::Sms => &endpoint.sms_quota,
        }.as_ref().map(|quota| quota.last_volume_added),
    }});
    let kind = if measure == Measure::Data { 56 } else { 58 };
    call.emit(Draft::new(kind).endpoint(id).detail(detail));
    Ok(Reply::done())
}

fn delete(call: &mut Call<'_>, measure: Measure) -> Answer {
    let id = addressed(call)?;
    let (org, _) = call.split();
    let removed = measure.of(org.endpoints.get_mut(&id).expect("addressed")).take();
    removed.ok_or_else(|| Refusal::not_found("quota"))?;
    let kind = if measure == Measure::Data { 57 } else { 59 };
    call.emit(Draft::new(kind).endpoint(id));
    let (now, user) = (call.now, call.acting_user());
    let (org, next) = call.split();
    org.cut_if_without_quota(&mut Actor { next, now, user }, id);
    Ok(Reply::done())
}

fn show(quota: &Quota, measure: Measure) -> Value {
    let status = match quota.status {
        ACTIVE => "ACTIVE",
        EXHAUSTED => "EXHAUSTED",
        _ => "EXPIRED",
    };
    // A number for data, a flag for SMS. [S]
    let auto_refill = match measure {
        Measure::Data => json!(u8::from(quota.auto_refill)),
        Measure::Sms => json!(quota.auto_refill),
    };
    json!({
        "status": {"id": quota.status, "description": status},
        "volume": quota.volume,
        "expiry_date": dates::php(quota.expiry_date),
        "action_on_exhaustion": {"id": quota.action_on_exhaustion, "description": "Block"},
        "auto_refill": auto_refill,
        "last_volume_added": quota.last_volume_added,
        "last_status_change_date": dates::php(quota.last_status_change_date),
        "threshold_percentage": quota.threshold_percentage,
        "threshold_volume": quota.threshold_volume(),
    })
}
