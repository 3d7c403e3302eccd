//! Messages to devices.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::path::addressed;
use crate::http::body::unsigned;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Issue, Refusal};
use crate::rules::dates;
use crate::state::{Organisation, Sms, SmsState};

/// How long a message is kept for an absent device. [R]
const VALIDITY: SignedDuration = SignedDuration::from_hours(24);
/// When delivery to an absent device is tried again. [R]
const RETRY: SignedDuration = SignedDuration::from_hours(1);

/// Types of senders. [R][S]
const INTERNATIONAL: u64 = 145;
const NATIONAL: u64 = 161;
const ALPHANUMERIC: u64 = 208;

/// All messages of a device, unpaged, the newest first. [R]
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let org = call.org();
    let rows = org.endpoints[&id].sms.values().rev().map(|sms| show(id, sms, org));
    Ok(Reply::json(rows.collect::<Vec<_>>()))
}

/// One message.
pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let sms = call.id("sms_id")?;
    let org = call.org();
    let sms = org.endpoints[&id].sms.get(&sms).ok_or_else(|| Refusal::not_found("SMS"))?;
    Ok(Reply::json(show(id, sms, org)))
}

/// Sends a message: empty body, `Location`. [R]
pub(super) fn send(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let text = |field: &str| call.field(field).as_str().map(str::to_owned);
    // A number is stored as it was given. [D]
    let source = text("source_address").or_else(|| Some(call.field("source_address").as_u64()?.to_string()));
    let source = source.unwrap_or_default();
    let source_type = call.reference("source_address_type").unwrap_or_else(|| type_of(&source));
    let expiry = text("expiry_date");
    let mut issues = Vec::new();
    let payload = text("payload").unwrap_or_default();
    if payload.is_empty() {
        issues.push(Issue::required("payload"));
    }
    if source_type == ALPHANUMERIC && source.chars().count() > 11 {
        issues.push(Issue::format("source_address"));
    }
    let expiry_date = expiry.as_deref().map_or(Some(call.now + VALIDITY), dates::read);
    let Some(expiry_date) = expiry_date.filter(|_| issues.is_empty()) else {
        if issues.is_empty() {
            issues.push(Issue::format("expiry_date"));
        }
        return Err(Refusal::invalid(issues));
    };
    let sms = Sms {
        id: 0,
        payload,
        source_address: source,
        source_address_type: source_type,
        dest_address: text("dest_address"),
        udh: text("udh"),
        dcs: unsigned(call.field("dcs")).unwrap_or(0),
        status: SmsState::DeliveryAttemptPending,
        submit_date: call.now,
        expiry_date,
        final_date: None,
        sim: None,
        mobile_originated: false,
        attempt_at: (!call.options.sms_time.is_zero())
            .then(|| call.now + SignedDuration::try_from(call.options.sms_time).unwrap_or_default()),
    };
    let (org, mut actor) = call.act();
    let sms = org.send_sms(&mut actor, id, sms);
    Ok(Reply::created(format!("/api/v1/endpoint/{id}/sms/{sms}")))
}

/// What a sender is that nobody gave a type: one with letters is a name, everything else, and nothing, a number. [R]
fn type_of(source: &str) -> u64 {
    if source.chars().any(char::is_alphabetic) { ALPHANUMERIC } else { NATIONAL }
}

/// Cancels a message that still waits. [S]
pub(super) fn cancel(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let sms = call.id("sms_id")?;
    let (org, _) = call.split();
    let endpoint = org.endpoints.get_mut(&id).expect("addressed");
    let sms = endpoint.sms.get_mut(&sms).ok_or_else(|| Refusal::not_found("SMS"))?;
    if sms.status != SmsState::Buffered {
        return Err(Refusal::conflict("Only a buffered SMS can be cancelled"));
    }
    // It never comes to an end: `final_date` stays empty. [R]
    sms.status = SmsState::Canceled;
    Ok(Reply::done())
}

/// Expired and cancelled messages as recorded [R]; what was never recorded is like them [?].
fn show(endpoint: u64, sms: &Sms, org: &Organisation) -> Value {
    let report = match sms.status {
        SmsState::Delivered => "2",
        SmsState::Failed | SmsState::Expired => "4",
        _ => "1",
    };
    let delivered = sms.final_date.filter(|_| sms.status == SmsState::Delivered);
    let retry = match sms.status {
        SmsState::Delivered | SmsState::Failed => None,
        SmsState::Expired => {
            Some(sms.expiry_date + SignedDuration::from_secs(40 + (sms.id % 37).cast_signed()))
        }
        _ => Some(sms.submit_date + RETRY),
    };
    let source_type = match sms.source_address_type {
        INTERNATIONAL => Some("International"),
        NATIONAL => Some("National"),
        ALPHANUMERIC => Some("Alphanumeric"),
        _ => None,
    };
    let sim = sms.sim.and_then(|sim| org.sims.get(&sim));
    json!({
        "dlr_status_id": report,
        "organisation_id": org.id.to_string(),
        "submit_date": dates::java(sms.submit_date),
        "delivery_date": dates::java(delivered.unwrap_or(sms.submit_date)),
        "expiry_date": dates::java(sms.expiry_date),
        "final_date": sms.final_date.map(dates::java),
        "retry_date": retry.map(dates::java),
        "last_delivery_attempt": delivered.map(dates::java),
        "retry_count": "0",
        "gsm_map_error": null,
        "dcs": sms.dcs.to_string(),
        "pid": "0",
        "source_address": sms.source_address,
        "endpoint_id": endpoint.to_string(),
        "sim_id": sms.sim.map(|sim| sim.to_string()),
        "iccid": sim.map(|sim| &sim.iccid),
        "called_party_prefix": null,
        "msisdn": sim.map(|sim| &sim.msisdn),
        "imsi": "",
        "msc": null,
        "udh": sms.udh.as_deref().unwrap_or(""),
        "payload": sms.payload,
        "registered_delivery": "0",
        "smpp_bind_id": null,
        "p2p_ext": 0,
        "smpp_dlr_bind_id": null,
        "id": sms.id,
        "status": {"id": sms.status as u64, "description": sms.status.name()},
        "sms_type": if sms.mobile_originated {
            json!({"id": 2, "description": "MO"})
        } else {
            json!({"id": 1, "description": "MT"})
        },
        "source_address_type": {"id": sms.source_address_type, "description": source_type},
        "esme_interface_type": {"id": 1, "description": "RestAPI"},
    })
}
