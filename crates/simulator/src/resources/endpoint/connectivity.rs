//! Where a device is, and resetting that.

use serde_json::{Map, Value, json};

use super::path::addressed;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::reference_data::{self, Operator};
use crate::rules::dates;
use crate::state::{Actor, Draft, Endpoint, Location, Organisation, PdpContext, RateZone};

/// Tunnels are numbered from here, two for each session.
const TUNNELS: u64 = 100_000;

/// Status without an id, services, and what is known of location and session. [R][3P]
pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let org = call.org();
    let endpoint = &org.endpoints[&id];
    let mut body = Map::new();
    let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
    put("status", json!({"description": org.connectivity_status(endpoint, call.now)}));
    let connectivity = &endpoint.connectivity;
    let services = if connectivity.location.is_some() { json!(["GPRS"]) } else { json!([]) };
    put("services", services);
    if let Some(location) = &connectivity.location {
        put("location", show_location(endpoint, org, location));
        if let Some(session) = &connectivity.pdp_context {
            put("pdp_context", show_session(call, endpoint, location, session));
        }
    }
    Ok(Reply::json(body))
}

fn show_location(endpoint: &Endpoint, org: &Organisation, location: &Location) -> Value {
    let sim = endpoint.sim.and_then(|sim| org.sims.get(&sim));
    let operator = Operator::get(location.operator);
    let country = operator.map(Operator::country);
    json!({
        "iccid": sim.map(|sim| &sim.iccid),
        "imsi": sim.map(|sim| &sim.imsi),
        "last_updated": dates::php(location.since),
        "last_updated_gprs": dates::php(location.since),
        "sgsn_number": "491720000001",
        "vlr_number": "491720000000",
        "msc": "491720000000",
        "sgsn_ip_address": "10.255.0.1",
        "operator": operator.map(|operator| json!({
            "id": operator.id,
            "name": operator.name,
            "country": country.map(|country| json!({"id": country.id, "name": country.name})),
        })),
        "country": country.map(|country| json!({
            "country_id": country.id.to_string(),
            "name": country.name,
            "country_code": country.country_code,
            "mcc": country.mcc,
            "iso_code": country.iso_code,
        })),
    })
}

/// Numbers come as text. [3P][S]
fn show_session(call: &Call<'_>, endpoint: &Endpoint, location: &Location, session: &PdpContext) -> Value {
    let org = call.org();
    let sim = endpoint.sim.and_then(|sim| org.sims.get(&sim));
    let operator = Operator::get(location.operator);
    let profile = org.tariff_profiles.get(&endpoint.tariff_profile);
    let tariff = profile.map(|profile| profile.tariff);
    let zone = tariff.and_then(|tariff| call.state.tariffs.get(&tariff)).and_then(|tariff| {
        let selected = |zone: &&RateZone| profile.is_some_and(|of| of.rate_zones.contains(&zone.id));
        let covers =
            |zone: &&RateZone| zone.operators.is_empty() || zone.operators.contains(&location.operator);
        tariff.rate_zones.values().find(|zone| selected(zone) && covers(zone))
    });
    let seconds = call.now.duration_since(session.created).as_secs().max(0);
    json!({
        "pdp_context_id": session.id.to_string(),
        "endpoint_id": endpoint.id.to_string(),
        "tariff_profile_id": endpoint.tariff_profile.to_string(),
        "tariff_id": tariff.map(|tariff| tariff.to_string()),
        "ratezone_id": zone.map(|zone| zone.id.to_string()),
        "organisation_id": org.id.to_string(),
        "imsi_id": sim.map(|sim| sim.id.to_string()),
        "imsi": sim.map(|sim| &sim.imsi),
        "sim_id": sim.map(|sim| sim.id.to_string()),
        "teid_data_plane": (TUNNELS + 2 * session.id).to_string(),
        "teid_control_plane": (TUNNELS + 2 * session.id + 1).to_string(),
        "gtp_version": "1",
        "nsapi": "5",
        "sgsn_control_plane_ip_address": "10.255.0.1",
        "sgsn_data_plane_ip_address": "10.255.0.2",
        "ggsn_control_plane_ip_address": "10.254.0.1",
        "ggsn_data_plane_ip_address": "10.254.0.2",
        "created": dates::php(session.created),
        "mcc": operator.map(|operator| &operator.country().mcc),
        "mnc": operator.and_then(|operator| operator.mnc.first()).map(|(_, mnc)| mnc),
        "operator_id": location.operator.to_string(),
        "lac": session.lac.to_string(),
        "ci": session.ci.to_string(),
        "sac": session.ci.to_string(),
        "rac": "1",
        "ue_ip_address": endpoint.ip_address.map(|address| address.to_string()),
        "imeisv": endpoint.imei,
        "rat_type": {
            "rat_type_id": location.rat_type.to_string(),
            "description": reference_data::describe("rat_type", location.rat_type),
        },
        "duration": format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    })
}

/// `{"pdp_context": null}` ends the session, `{"location": null}` makes the device register anew. [R][S]
pub(super) fn reset(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let wants = |key: &str| call.body.get(key).is_some_and(Value::is_null);
    let (session, location) = (wants("pdp_context"), wants("location"));
    if !session && !location {
        return Err(Refusal::message(422, "pdp_context or location must be null"));
    }
    let (now, user) = (call.now, call.acting_user());
    let (org, tariffs, next) = call.state.network(call.caller.organisation);
    let mut actor = Actor { next, now, user };
    actor.emit(org, Draft::new(68).endpoint(id));
    org.end_factory_test(&mut actor, id);
    let attached = org.endpoints[&id].connectivity.location.is_some();
    if location {
        org.drop_connection(&mut actor, id);
        if attached && let Err(why) = org.attach(&mut actor, tariffs, id) {
            tracing::debug!(endpoint = id, why, "the device stays away after the reset");
        }
    } else {
        org.end_session(&mut actor, id);
    }
    Ok(Reply::done())
}

/// What the network says on demand: the cell of an attached device. [S][L]
pub(super) fn info(call: &mut Call<'_>) -> Answer {
    let id = addressed(call)?;
    let connectivity = &call.org().endpoints[&id].connectivity;
    let asked = dates::express(call.now);
    let subscriber = match &connectivity.location {
        None => json!({"success": false, "error": "Absent subscriber"}),
        Some(location) => {
            let operator = Operator::get(location.operator);
            json!({
                "success": true,
                "state": if connectivity.pdp_context.is_some() { "connected" } else { "idle" },
                "location": {
                    "current_location_retrieved": true,
                    "age_of_location": 0,
                    "cell_global_id": {
                        "mcc": operator.map(|operator| &operator.country().mcc),
                        "mnc": operator.and_then(|operator| operator.mnc.first()).map(|(_, mnc)| mnc),
                        "lac": 101,
                        "cid": 27_001,
                    },
                },
            })
        }
    };
    let mut body = json!({"request_timestamp": asked, "reply_timestamp": asked});
    if call.query("subscriber") != Some("false") {
        body["subscriber_info"] = subscriber;
    }
    Ok(Reply::json(body))
}
