//! How SIMs are shown.

use serde_json::{Map, Value, json};

use crate::families::endpoint::luhn;
use crate::rules::dates;
use crate::state::{Organisation, Sim};
use crate::{Dialect, Options};

/// A SIM. `endpoint` is missing where it is not assigned and carries flat ids; `activation_date` is missing before the
/// first activation. [R]
pub(super) fn show(sim: &Sim, org: &Organisation, options: &Options) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    put("id", sim.id.into());
    put("iccid", sim.iccid.clone().into());
    put("imsi", sim.imsi.clone().into());
    put("msisdn", sim.msisdn.clone().into());
    put("production_date", dates::java(sim.production_date).into());
    if let Some(activated) = sim.activation_date {
        put("activation_date", dates::java(activated).into());
    }
    put("status", json!({"id": sim.status.id(), "description": sim.status.name()}));
    put("customer_org", json!({"id": org.id, "name": org.name}));
    put("issuer_org", json!({"id": sim.issuer_org.unwrap_or(org.id)}));
    put("reseller_org", json!({"id": sim.reseller_org.unwrap_or(org.id)}));
    put("model", model(sim));
    if options.dialect == Dialect::D2026 {
        put("iccid_with_luhn", with_luhn(&sim.iccid).into());
        put("eid", sim.eid.clone().into());
        put("sim_profile_type_id", sim.profile_type.into());
        put("satellite_capable", sim.satellite_capable.into());
    } else if let Some(eid) = &sim.eid {
        put("eid", eid.clone().into());
    }
    if let Some(endpoint) = org.endpoint_of_sim(sim.id).and_then(|id| org.endpoints.get(&id)) {
        put(
            "endpoint",
            json!({
                "id": endpoint.id,
                "name": endpoint.name,
                "imei": endpoint.imei,
                "created": dates::java(endpoint.created),
                "last_updated": dates::java(endpoint.last_updated),
                "organisation_id": org.id,
                "service_profile_id": endpoint.service_profile,
                "tariff_profile_id": endpoint.tariff_profile,
                "tags": endpoint.tags,
                "ip_address": endpoint.ip_address.map(|address| address.to_string()),
                "ip_address_space_id": endpoint.ip_address_space,
            }),
        );
    }
    row.into()
}

fn model(sim: &Sim) -> Value {
    let (id, description) = if sim.eid.is_some() { (4, "4FF IoT eUICC") } else { (3, "Triple-cut IoT SIM") };
    json!({
        "id": id,
        "description": description,
        "memory_size": "128",
        "formfactor": {"id": 3, "name": "2FF, 3FF, 4FF"},
        "manufacturer": {"id": 1, "name": "Simulated"},
    })
}

/// The ICCID of 20 digits.
pub(super) fn with_luhn(iccid: &str) -> String {
    format!("{iccid}{}", luhn(iccid))
}
