//! Tariff profiles ("coverage policies"): where devices may go. Served by PHP: ids and counts as strings. [L]

mod blocklist;
mod path;
mod shape;
mod zones;

use serde_json::Value;

use self::path::{profile, profile_mut};
use super::route::{Class, Route};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::state::TariffProfile;

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::php("tariff-profile-get", list).class(Class::Hundred),
        Route::php("tariff-profile-post", create),
        Route::php("tariff-profile-by-id-get", read).class(Class::Hundred),
        Route::php("tariff-profile-by-id-patch", patch),
        Route::php("tariff-profile-by-id-delete", delete),
    ];
    routes.extend(zones::routes());
    routes.extend(blocklist::routes());
    routes
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    let rows = org.tariff_profiles.values().map(|profile| shape::row(profile, org, call.state));
    Ok(Reply::json(rows.collect::<Vec<_>>()))
}

fn read(call: &mut Call<'_>) -> Answer {
    Ok(Reply::json(shape::detail(profile(call)?, call.org(), call.state, call.now)))
}

/// Writes what the body says into a profile.
fn apply(profile: &mut TariffProfile, call: &Call<'_>) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (field, text) in [("name", &mut profile.name), ("description", &mut profile.description)] {
        match call.field(field) {
            Value::Null => {}
            Value::String(value) => text.clone_from(value),
            _ => issues.push(Issue::format(field)),
        }
    }
    if !call.field("tariff").is_null() {
        match call.reference("tariff") {
            Some(id) if id == profile.tariff => {}
            Some(id) if call.state.tariffs.contains_key(&id) => {
                // Another tariff has other zones: nothing stays selected. [S]
                profile.tariff = id;
                profile.rate_zones.clear();
                profile.inclusive_volume = None;
            }
            Some(_) => issues.push(Issue::reference("tariff")),
            None => issues.push(Issue::format("tariff")),
        }
    }
    if profile.name.is_empty() {
        issues.push(Issue::required("name"));
    }
    issues
}

/// A new profile has no zone selected, so its devices are blocked everywhere. [P]
fn create(call: &mut Call<'_>) -> Answer {
    let mut profile = TariffProfile::default();
    let mut issues = apply(&mut profile, call);
    if call.field("tariff").is_null() {
        issues.push(Issue::required("tariff"));
    }
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    let most = call.org().tariff_plan.max_tariff_profiles;
    if most.is_some_and(|most| call.org().tariff_profiles.len() as u64 >= most) {
        return Err(Refusal::coded(
            422,
            Code::NOT_ALLOWED,
            "The tariff plan allows no further tariff profile",
        ));
    }
    let (org, next) = call.split();
    let id = org.tariff_profiles.add(next, profile);
    Ok(Reply::created(format!("/api/v1/tariff_profile/{id}")))
}

fn patch(call: &mut Call<'_>) -> Answer {
    let mut changed = profile(call)?.clone();
    let issues = apply(&mut changed, call);
    if !issues.is_empty() {
        return Err(Refusal::invalid(issues));
    }
    *profile_mut(call)? = changed;
    Ok(Reply::done())
}

/// Refused while a device uses it. [S]
fn delete(call: &mut Call<'_>) -> Answer {
    let id = profile(call)?.id;
    if call.org().tariff_profile_use(id) > 0 {
        return Err(Refusal::conflict("The tariff profile is used by endpoints"));
    }
    let (org, _) = call.split();
    org.tariff_profiles.remove(&id);
    Ok(Reply::done())
}
