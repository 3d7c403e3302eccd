//! How service profiles look: one shape in the list, another alone.

use serde_json::{Map, Value, json};

use crate::reference_data::{self, Service, SmsLimit};
use crate::resources::{dns, integration};
use crate::rules::php;
use crate::state::{Organisation, ProfileService, ServiceProfile};

/// An entry of the list: flags as `"1"` and `"0"`, no services. [L]
pub(super) fn row(profile: &ServiceProfile, org: &Organisation) -> Value {
    Value::Object(common(profile, org, php::flag_in_list))
}

/// A single profile: flags as 1 and 0, with its services and their SMS limits. [L]
pub(super) fn detail(profile: &ServiceProfile, org: &Organisation) -> Value {
    let mut shape = common(profile, org, php::flag_in_detail);
    shape.insert("moc_callback_id".to_owned(), json!(profile.moc_callback.map(|id| id.to_string())));
    shape.insert("service".to_owned(), profile.services.iter().map(service).collect());
    Value::Object(shape)
}

fn common(profile: &ServiceProfile, org: &Organisation, flag: fn(bool) -> Value) -> Map<String, Value> {
    let callback = |id: Option<u64>| {
        id.and_then(|id| org.api_callbacks.get(&id)).map(|row| integration::callback(row, org))
    };
    let secret = profile.api_secret.and_then(|id| org.api_secrets.get(&id));
    let interface = profile.esme_interface_type.and_then(|id| reference_data::row("esme_interface_type", id));
    let region = profile.breakout_region.and_then(|id| reference_data::row("breakout_region", id));
    let shape = json!({
        "id": profile.id,
        "organisation_id": php::text(&org.id),
        "name": profile.name,
        "description": profile.description,
        "allowed_2g": flag(profile.allowed_2g),
        "allowed_3g": flag(profile.allowed_3g),
        "allowed_4g": flag(profile.allowed_4g),
        "allowed_nb_iot": flag(profile.allowed_nb_iot),
        "allowed_nb_iot_geo": flag(profile.allowed_nb_iot_geo),
        "apply_quota": flag(profile.apply_data_quota),
        "apply_data_quota": flag(profile.apply_data_quota),
        "apply_sms_quota": flag(profile.apply_sms_quota),
        "retail": flag(profile.retail),
        "prepaid": flag(profile.prepaid),
        "nipdp": flag(profile.nipdp),
        "sms_p2p_int": flag(profile.sms_p2p_int),
        "sms_p2p_ext": flag(profile.sms_p2p_ext),
        "used_count": php::text(&org.service_profile_use(profile.id)),
        "api_callback": callback(profile.api_callback),
        "api_secret": secret.map(|row| integration::secret(row, org)),
        "moc_callback": callback(profile.moc_callback),
        "esme_interface_type": interface,
        "breakout_region": region,
        "dns": profile.dns.and_then(|id| org.dns.get(&id)).map(dns::show),
        "ip_firewall_rule_set": {"ip_firewall_profiles": [], "enforce": false},
    });
    match shape {
        Value::Object(shape) => shape,
        _ => Map::new(),
    }
}

/// A service with its SMS limits. The name of the inner list is ours, after the collection's. [?]
fn service(granted: &ProfileService) -> Value {
    let limits = granted.traffic_limits.iter().filter_map(|id| SmsLimit::get(*id)).map(SmsLimit::json);
    let mut shape =
        Service::get(granted.service).map_or_else(|| json!({"id": granted.service}), Service::short);
    shape["traffic_limit"] = limits.collect();
    shape
}
