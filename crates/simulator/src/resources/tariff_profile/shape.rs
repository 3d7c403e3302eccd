//! How tariff profiles, tariffs and zones look.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::reference_data;
use crate::rules::{dates, php};
use crate::state::{InclusiveVolume, Organisation, RateZone, State, Tariff, TariffProfile};

/// An entry of the list: no zones. [L]
pub(super) fn row(profile: &TariffProfile, org: &Organisation, state: &State) -> Value {
    let tariff = state.tariffs.get(&profile.tariff);
    let volume = profile.inclusive_volume.and_then(|id| tariff?.inclusive_volumes.get(&id));
    json!({
        "id": profile.id,
        "name": profile.name,
        "description": profile.description,
        "used_count": php::text(&org.tariff_profile_use(profile.id)),
        "organisation_id": php::text(&org.id),
        "tariff": tariff.map(|tariff| tariff_json(tariff, org)),
        "inclusive_volume": volume.map(|volume| volume_json(volume, tariff)),
    })
}

/// A single profile: with the currently valid zones of its tariff, selected or not. [S][L]
pub(super) fn detail(profile: &TariffProfile, org: &Organisation, state: &State, now: Timestamp) -> Value {
    let mut shape = row(profile, org, state);
    let zones = state.tariffs.get(&profile.tariff).into_iter().flat_map(|tariff| tariff.rate_zones.values());
    shape["ratezone"] = zones.filter(|zone| valid(zone, now)).map(|zone| zone_json(zone, profile)).collect();
    shape
}

/// Whether a zone can be selected now. [S]
pub(super) fn valid(zone: &RateZone, now: Timestamp) -> bool {
    zone.valid_from <= now && zone.valid_until.is_none_or(|until| until > now)
}

fn zone_json(zone: &RateZone, profile: &TariffProfile) -> Value {
    json!({
        "id": php::text(&zone.id),
        "name": zone.name,
        "selected": profile.rate_zones.contains(&zone.id),
        "valid_from": dates::php(zone.valid_from),
        "valid_until": zone.valid_until.map(dates::php),
        "ratezone_status_id": "1",
        "main_zone": "0",
        "deleted": "0",
    })
}

/// Prices in the first currency of the reference data; rates other than the zones' are flat. [?]
fn tariff_json(tariff: &Tariff, org: &Organisation) -> Value {
    let users = org.tariff_profiles.values().filter(|profile| profile.tariff == tariff.id).count();
    json!({
        "id": tariff.id,
        "organisation_id": php::text(&org.id),
        "name": tariff.name,
        "description": tariff.description,
        "created": dates::php(Timestamp::default()),
        "tariff_status_id": "1",
        "currency_id": "1",
        "default_sms_mt_rate": 0.04,
        "default_sms_mo_rate": 0.04,
        "sim_issued_rate": 0.0,
        "sim_activated_rate": org.tariff_plan.sim_activated_rate,
        "sim_suspended_rate": org.tariff_plan.sim_suspended_rate,
        "sim_activation_rate": 0.0,
        "sim_reactivation_rate": 0.0,
        "sim_suspension_rate": 0.0,
        "sim_termination_rate": 0.0,
        "data_throttle_id": "5",
        "data_blocksize_id": "2",
        "public": "1",
        "tariff_category_id": "1",
        "visibility_id": "1",
        "tariff_currency_category_id": "1",
        "used_count": php::text(&users),
        "assigned_count": php::text(&users),
        "currency": reference_data::row("currency", 1),
    })
}

/// An inclusive volume with its zone. [S]
fn volume_json(volume: &InclusiveVolume, tariff: Option<&Tariff>) -> Value {
    let zone = tariff.and_then(|tariff| tariff.rate_zones.get(&volume.rate_zone));
    json!({
        "id": volume.id,
        "volume": volume.volume,
        "rate": volume.rate,
        "pooled": volume.pooled,
        "start_date": dates::php(volume.start_date),
        "end_date": volume.end_date.map(dates::php),
        "ratezone": zone.map(|zone| json!({"id": zone.id, "name": zone.name})),
        "currency": reference_data::row("currency", 1),
    })
}
