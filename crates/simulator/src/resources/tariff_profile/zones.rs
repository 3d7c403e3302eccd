//! What a tariff profile covers: its selected rate zones and its inclusive volume.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::path::{profile, profile_mut};
use super::shape;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Refusal};
use crate::reference_data::Operator;
use crate::resources::route::Route;
use crate::state::{InclusiveVolume, RateZone};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::php("tariff-profile-coverage-by-tp-id-get", coverage),
        Route::php("tariff-profile-ratezone-selection-by-tp-id-and-rz-id-put", select),
        Route::php("tariff-profile-ratezone-selection-by-tp-id-and-rz-id-delete", deselect),
        Route::php("tariff-profile-inclusive-volume-assignment", assign_volume),
        Route::php("tariff-profile-inclusive-volume-remove-assignment", remove_volume),
    ]
}

/// The addressed zone, if it belongs to the profile's tariff.
fn zone<'a>(call: &'a Call<'_>) -> Result<&'a RateZone, Refusal> {
    let id = call.id("ratezone_id")?;
    let tariff = call.state.tariffs.get(&profile(call)?.tariff);
    tariff.and_then(|tariff| tariff.rate_zones.get(&id)).ok_or_else(|| Refusal::not_found("Ratezone"))
}

/// Only a currently valid zone can be selected. [S]
fn select(call: &mut Call<'_>) -> Answer {
    let zone = zone(call)?;
    if !shape::valid(zone, call.now) {
        return Err(Refusal::coded(422, Code::NOT_ALLOWED, "The ratezone is not valid now"));
    }
    let id = zone.id;
    let profile = profile_mut(call)?;
    if !profile.rate_zones.contains(&id) {
        profile.rate_zones.push(id);
    }
    Ok(Reply::done())
}

fn deselect(call: &mut Call<'_>) -> Answer {
    let id = zone(call)?.id;
    profile_mut(call)?.rate_zones.retain(|zone| *zone != id);
    Ok(Reply::done())
}

/// Countries of the selected zones, and with how many operators each. A zone that names no operator has them all.
fn coverage(call: &mut Call<'_>) -> Answer {
    let profile = profile(call)?;
    let tariff = call.state.tariffs.get(&profile.tariff);
    let zones: Vec<&RateZone> = tariff
        .into_iter()
        .flat_map(|tariff| tariff.rate_zones.values())
        .filter(|zone| profile.rate_zones.contains(&zone.id))
        .collect();
    let blocked = |operator: u64| {
        let entry = profile.operator_blocklist.iter().find(|entry| entry.operator == operator);
        entry.is_some_and(|entry| entry.completely)
    };
    let mut countries: BTreeMap<&str, (Value, u64)> = BTreeMap::new();
    for operator in Operator::all() {
        let covered =
            zones.iter().any(|zone| zone.operators.is_empty() || zone.operators.contains(&operator.id));
        if covered && operator.country().geographic && !blocked(operator.id) {
            let country = operator.country();
            countries.entry(&country.name).or_insert_with(|| (country.json(), 0)).1 += 1;
        }
    }
    let rows = countries
        .into_values()
        .map(|(country, count)| json!({"country": country, "redundancy_count": count}));
    Ok(Reply::json(rows.collect::<Vec<_>>()))
}

/// The addressed volume among those the organisation holds, and the tariff it is part of.
fn held<'a>(call: &'a Call<'_>) -> Result<(&'a InclusiveVolume, u64, bool), Refusal> {
    let id = call.id("inclusive_volume_id")?;
    let missing = || Refusal::not_found("Inclusive volume");
    let held =
        call.org().inclusive_volumes.iter().find(|held| held.inclusive_volume == id).ok_or_else(missing)?;
    let expired = held.end_date.is_some_and(|end| end <= call.now);
    let found =
        call.state.tariffs.values().find_map(|tariff| Some((tariff.inclusive_volumes.get(&id)?, tariff.id)));
    found.map(|(volume, tariff)| (volume, tariff, expired)).ok_or_else(missing)
}

/// One per profile, not expired, of the profile's tariff. [S]
fn assign_volume(call: &mut Call<'_>) -> Answer {
    let profile = profile(call)?;
    let (volume, tariff, expired) = held(call)?;
    if profile.inclusive_volume.is_some() {
        return Err(Refusal::duplicated("The tariff profile has an inclusive volume already"));
    }
    if expired || tariff != profile.tariff {
        return Err(Refusal::bad_request("The inclusive volume is expired or of another tariff"));
    }
    let id = volume.id;
    profile_mut(call)?.inclusive_volume = Some(id);
    Ok(Reply::done())
}

fn remove_volume(call: &mut Call<'_>) -> Answer {
    let assigned = profile(call)?.inclusive_volume;
    let (volume, ..) = held(call)?;
    if assigned != Some(volume.id) {
        return Err(Refusal::bad_request("The inclusive volume is not assigned to the tariff profile"));
    }
    profile_mut(call)?.inclusive_volume = None;
    Ok(Reply::done())
}
