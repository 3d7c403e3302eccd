//! DNS configurations: pairs of resolvers that service profiles refer to. No single read, no update. [S]

use std::net::IpAddr;

use serde_json::{Value, json};

use super::route::Route;
use crate::http::body;
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Issue, Refusal};
use crate::state::Dns;

/// The operations of this resource.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::java("dns-get", list),
        Route::java("dns-post", create),
        Route::java("dns-by-id-delete", delete),
    ]
}

/// A configuration as lists and service profiles show it. [S]
pub(super) fn show(dns: &Dns) -> Value {
    json!({
        "id": dns.id,
        "primary": dns.primary,
        "secondary": dns.secondary,
        "ip_address_version": dns.ip_address_version,
    })
}

#[allow(clippy::unnecessary_wraps, reason = "the type of handlers")]
fn list(call: &mut Call<'_>) -> Answer {
    Ok(Reply::json(call.org().dns.values().map(show).collect::<Vec<_>>()))
}

fn create(call: &mut Call<'_>) -> Answer {
    let mut issues = Vec::new();
    let version = match call.field("ip_address_version") {
        Value::Null => None,
        value => body::unsigned(value).filter(|version| [4, 6].contains(version)).or_else(|| {
            issues.push(Issue::format("ip_address_version"));
            None
        }),
    };
    if call.field("ip_address_version").is_null() {
        issues.push(Issue::required("ip_address_version"));
    }
    let mut resolver = |field: &str| match call.field(field).as_str().map(str::parse::<IpAddr>) {
        None => {
            issues.push(Issue::required(field));
            String::new()
        }
        Some(Ok(address)) if version.is_none_or(|version| (version == 6) == address.is_ipv6()) => {
            address.to_string()
        }
        Some(_) => {
            issues.push(Issue::format(field));
            String::new()
        }
    };
    let (primary, secondary) = (resolver("primary"), resolver("secondary"));
    let Some(ip_address_version) = version.filter(|_| issues.is_empty()) else {
        return Err(Refusal::invalid(issues));
    };
    let (org, next) = call.split();
    let id = org.dns.add(next, Dns { id: 0, primary, secondary, ip_address_version });
    Ok(Reply::created(format!("/api/v1/dns/{id}")))
}

/// Refused while a service profile refers to it. [S]
fn delete(call: &mut Call<'_>) -> Answer {
    let id = call.id("dns_id")?;
    let (org, _) = call.split();
    if !org.dns.contains_key(&id) {
        return Err(Refusal::not_found("DNS configuration"));
    }
    if org.service_profiles.values().any(|profile| profile.dns == Some(id)) {
        return Err(Refusal::conflict("The DNS configuration is used by a service profile"));
    }
    org.dns.remove(&id);
    Ok(Reply::done())
}
