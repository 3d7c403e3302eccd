//! Fixed lookups: countries, operators, services, limits, currencies, regions, technologies and the like.

use serde_json::{Value, json};

use super::route::Route;
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::reference_data::{self, Country, Operator, Service, SmsLimit};

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::php("breakout-region-get", |_| rows("breakout_region")),
        Route::php("country-get", countries),
        Route::php("currency-get", |_| rows("currency")),
        Route::php("data-blocksize-get", |_| rows("data_blocksize")),
        Route::php("data-throttle-get", |_| rows("data_throttle")),
        Route::php("esme-interface-type-get", |_| rows("esme_interface_type")),
        Route::php("rat-type", |_| rows("rat_type")),
        Route::express("list-service-levels", |_| rows("service_level")),
        Route::php("operator-get", |_| Ok(Reply::json(all(Operator::all(), Operator::lookup_json)))),
        Route::php("service-get", |_| rows("service")),
        Route::php("traffic-limit-get", |_| {
            Ok(Reply::json(SmsLimit::all().map(SmsLimit::json_with_service).collect::<Vec<_>>()))
        }),
        Route::php("service-traffic-limit-by-id-get", limits_of_service),
        Route::java("organisation-status-get", |_| rows("organisation_status")),
        Route::java("user-role-get", |_| rows("user_role")),
        Route::java("user-status-get", |_| rows("user_status")),
        Route::java("user-mfa-status-get", |_| rows("mfa_status")),
        Route::java("user-mfa-type-get", |_| rows("mfa_type")),
        Route::express("list-tag-colors", |_| rows("tag_color")),
    ]
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn rows(lookup: &str) -> Answer {
    Ok(Reply::json(reference_data::rows(lookup).to_vec()))
}

fn all<T>(rows: &[T], show: fn(&T) -> Value) -> Vec<Value> {
    rows.iter().map(show).collect()
}

/// `?geographic=true` leaves out second entries of a country. [S]
#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn countries(call: &mut Call<'_>) -> Answer {
    let geographic = call.query("geographic").and_then(|value| body::flag(&json!(value))).unwrap_or(false);
    let rows: Vec<_> = Country::all()
        .iter()
        .filter(|country| country.geographic || !geographic)
        .map(Country::json)
        .collect();
    Ok(Reply::json(rows))
}

fn limits_of_service(call: &mut Call<'_>) -> Answer {
    let service = Service::get(call.id("service_id")?).ok_or_else(|| Refusal::not_found("Service"))?;
    let rows: Vec<_> = SmsLimit::all().filter(|limit| limit.service == service).map(SmsLimit::json).collect();
    Ok(Reply::json(rows))
}
