//! Callbacks and the secrets that sign them: what service profiles refer to. Immutable; secrets are never shown. [S]

use serde_json::{Value, json};

use super::route::Route;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Issue, Refusal};
use crate::rules::{dates, php};
use crate::state::{ApiCallback, ApiSecret, Organisation};

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::php("get-api-callback-ur-ls", list_callbacks),
        Route::php("create-callback-url", create_callback),
        Route::php("get-callback-ur-lby-id", read_callback),
        Route::php("delete-callback-url", delete_callback),
        Route::php("get-api-callback-secret", list_secrets),
        Route::php("create-callback-secret", create_secret),
        Route::php("get-callback-secretby-id", read_secret),
        Route::php("delete-callback-secret", delete_secret),
    ]
}

/// A callback as lists and service profiles show it. [D]
pub(super) fn callback(callback: &ApiCallback, org: &Organisation) -> Value {
    json!({
        "organisation_id": php::text(&org.id),
        "url": callback.url,
        "created": dates::php(callback.created),
        "purpose": callback.purpose,
        "id": callback.id,
    })
}

/// A secret as lists and service profiles show it: without itself. [D]
pub(super) fn secret(secret: &ApiSecret, org: &Organisation) -> Value {
    json!({"organisation_id": php::text(&org.id), "purpose": secret.purpose, "id": secret.id})
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list_callbacks(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    Ok(Reply::json(org.api_callbacks.values().map(|row| callback(row, org)).collect::<Vec<_>>()))
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list_secrets(call: &mut Call<'_>) -> Answer {
    let org = call.org();
    Ok(Reply::json(org.api_secrets.values().map(|row| secret(row, org)).collect::<Vec<_>>()))
}

fn text(call: &Call<'_>, field: &str) -> Option<String> {
    call.field(field).as_str().map(str::to_owned)
}

fn create_callback(call: &mut Call<'_>) -> Answer {
    let url = text(call, "url").ok_or_else(|| Refusal::invalid(vec![Issue::required("url")]))?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(Refusal::invalid(vec![Issue::format("url")]));
    }
    let purpose = text(call, "purpose").unwrap_or_default();
    let created = call.now;
    let (org, next) = call.split();
    let id = org.api_callbacks.add(next, ApiCallback { id: 0, url, purpose, created });
    Ok(Reply::created(format!("/api/v1/api_callback/{id}")))
}

fn read_callback(call: &mut Call<'_>) -> Answer {
    let row = call.record("api_callback_id", |org| &org.api_callbacks, "API callback")?;
    Ok(Reply::json(callback(row, call.org())))
}

/// Refused while a service profile refers to it. [?]
fn delete_callback(call: &mut Call<'_>) -> Answer {
    let id = call.id("api_callback_id")?;
    let (org, _) = call.split();
    if org
        .service_profiles
        .values()
        .any(|profile| [profile.api_callback, profile.moc_callback].contains(&Some(id)))
    {
        return Err(Refusal::conflict("The API callback is used by a service profile"));
    }
    org.api_callbacks.remove(&id).ok_or_else(|| Refusal::not_found("API callback"))?;
    Ok(Reply::done())
}

/// The listing says that "the `secret` property itself is not returned" [S]: that is the field; that it is required is ours. [?]
fn create_secret(call: &mut Call<'_>) -> Answer {
    let value = text(call, "secret").ok_or_else(|| Refusal::invalid(vec![Issue::required("secret")]))?;
    let purpose = text(call, "purpose").unwrap_or_default();
    let (org, next) = call.split();
    let id = org.api_secrets.add(next, ApiSecret { id: 0, secret: value, purpose });
    Ok(Reply::created(format!("/api/v1/api_secret/{id}")))
}

fn read_secret(call: &mut Call<'_>) -> Answer {
    let row = call.record("api_secret_id", |org| &org.api_secrets, "API secret")?;
    Ok(Reply::json(secret(row, call.org())))
}

/// Refused while a service profile refers to it. [?]
fn delete_secret(call: &mut Call<'_>) -> Answer {
    let id = call.id("api_secret_id")?;
    let (org, _) = call.split();
    if org.service_profiles.values().any(|profile| profile.api_secret == Some(id)) {
        return Err(Refusal::conflict("The API secret is used by a service profile"));
    }
    org.api_secrets.remove(&id).ok_or_else(|| Refusal::not_found("API secret"))?;
    Ok(Reply::done())
}
