//! Devices and SIMs, as the copy keeps them.

use std::collections::HashSet;

use emnify_simulator::state::{
    Endpoint, IpAddressSpace, Organisation, Quota, ServiceProfile, Sim, SimState, TariffProfile,
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::read::{Lacks, decimal, flag, id, list, needed, number, text, time, words};

/// The status of a device that is gone. [D]
const DELETED: u64 = 2;
/// Digits of an ICCID as emnify writes it. [R]
const ICCID: usize = 19;

/// Where devices have their addresses whose space is not shown.
const ELSEWHERE: &str = "100.64.0.0/10";

/// A device; none where it is gone.
pub(super) fn endpoint(row: &Value) -> Result<Option<Endpoint>, Lacks> {
    let status = id(&row["status"]).unwrap_or_default();
    if status == DELETED {
        return Ok(None);
    }
    let address = text(&row["ip_address"]).filter(|text| !text.is_empty());
    let address = address.map(|text| text.parse().map_err(|_| "its ip_address cannot be read".to_owned()));
    Ok(Some(Endpoint {
        id: needed(row, "id")?,
        name: words(row, "name"),
        tags: text(&row["tags"]),
        tag_ids: list(&row["tag_assignments"]).iter().filter_map(id).collect(),
        enabled: status == 0,
        service_profile: needed(row, "service_profile")?,
        tariff_profile: needed(row, "tariff_profile")?,
        sim: id(&row["sim"]),
        imei: text(&row["imei"]),
        imei_lock: flag(&row["imei_lock"]),
        ip_address: address.transpose()?,
        ip_address_space: id(&row["ip_address_space"]),
        created: time(&row["created"]).unwrap_or_default(),
        last_updated: time(&row["last_updated"]).unwrap_or_default(),
        ..Endpoint::default()
    }))
}

/// A SIM of this organisation.
pub(super) fn sim(row: &Value, own: u64) -> Result<Sim, Lacks> {
    let mut iccid = words(row, "iccid");
    iccid.truncate(ICCID);
    let status = id(&row["status"]).and_then(SimState::from_id);
    Ok(Sim {
        id: needed(row, "id")?,
        iccid,
        eid: text(&row["eid"]),
        imsi: words(row, "imsi"),
        msisdn: words(row, "msisdn"),
        status: status.ok_or("its status cannot be read")?,
        production_date: time(&row["production_date"]).unwrap_or_default(),
        activation_date: time(&row["activation_date"]),
        profile_type: id(&row["sim_profile_type_id"]).unwrap_or(1),
        satellite_capable: flag(&row["satellite_capable"]),
        // shown as sold by itself where nobody else did: only emnify knows what that forbids
        issuer_org: id(&row["issuer_org"]).filter(|id| *id != own),
        reseller_org: id(&row["reseller_org"]).filter(|id| *id != own),
        test_data: 0.0,
        test_sms: 0,
    })
}

/// Rows that devices name, of families that could not be read: a device that stands alone can still be changed.
pub(super) fn stand_ins(organisation: &mut Organisation, rows: &[Value]) {
    for row in rows {
        if let Some(id) = id(&row["service_profile"]) {
            let name = words(&row["service_profile"], "name");
            let profile = || ServiceProfile { id, name, ..ServiceProfile::default() };
            organisation.service_profiles.entry(id).or_insert_with(profile);
        }
        if let Some(id) = id(&row["tariff_profile"]) {
            let name = words(&row["tariff_profile"], "name");
            let profile = || TariffProfile { id, name, ..TariffProfile::default() };
            organisation.tariff_profiles.entry(id).or_insert_with(profile);
        }
        if let Some(id) = id(&row["ip_address_space"]) {
            let ip_address_space =
                text(&row["ip_address_space"]["ip_address_space"]).unwrap_or_else(|| ELSEWHERE.to_owned());
            let space = || IpAddressSpace { id, ip_address_space, ip_address_version: 4 };
            organisation.ip_address_spaces.entry(id).or_insert_with(space);
        }
        if let Ok(sim) = sim(&row["sim"], organisation.id) {
            organisation.sims.entry(sim.id).or_insert(sim);
        }
    }
}

/// What only one device can have, a second one has not in the copy, and that is told: one odd row does not stand in everybody's way.
pub(super) fn part(organisation: &mut Organisation, problems: &mut Vec<String>) {
    let (mut sims, mut addresses) = (HashSet::new(), HashSet::new());
    let mut unplaced = false;
    for device in organisation.endpoints.values_mut() {
        let id = device.id;
        let mut twice = |what: &str| problems.push(format!("endpoint {id}: another one has its {what}, too"));
        if device.sim.is_some_and(|sim| !sims.insert(sim)) {
            device.sim = None;
            twice("SIM");
        }
        if device.ip_address.is_some_and(|address| !addresses.insert(address)) {
            device.ip_address = None;
            twice("address");
        }
        unplaced |= device.ip_address.is_none();
    }
    if unplaced && organisation.ip_address_spaces.is_empty() {
        let ip_address_space = ELSEWHERE.to_owned();
        organisation.ip_address_spaces.put(IpAddressSpace { id: 1, ip_address_space, ip_address_version: 4 });
    }
}

/// A quota.
pub(super) fn quota(row: &Value, now: Timestamp) -> Result<Quota, Lacks> {
    Ok(Quota {
        status: needed(row, "status")?,
        volume: decimal(&row["volume"]),
        expiry_date: time(&row["expiry_date"]).ok_or("its expiry_date cannot be read")?,
        action_on_exhaustion: id(&row["action_on_exhaustion"]).unwrap_or(1),
        auto_refill: flag(&row["auto_refill"]),
        last_volume_added: decimal(&row["last_volume_added"]),
        last_status_change_date: time(&row["last_status_change_date"]).unwrap_or_default(),
        threshold_percentage: Some(&row["threshold_percentage"])
            .filter(|value| !value.is_null())
            .map(decimal),
        refilled: TimeZone::UTC.to_datetime(now).date(),
    })
}

/// Operators of a blocklist.
pub(super) fn operators(rows: &[Value]) -> Vec<u64> {
    rows.iter().filter_map(|row| number(&row["id"])).collect()
}
