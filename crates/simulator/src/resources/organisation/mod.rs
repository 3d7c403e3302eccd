//! The organisation itself: what it is, what it has bought, what it has used.

mod path;
mod plan;
mod stats;

use serde_json::{Value, json};

use self::path::own;
use super::route::{Needs, Route};
use crate::Sources;
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::reference_data::{self, Country};
use crate::rules::dates;
use crate::state::{Draft, HeldVolume, Organisation};

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::php("my-organisation-get", my),
        Route::java("get-active-organisation-inclusive-volume", volumes),
        Route::java("assign-ratezone-inclusive-volume", hold_volume).needs(Needs::Admin),
        Route::java("update-organisation-tariff", change_tariff).needs(Needs::Admin),
    ];
    routes.extend(plan::routes());
    routes.extend(stats::routes());
    routes
}

/// Nested, as sampled live [L]; by the schema flat, with ids of everything [S].
#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn my(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    if call.options.sources == Sources::Published {
        return Ok(Reply::json(json!({
            "id": org.id,
            "name": org.name,
            "organisation_type_id": "4",
            "organisation_class_id": 3,
            "organisation_status_id": "0",
            "country_id": Organisation::COUNTRY.to_string(),
            "currency_id": org.tariff_plan.currency,
            "ext_reference": "",
            "monthly_cost_limit": null,
            "created": dates::php(org.tariff_plan.start_date),
            "verification_type_id": null,
            "verification": "",
            "brand_id": "1",
            "default_sms_routing_id": null,
        })));
    }
    Ok(Reply::json(json!({
        "id": org.id,
        "name": org.name,
        "ext_reference": "",
        "created": dates::php(org.tariff_plan.start_date),
        "monthly_cost_limit": null,
        "class": {"id": 3, "description": "Enterprise"},
        "type": {"id": 4, "description": "Enterprise"},
        "status": reference_data::row("organisation_status", 0),
        "country": Country::get(Organisation::COUNTRY).map(Country::json),
        "currency": reference_data::row("currency", org.tariff_plan.currency),
        "relation": [],
        "verification_type": null,
        "verification": "",
    })))
}

/// Volumes in force now. [S]
fn volumes(call: &mut Call<'_>) -> Answer {
    own(call, "org_id_or_my")?;
    let now = call.now;
    let held = call.org().inclusive_volumes.iter();
    let active = held.filter(|held| held.start_date <= now && held.end_date.is_none_or(|end| end > now));
    let rows: Vec<_> = active.filter_map(|held| volume_json(call, held)).collect();
    Ok(Reply::json(rows))
}

fn volume_json(call: &Call<'_>, held: &HeldVolume) -> Option<Value> {
    let mut tariffs = call.state.tariffs.values();
    let (tariff, volume) =
        tariffs.find_map(|tariff| Some((tariff, tariff.inclusive_volumes.get(&held.inclusive_volume)?)))?;
    let zone = tariff.rate_zones.get(&volume.rate_zone);
    Some(json!({
        "id": volume.id,
        "volume": volume.volume,
        "rate": volume.rate,
        "pooled": held.pooled,
        "start_date": dates::java(held.start_date),
        "end_date": held.end_date.map(dates::java),
        "currency": reference_data::row("currency", call.org().tariff_plan.currency),
        "tariff": {
            "id": tariff.id,
            "name": tariff.name,
            "tariff_status_id": 1,
            "ratezone": zone.map(|zone| json!({"id": zone.id, "name": zone.name, "ratezone_status_id": 1})),
        },
    }))
}

/// Buys a volume. [S]
fn hold_volume(call: &mut Call<'_>) -> Answer {
    own(call, "org_id_or_my")?;
    let id = call.id("inclusive_volume_id")?;
    if !call.state.tariffs.values().any(|tariff| tariff.inclusive_volumes.contains_key(&id)) {
        return Err(Refusal::not_found("Inclusive volume"));
    }
    let date = |field: &str| match call.field(field) {
        Value::Null => Ok(None),
        value => value
            .as_str()
            .and_then(dates::read)
            .map(Some)
            .ok_or_else(|| Refusal::bad_request(format!("{field} has an invalid format"))),
    };
    let held = HeldVolume {
        inclusive_volume: id,
        start_date: date("start_date")?.unwrap_or(call.now),
        end_date: date("end_date")?,
        pooled: body::flag(call.field("pooled")).unwrap_or(true),
    };
    let shown = json!({
        "id": id,
        "start_date": dates::java(held.start_date),
        "end_date": held.end_date.map(dates::java),
        "pooled": held.pooled,
    });
    let (org, _) = call.split();
    org.inclusive_volumes.retain(|held| held.inclusive_volume != id);
    org.inclusive_volumes.push(held);
    Ok(Reply::json(shown))
}

/// Evaluations only: every tariff profile gets the tariff with all its zones, and volumes end. [S]
fn change_tariff(call: &mut Call<'_>) -> Answer {
    own(call, "org_id")?;
    let id = body::id_of(call.body).ok_or_else(|| Refusal::invalid(vec![Issue::required("id")]))?;
    let tariff = call.state.tariffs.get(&id).ok_or_else(|| Refusal::not_found("Tariff"))?;
    let zones: Vec<u64> = tariff.rate_zones.keys().copied().collect();
    if !call.org().tariff_plan.evaluation {
        return Err(Refusal::coded(
            422,
            Code::NOT_ALLOWED,
            "Only the tariff of an evaluation can be changed",
        ));
    }
    let now = call.now;
    let (org, _) = call.split();
    org.tariff = Some(id);
    for profile in org.tariff_profiles.values_mut() {
        profile.tariff = id;
        profile.rate_zones.clone_from(&zones);
        profile.inclusive_volume = None;
    }
    for held in &mut org.inclusive_volumes {
        held.end_date = Some(held.end_date.map_or(now, |end| end.min(now)));
    }
    call.emit(Draft::new(31));
    Ok(Reply::done())
}
