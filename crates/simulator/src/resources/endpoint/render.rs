//! How devices are shown.

use serde_json::{Map, Value, json};

use crate::reference_data;
use crate::rules::dates;
use crate::state::{Endpoint, Organisation, Sim, SimState};
use crate::{Dialect, Options};

/// A device as a create of today shows it: `sim` is null where there is none. [S]
pub(super) fn created(endpoint: &Endpoint, org: &Organisation, options: &Options) -> Value {
    let mut body = detail(endpoint, org, options);
    if let Some(row) = body.as_object_mut() {
        row.entry("sim").or_insert(Value::Null);
    }
    body
}

/// A row of the list. The `sim` key is missing where there is none. [R]
pub(super) fn item(endpoint: &Endpoint, org: &Organisation, options: &Options) -> Value {
    let mut row = common(endpoint, org, options);
    row.insert("ip_address_space".to_owned(), json!({"id": endpoint.ip_address_space}));
    if options.dialect == Dialect::D2026 {
        row.insert("tag_assignments".to_owned(), tags(endpoint, org));
    }
    row.into()
}

/// A single device: the whole address space, and where it is registered; since 2024 whether its policy reaches satellites. [R][S]
pub(super) fn detail(endpoint: &Endpoint, org: &Organisation, options: &Options) -> Value {
    let mut row = common(endpoint, org, options);
    let space = endpoint.ip_address_space.and_then(|id| org.ip_address_spaces.get(&id));
    let space = space.map(|space| {
        json!({
            "id": space.id,
            "ip_address_space": space.ip_address_space,
            "ip_address_version": space.ip_address_version,
        })
    });
    row.insert("ip_address_space".to_owned(), space.into());
    if options.dialect >= Dialect::D2024
        && let Some(profile) = row.get_mut("tariff_profile")
    {
        profile["satellite_capable"] = false.into();
    }
    if endpoint.connectivity.location.is_some() {
        let runtime = json!({"msc": "491720000000", "sgsn": "491720000001", "sgsn_ip_address": "10.255.0.1"});
        row.insert("runtime_data".to_owned(), runtime);
    }
    row.into()
}

fn common(endpoint: &Endpoint, org: &Organisation, options: &Options) -> Map<String, Value> {
    let mut row = Map::new();
    let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
    let status = u64::from(!endpoint.enabled);
    put("id", endpoint.id.into());
    put("name", endpoint.name.clone().into());
    put("tags", endpoint.tags.clone().into());
    put("created", dates::java(endpoint.created).into());
    put("last_updated", dates::java(endpoint.last_updated).into());
    put("status", json!({"id": status, "description": reference_data::describe("endpoint_status", status)}));
    let service = org.service_profiles.get(&endpoint.service_profile).map(|profile| &profile.name);
    put("service_profile", json!({"id": endpoint.service_profile, "name": service}));
    let tariff = org.tariff_profiles.get(&endpoint.tariff_profile).map(|profile| &profile.name);
    put("tariff_profile", json!({"id": endpoint.tariff_profile, "name": tariff}));
    put("ip_address", endpoint.ip_address.map(|address| address.to_string()).into());
    put("imei", endpoint.imei.clone().into());
    put("imei_lock", endpoint.imei_lock.into());
    if options.dialect == Dialect::D2026 {
        put("imei_with_luhn", endpoint.imei.as_deref().and_then(with_luhn).into());
    }
    if let Some(sim) = endpoint.sim.and_then(|id| org.sims.get(&id)) {
        put("sim", held(sim, options));
    }
    row
}

/// The SIM in a device: five fields in 2022; since 2024 also the printed ICCID and the profile type [R], and the EID of
/// an eUICC [S].
fn held(sim: &Sim, options: &Options) -> Value {
    let mut row = json!({
        "id": sim.id,
        "iccid": sim.iccid,
        "imsi": sim.imsi,
        "msisdn": sim.msisdn,
        "status": state(sim.status),
    });
    if options.dialect >= Dialect::D2024 {
        row["iccid_with_luhn"] = format!("{}{}", sim.iccid, luhn(&sim.iccid)).into();
        row["sim_profile_type_id"] = sim.profile_type.into();
        if let Some(eid) = &sim.eid {
            row["eid"] = eid.clone().into();
        }
    }
    row
}

fn state(state: SimState) -> Value {
    json!({"id": state.id(), "description": state.name()})
}

fn tags(endpoint: &Endpoint, org: &Organisation) -> Value {
    let assigned = endpoint.tag_ids.iter().filter_map(|id| org.tags.get(id));
    assigned
        .map(|tag| json!({"id": tag.id, "name": tag.name, "tag_color": {"id": tag.color}}))
        .collect::<Vec<_>>()
        .into()
}

/// The first 14 digits and their check digit; none for what holds other characters.
fn with_luhn(imei: &str) -> Option<String> {
    let body = imei.get(..14).filter(|body| body.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(format!("{body}{}", luhn(body)))
}

/// The check digit of a row of digits.
pub(crate) fn luhn(digits: &str) -> u32 {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0')) * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_check_digit_is_that_of_the_imei() {
        assert_eq!(with_luhn("4901542032375100").as_deref(), Some("490154203237518"));
        assert_eq!(with_luhn("35678900000001f1"), Some("356789000000016".to_owned()), "fillers come later");
        assert_eq!(with_luhn("35f7890000000101"), None);
    }
}
