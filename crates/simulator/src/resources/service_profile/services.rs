//! Services of a profile, and the fixed SMS limits on them.

use super::path::profile_mut;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Refusal};
use crate::reference_data::{Service, SmsLimit};
use crate::resources::route::Route;
use crate::state::{ProfileService, ServiceProfile};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::php("service-profile-service-by-profile-and-service-put", add),
        Route::php("service-profile-service-by-profile-and-service-delete", remove),
        Route::php("add-traffic-limit", add_limit),
        Route::php("remove-traffic-limit", remove_limit),
    ]
}

fn granted(profile: &mut ServiceProfile, service: u64) -> Option<&mut ProfileService> {
    profile.services.iter_mut().find(|granted| granted.service == service)
}

/// Voice can be added, but the platform does not offer it. [S]
fn add(call: &mut Call<'_>) -> Answer {
    let service = call.id("service_id")?;
    let profile = profile_mut(call)?;
    if Service::get(service).is_none() {
        return Err(Refusal::not_found("Service"));
    }
    if granted(profile, service).is_some() {
        return Err(Refusal::duplicated("The service is already part of the service profile"));
    }
    profile.services.push(ProfileService { service, traffic_limits: Vec::new() });
    Ok(Reply::done())
}

/// Refused while the service has limits. [S]
fn remove(call: &mut Call<'_>) -> Answer {
    let service = call.id("service_id")?;
    let profile = profile_mut(call)?;
    let held = granted(profile, service).ok_or_else(|| Refusal::not_found("Service"))?;
    let sms_limited = !held.traffic_limits.is_empty();
    if sms_limited || profile.data_limits.values().any(|limit| limit.service == service) {
        return Err(Refusal::conflict("The service has traffic limits"));
    }
    profile.services.retain(|granted| granted.service != service);
    Ok(Reply::done())
}

/// Any trouble but an unknown limit is a 422. [S]
fn trouble(message: &str) -> Refusal {
    Refusal::coded(422, Code::NOT_ALLOWED, message)
}

fn add_limit(call: &mut Call<'_>) -> Answer {
    let (service, limit) = (call.id("service_id")?, call.id("limit_id")?);
    let profile = profile_mut(call)?;
    let limit = SmsLimit::get(limit)
        .filter(|limit| limit.service.id() == service)
        .ok_or_else(|| Refusal::not_found("SMS limit"))?;
    let granted =
        granted(profile, service).ok_or_else(|| trouble("The service is not part of the service profile"))?;
    if granted.traffic_limits.contains(&limit.id) {
        return Err(trouble("The SMS limit is already assigned"));
    }
    granted.traffic_limits.push(limit.id);
    Ok(Reply::done())
}

/// Removes the limit, if any. [S]
fn remove_limit(call: &mut Call<'_>) -> Answer {
    let (service, limit) = (call.id("service_id")?, call.id("limit_id")?);
    if let Some(granted) = granted(profile_mut(call)?, service) {
        granted.traffic_limits.retain(|id| *id != limit);
    }
    Ok(Reply::done())
}
