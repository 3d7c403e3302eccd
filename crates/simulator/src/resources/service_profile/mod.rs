//! Service profiles ("service policies"): what devices may do. Served by PHP: flags are strings in the list and numbers in
//! the single object. [L]

mod fields;
mod limits;
mod path;
mod services;
mod shape;
#[cfg(test)]
mod tests;

use self::path::{profile, profile_mut};
use super::route::{Class, Route};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::state::{Actor, Draft, Organisation, ServiceProfile};

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::php("service-profile-get", list).class(Class::Hundred),
        Route::php("service-profile-post", create),
        Route::php("service-profile-by-profile-id-get", read).class(Class::Hundred),
        Route::php("service-profile-by-profile-id-patch", patch),
        Route::php("service-profile-by-profile-id-delete", delete),
        Route::php("delete-quota-by-service-profile-id", strip_quotas),
    ];
    routes.extend(services::routes());
    routes.extend(limits::routes());
    routes
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    Ok(Reply::json(org.service_profiles.values().map(|profile| shape::row(profile, org)).collect::<Vec<_>>()))
}

fn read(call: &mut Call<'_>) -> Answer {
    Ok(Reply::json(shape::detail(profile(call)?, call.org())))
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut profile = ServiceProfile {
        // A new profile talks through the web interface and breaks out in the first region. [?]
        esme_interface_type: Some(0),
        breakout_region: Some(1),
        ..ServiceProfile::default()
    };
    let mut issues = fields::apply(&mut profile, call.body, call.org());
    if profile.name.is_empty() {
        issues.insert(0, Issue::required("name"));
    }
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    let most = call.org().tariff_plan.max_service_profiles;
    if most.is_some_and(|most| call.org().service_profiles.len() as u64 >= most) {
        return Err(Refusal::coded(
            422,
            Code::NOT_ALLOWED,
            "The tariff plan allows no further service profile",
        ));
    }
    let flags = (profile.apply_data_quota, profile.apply_sms_quota);
    let (org, next) = call.split();
    let id = org.service_profiles.add(next, profile);
    tell_of_quotas(call, (false, false), flags);
    Ok(Reply::created(format!("/api/v1/service_profile/{id}")))
}

/// Answers 201 like a creation. [S] A quota flag turned on cuts devices without quota. [P]
fn patch(call: &mut Call<'_>) -> Answer {
    let mut changed = profile(call)?.clone();
    let before = (changed.apply_data_quota, changed.apply_sms_quota);
    let mut issues = fields::apply(&mut changed, call.body, call.org());
    if changed.name.is_empty() {
        issues.insert(0, Issue::required("name"));
    }
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    let after = (changed.apply_data_quota, changed.apply_sms_quota);
    let id = changed.id;
    *profile_mut(call)? = changed;
    lift_blocks(call, id);
    tell_of_quotas(call, before, after);
    cut(call, id);
    Ok(Reply::done())
}

/// A changed policy lets devices in again that a traffic limit had shut out. [P]
fn lift_blocks(call: &mut Call<'_>, profile: u64) {
    let (org, _) = call.split();
    for endpoint in org.endpoints.values_mut().filter(|endpoint| endpoint.service_profile == profile) {
        endpoint.connectivity.blocked = false;
    }
}

fn cut(call: &mut Call<'_>, profile: u64) {
    let (now, user) = (call.now, call.acting_user());
    let (org, next) = call.split();
    org.cut_without_quota(&mut Actor { next, now, user }, profile);
}

/// Events 52 to 55: quota management turned on or off, for data and for SMS.
fn tell_of_quotas(call: &mut Call<'_>, before: (bool, bool), after: (bool, bool)) {
    for (before, after, enabled, disabled) in [(before.0, after.0, 52, 53), (before.1, after.1, 54, 55)] {
        if before != after {
            call.emit(Draft::new(if after { enabled } else { disabled }));
        }
    }
}

/// Refused while a device uses it. [S]
fn delete(call: &mut Call<'_>) -> Answer {
    let id = profile(call)?.id;
    if call.org().service_profile_use(id) > 0 {
        return Err(Refusal::conflict("The service profile is used by endpoints"));
    }
    let (org, _) = call.split();
    org.service_profiles.remove(&id);
    Ok(Reply::done())
}

/// Takes the data or SMS quotas off all devices of a profile; succeeds with none. [S]
fn strip_quotas(call: &mut Call<'_>) -> Answer {
    let profile = profile(call)?.id;
    let data = match call.param("quota_type") {
        "data" => true,
        "sms" => false,
        other => return Err(Refusal::bad_request(format!("{other} is no type of quota"))),
    };
    let (org, _) = call.split();
    for id in take_quotas(org, profile, data) {
        call.emit(Draft::new(if data { 57 } else { 59 }).endpoint(id));
    }
    cut(call, profile);
    Ok(Reply::done())
}

fn take_quotas(org: &mut Organisation, profile: u64, data: bool) -> Vec<u64> {
    let endpoints = org.endpoints.values_mut().filter(|endpoint| endpoint.service_profile == profile);
    endpoints
        .filter_map(|endpoint| {
            let quota = if data { &mut endpoint.data_quota } else { &mut endpoint.sms_quota };
            quota.take().map(|_| endpoint.id)
        })
        .collect()
}
