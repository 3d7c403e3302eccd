//! Data limits of a profile: bytes per month, one for all traffic and one for satellites. No update. [S]

use serde_json::{Value, json};

use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::reference_data::{Service, row};
use crate::resources::route::Route;
use crate::state::DataLimit;

/// Id of the only period: a calendar month, UTC. [S]
const MONTHLY: u64 = 2;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::express("list-service-profile-traffic-limits", list),
        Route::express("add-service-profile-traffic-limit", add),
        Route::express("remove-service-profile-traffic-limits", remove_all),
        Route::express("delete-service-profile-traffic-limit", remove),
    ]
}

/// Here a missing profile is a 403. [S]
fn accessible(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.id("profile_id")?;
    if call.org().service_profiles.contains_key(&id) {
        Ok(id)
    } else {
        Err(Refusal::forbidden("Service profile is not found or not accessible"))
    }
}

fn show(limit: &DataLimit) -> Value {
    json!({
        "id": limit.id,
        "service": Service::get(limit.service).map(Service::short),
        "satellite_only": limit.satellite_only,
        "period": row("traffic_limit_period", limit.period),
        "volume": limit.volume,
        "warning_percent": limit.warning_percent,
    })
}

fn list(call: &mut Call<'_>) -> Answer {
    let id = accessible(call)?;
    let limits = call.org().service_profiles[&id].data_limits.values();
    Ok(Reply::json(limits.map(show).collect::<Vec<_>>()))
}

fn add(call: &mut Call<'_>) -> Answer {
    let id = accessible(call)?;
    let invalid = |what: &str| Refusal::bad_request(format!("{what} of the data limit is invalid"));
    let service =
        call.reference("service").filter(|id| *id == Service::DATA.id()).ok_or_else(|| invalid("service"))?;
    let period = match call.field("period") {
        Value::Null => MONTHLY,
        period => body::id_of(period).filter(|id| *id == MONTHLY).ok_or_else(|| invalid("period"))?,
    };
    let satellite_only = match call.field("satellite_only") {
        Value::Null => false,
        flag => body::flag(flag).ok_or_else(|| invalid("satellite_only"))?,
    };
    let volume =
        body::unsigned(call.field("volume")).filter(|volume| *volume > 0).ok_or_else(|| invalid("volume"))?;
    let warning_percent = match call.field("warning_percent") {
        Value::Null => None,
        percent => Some(
            body::unsigned(percent)
                .filter(|percent| *percent <= 100)
                .ok_or_else(|| invalid("warning_percent"))?,
        ),
    };
    let limit = DataLimit { id: 0, service, satellite_only, period, volume, warning_percent };
    let (org, next) = call.split();
    let limits = &mut org.service_profiles.get_mut(&id).expect("looked up above").data_limits;
    if limits.values().any(|other| other.service == service && other.satellite_only == satellite_only) {
        return Err(Refusal::duplicated(
            "There is a data limit for this service and radio technology already",
        ));
    }
    let limit = limits.add(next, limit);
    Ok(Reply::created(format!("/api/v1/service_profile/{id}/traffic_limit/{limit}")))
}

fn remove_all(call: &mut Call<'_>) -> Answer {
    let id = accessible(call)?;
    let (org, _) = call.split();
    org.service_profiles.get_mut(&id).expect("looked up above").data_limits.clear();
    Ok(Reply::done())
}

fn remove(call: &mut Call<'_>) -> Answer {
    let id = accessible(call)?;
    let limit = call.id("limit_id")?;
    let (org, _) = call.split();
    let limits = &mut org.service_profiles.get_mut(&id).expect("looked up above").data_limits;
    limits.remove(&limit).ok_or_else(|| Refusal::not_found("Data limit"))?;
    Ok(Reply::done())
}
