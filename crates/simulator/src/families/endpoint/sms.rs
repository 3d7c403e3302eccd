//! Messages to devices.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::addressed;
use crate::http::body::unsigned;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Issue, Refusal};
use crate::rules::dates;
use crate::state::{Organisation, Sms, SmsState};

/// How long a message is kept for an absent device. [R]
const VALIDITY: SignedDuration = SignedDuration::from_hours(24);

/// All messages of a device, unpaged. [R]
pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let org = call.org();
    let rows = org.endpoints[&id].sms.values().map(|sms| show(id, sms, org));
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
    let source_type = call.reference("source_address_type").unwrap_or(161);
    let source = text("source_address").unwrap_or_default();
    let expiry = text("expiry_date");
    let mut issues = Vec::new();
    let payload = text("payload").unwrap_or_default();
    if payload.is_empty() {
        issues.push(Issue::required("payload"));
    }
    if source_type == 208 && source.chars().count() > 11 {
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
    };
    let (org, mut actor) = call.act();
    let sms = org.send_sms(&mut actor, id, sms);
    Ok(Reply::created(format!("/api/v1/endpoint/{id}/sms/{sms}")))
}

/// Cancels a message that still waits. [S]
pub(super) fn cancel(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let sms = call.id("sms_id")?;
    let now = call.now;
    let (org, _) = call.split();
    let endpoint = org.endpoints.get_mut(&id).expect("addressed");
    let sms = endpoint.sms.get_mut(&sms).ok_or_else(|| Refusal::not_found("SMS"))?;
    if sms.status != SmsState::Buffered {
        return Err(Refusal::conflict("Only a buffered SMS can be cancelled"));
    }
    sms.status = SmsState::Canceled;
    sms.final_date = Some(now);
    Ok(Reply::done())
}

fn show(endpoint: u64, sms: &Sms, org: &Organisation) -> Value {
    let status = match sms.status {
        SmsState::DeliveryAttemptPending => "DELIVERY ATTEMPT PENDING",
        SmsState::InProgress => "IN PROGRESS",
        SmsState::Buffered => "BUFFERED",
        SmsState::Delivered => "DELIVERED",
        SmsState::Failed => "FAILED",
        SmsState::Expired => "EXPIRED",
        SmsState::Canceled => "CANCELED",
    };
    let delivered = sms.final_date.filter(|_| sms.status == SmsState::Delivered);
    let sim = sms.sim.and_then(|sim| org.sims.get(&sim));
    json!({
        "id": sms.id,
        "submit_date": dates::php(sms.submit_date),
        "delivery_date": delivered.map(dates::php),
        "expiry_date": dates::php(sms.expiry_date),
        "final_date": sms.final_date.map(dates::php),
        "retry_date": null,
        "last_delivery_attempt": delivered.map(dates::php),
        "retry_count": "0",
        "gsm_map_error": null,
        "dcs": sms.dcs.to_string(),
        "pid": "0",
        "source_address": sms.source_address,
        "source_address_type": {"id": sms.source_address_type},
        "dest_address": sms.dest_address,
        "endpoint_id": endpoint.to_string(),
        "sim_id": sms.sim.map(|sim| sim.to_string()),
        "iccid": sim.map(|sim| &sim.iccid),
        "imsi": sim.map(|sim| &sim.imsi),
        "msisdn": sim.map(|sim| &sim.msisdn),
        "msc": null,
        "udh": sms.udh,
        "payload": sms.payload,
        "p2p_ext": 0,
        "status": {"id": sms.status as u64, "description": status},
        "sms_type": {"id": 1, "description": "MT"},
    })
}
