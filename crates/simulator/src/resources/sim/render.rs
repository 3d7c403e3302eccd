//! How SIMs are shown.

use serde_json::{Map, Value, json};

use crate::reference_data::Country;
use crate::resources::endpoint::luhn;
use crate::rules::dates;
use crate::state::{Organisation, Sim, State};
use crate::{Dialect, Options};

/// A SIM. `endpoint` is missing where it is not assigned and carries flat ids; `activation_date` is missing before the
/// first activation; `reseller_org` came after 2022. [R]
pub(super) fn show(sim: &Sim, org: &Organisation, all: &State, options: &Options) -> Value {
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
    put("customer_org", party(org.id, all));
    put("issuer_org", party(issuer(sim, org), all));
    if options.dialect > Dialect::D2022 {
        put("reseller_org", party(reseller(sim, org), all));
    }
    put("model", model(sim.eid.is_some()));
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

/// The organisation that sold a SIM: its holder's own unless the seed says otherwise.
pub(super) fn issuer(sim: &Sim, org: &Organisation) -> u64 {
    sim.issuer_org.unwrap_or(org.id)
}

/// The organisation that resells a SIM: likewise.
pub(super) fn reseller(sim: &Sim, org: &Organisation) -> u64 {
    sim.reseller_org.unwrap_or(org.id)
}

/// An organisation beside a SIM. One outside the seed has a made-up name. [R]
fn party(id: u64, all: &State) -> Value {
    let name = all.organisations.get(&id).map_or_else(|| format!("org{id}"), |org| org.name.clone());
    let country = Country::get(Organisation::COUNTRY);
    json!({
        "id": id,
        "name": name,
        "country": country.map(|country| json!({"id": country.id, "name": country.name})),
    })
}

/// What a SIM is made as.
pub(super) fn model(euicc: bool) -> Value {
    let (id, description) = if euicc { (4, "4FF IoT eUICC") } else { (3, "Triple-cut IoT SIM") };
    json!({
        "id": id,
        "description": description,
        "memory_size": 128,
        "formfactor": {"id": 3, "name": "2FF, 3FF, 4FF"},
        "manufacturer": {"id": 1, "name": "Simulated"},
    })
}

/// The ICCID of 20 digits.
pub(super) fn with_luhn(iccid: &str) -> String {
    format!("{iccid}{}", luhn(iccid))
}
