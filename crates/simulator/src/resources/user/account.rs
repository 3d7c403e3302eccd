//! Passwords and activation. The key of an activation mail is `activate-<user id>` here. [?]

use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::{Issue, Refusal};
use crate::resources::route::{Needs, Route};
use crate::state::Draft;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::java("user-password-patch", password).needs(Needs::Person),
        Route::java("user-activation-post", activate).needs(Needs::Nothing),
        Route::java("user-activation-resend-post", resend).needs(Needs::Nothing),
        Route::express("accept-user-invitation", accept).needs(Needs::Nothing),
    ]
}

/// A password as it travels: lower-case hex SHA-1. [D]
fn digest(call: &Call<'_>, field: &str) -> Option<String> {
    let digest = call.field(field).as_str()?.to_lowercase();
    (digest.len() == 40 && digest.chars().all(|digit| digit.is_ascii_hexdigit())).then_some(digest)
}

fn password(call: &mut Call<'_>) -> Answer {
    let (old, new) = (digest(call, "old_password"), digest(call, "new_password"));
    let user = call.caller.user.and_then(|id| call.state.users.get_mut(&id));
    let user = user.ok_or_else(|| Refusal::not_found("User"))?;
    match (old, new) {
        (_, None) => Err(Refusal::invalid(vec![Issue::format("new_password")])),
        (Some(old), Some(new)) if old == user.password_sha1 => {
            user.password_sha1 = new;
            Ok(Reply::done())
        }
        _ => Err(Refusal::invalid(vec![Issue::format("old_password")])),
    }
}

/// Makes someone active whose key and password the body carries.
fn open(call: &mut Call<'_>) -> Option<u64> {
    let id: u64 = call.field("activationKey").as_str()?.strip_prefix("activate-")?.parse().ok()?;
    let password = digest(call, "password");
    let user = call.state.users.get_mut(&id).filter(|user| user.status == 0)?;
    // Someone who has an account accepts a further workspace without a password.
    if password.is_none() && user.password_sha1.is_empty() {
        return None;
    }
    user.password_sha1 = password.unwrap_or_else(|| std::mem::take(&mut user.password_sha1));
    user.status = 1;
    for at in &mut user.workspaces {
        at.status = 1;
    }
    let home = user.workspaces.first()?.organisation;
    let now = call.now;
    let (org, next) = call.state.split(home);
    org.emit(next, now, Draft::new(41));
    Some(id)
}

fn activate(call: &mut Call<'_>) -> Answer {
    open(call).map(|_| Reply::done()).ok_or_else(|| Refusal::bad_request("The activation key is not valid"))
}

fn accept(call: &mut Call<'_>) -> Answer {
    let name = call.field("name").as_str().map(str::to_owned);
    let id = open(call).ok_or_else(|| Refusal::forbidden("The activation key is not valid"))?;
    if let (Some(name), Some(user)) = (name, call.state.users.get_mut(&id)) {
        user.name = name;
    }
    Ok(Reply::done())
}

/// Tells nobody whether the account exists; asks for the answer of a reCAPTCHA. [S]
fn resend(call: &mut Call<'_>) -> Answer {
    for field in ["username", "g-recaptcha-response"] {
        if call.field(field).as_str().is_none_or(str::is_empty) {
            return Err(Refusal::bad_request(format!("{field} is required")));
        }
    }
    Ok(Reply::done())
}
