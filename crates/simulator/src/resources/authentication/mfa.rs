//! Second factors and trusted devices.

use data_encoding::BASE32_NOPAD;
use serde_json::{Value, json};

use super::totp;
use crate::http::body::{id_of, unsigned};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Code, Issue, Refusal};
use crate::rules::dates;
use crate::state::{Draft, MfaKey, User};

/// A new TOTP key, to be activated with a first code. The secret is shown once.
pub(super) fn create(call: &mut Call<'_>) -> Answer {
    let given = call.field("password").as_str().unwrap_or_default().to_lowercase();
    let type_is_totp = matches!(call.field("type"), Value::Null) || id_of(call.field("type")) == Some(0);
    let now = call.now;
    let seed = call.state.next_ids.mfa_key;
    let user = actor(call)?;
    if user.password_sha1 != given || !type_is_totp {
        return Err(Refusal::invalid(vec![Issue::format("password")]));
    }
    if user.mfa_keys.values().any(|key| key.status == 1) {
        return Err(Refusal::conflict("A second factor is active already"));
    }
    let username = user.username.clone();
    // Unique and repeatable from run to run, which is all a simulated secret must be.
    let secret_key = BASE32_NOPAD.encode(format!("simulated-key-{seed:06}").as_bytes());
    let key = MfaKey { id: 0, status: 0, secret_key: secret_key.clone(), creation_date: now };
    let user = call.caller.user.expect("checked by actor");
    let person = call.state.users.get_mut(&user).expect("checked by actor");
    let id = person.mfa_keys.add(&mut call.state.next_ids, key);
    Ok(Reply::json(json!({
        "id": id,
        "status": {"id": 0, "description": "Activation Pending"},
        "type": {"id": 0, "description": "TOTP"},
        "secret_key": secret_key,
        "otpauth": format!("otpauth://totp/emnify:{username}?secret={secret_key}&issuer=emnify"),
        "creation_date": dates::java(now),
    })))
}

/// Activates a key with a code of it.
pub(super) fn activate(call: &mut Call<'_>) -> Answer {
    let key = call.id("key_id")?;
    let wanted = id_of(call.field("status"));
    let code = match call.field("code") {
        Value::String(code) => code.clone(),
        other => other.to_string(),
    };
    let now = call.now;
    let key = actor(call)?.mfa_keys.get_mut(&key).ok_or_else(|| Refusal::not_found("MFA key"))?;
    if key.status == 1 {
        return Err(Refusal::conflict("The key is active already"));
    }
    if wanted != Some(1) || !totp::accepts(&key.secret_key, &code, now) {
        return Err(Refusal::invalid(vec![Issue::new(Code::INVALID_FORMAT, "code is wrong")]));
    }
    key.status = 1;
    Ok(Reply::done())
}

/// Removes a key.
pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let key = call.id("key_id")?;
    let user = visible(call)?;
    let removed = call.state.users.get_mut(&user).and_then(|user| user.mfa_keys.remove(&key));
    removed.ok_or_else(|| Refusal::not_found("MFA key"))?;
    call.emit(Draft::new(14));
    Ok(Reply::done())
}

/// Devices that skip the second factor.
pub(super) fn trusted_devices(call: &mut Call<'_>) -> Answer {
    let user = visible(call)?;
    let devices: Vec<Value> = call.state.users[&user]
        .trusted_devices
        .values()
        .map(|device| {
            json!({
                "id": device.id,
                "operating_system": device.operating_system,
                "browser": device.browser,
                "activation_date": dates::java(device.activation_date),
            })
        })
        .collect();
    Ok(Reply::json(devices))
}

/// Trusts a device no longer.
pub(super) fn distrust(call: &mut Call<'_>) -> Answer {
    let device = call.id("device_id")?;
    let user = visible(call)?;
    let removed = call.state.users.get_mut(&user).and_then(|user| user.trusted_devices.remove(&device));
    removed.ok_or_else(|| Refusal::not_found("trusted device"))?;
    Ok(Reply::done())
}

/// The acting person.
fn actor<'c>(call: &'c mut Call<'_>) -> Result<&'c mut User, Refusal> {
    let user = call.caller.user.unwrap_or(0);
    call.state.users.get_mut(&user).ok_or_else(|| Refusal::not_found("user"))
}

/// The person a path names, where the caller may see them: themselves, or an Administrator of the workspace.
fn visible(call: &Call<'_>) -> Result<u64, Refusal> {
    let wanted = unsigned(&Value::from(call.param("user_id"))).ok_or_else(|| Refusal::not_found("user"))?;
    let user = call.state.users.get(&wanted).ok_or_else(|| Refusal::not_found("user"))?;
    let own = call.caller.user == Some(wanted);
    let here = user.workspaces.iter().any(|one| one.organisation == call.caller.organisation);
    if own || (here && call.caller.roles.contains(&1)) { Ok(wanted) } else { Err(Refusal::not_found("user")) }
}
