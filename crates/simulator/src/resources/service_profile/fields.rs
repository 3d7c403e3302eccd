//! What a request may say about a service profile.

use serde_json::Value;

use crate::http::body::{self, Wanted};
use crate::http::refusal::Issue;
use crate::reference_data;
use crate::state::{Organisation, ServiceProfile};

/// Writes what the body says into a profile. What it leaves out stays; extra keys are ignored. [R]
pub(super) fn apply(profile: &mut ServiceProfile, body: &Value, org: &Organisation) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (field, text) in [("name", &mut profile.name), ("description", &mut profile.description)] {
        match body.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(value)) => text.clone_from(value),
            Some(_) => issues.push(Issue::format(field)),
        }
    }
    // The older name of the data flag counts only where the newer one is missing. [S]
    let data_quota = if body.get("apply_data_quota").is_some() { "apply_data_quota" } else { "apply_quota" };
    for (field, flag) in [
        ("allowed_2g", &mut profile.allowed_2g),
        ("allowed_3g", &mut profile.allowed_3g),
        ("allowed_4g", &mut profile.allowed_4g),
        ("allowed_nb_iot", &mut profile.allowed_nb_iot),
        ("allowed_nb_iot_geo", &mut profile.allowed_nb_iot_geo),
        (data_quota, &mut profile.apply_data_quota),
        ("apply_sms_quota", &mut profile.apply_sms_quota),
        ("retail", &mut profile.retail),
        ("prepaid", &mut profile.prepaid),
        ("nipdp", &mut profile.nipdp),
        ("sms_p2p_int", &mut profile.sms_p2p_int),
        ("sms_p2p_ext", &mut profile.sms_p2p_ext),
    ] {
        if let Some(value) = body.get(field) {
            match body::flag(value) {
                Some(value) => *flag = value,
                None => issues.push(Issue::format(field)),
            }
        }
    }
    references(profile, body, org, &mut issues);
    issues
}

/// Whether an id means something.
type Known<'a> = &'a dyn Fn(u64) -> bool;

/// Callback, secret and DNS can be cleared; the interface and the region only be replaced. [S][?]
fn references(profile: &mut ServiceProfile, body: &Value, org: &Organisation, issues: &mut Vec<Issue>) {
    let known_interface = |id| reference_data::row("esme_interface_type", id).is_some();
    let known_region = |id| reference_data::row("breakout_region", id).is_some();
    let known_dns = |id| org.dns.contains_key(&id);
    let known_callback = |id| org.api_callbacks.contains_key(&id);
    let known_secret = |id| org.api_secrets.contains_key(&id);
    let references: [(&str, &mut Option<u64>, Known<'_>, bool); 6] = [
        ("api_callback", &mut profile.api_callback, &known_callback, true),
        ("api_secret", &mut profile.api_secret, &known_secret, true),
        ("moc_callback", &mut profile.moc_callback, &known_callback, true),
        ("dns", &mut profile.dns, &known_dns, true),
        ("esme_interface_type", &mut profile.esme_interface_type, &known_interface, false),
        ("breakout_region", &mut profile.breakout_region, &known_region, false),
    ];
    for (field, target, known, clearable) in references {
        match body::wanted(body, field) {
            Wanted::Unsaid => {}
            Wanted::Cleared if clearable => *target = None,
            Wanted::Id(id) if known(id) => *target = Some(id),
            Wanted::Id(_) | Wanted::Impossible(_) => issues.push(Issue::reference(field)),
            Wanted::Cleared | Wanted::Unreadable => issues.push(Issue::format(field)),
        }
    }
}
