//! What roles permit, and tokens that let emnify's support act as somebody.

use serde_json::{Map, Value, json};

use super::membership::{addressed, is_support, membership, missing};
use crate::http::call::{Answer, Call, Reply};
use crate::http::refusal::Refusal;
use crate::http::token::{self, Claims};
use crate::resources::route::{Needs, Route};
use crate::state::Draft;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::java("user-role-permission-by-id-get", permissions),
        Route::express("user-by-id-v-2-create-support-token", support).needs(Needs::Read),
    ]
}

/// What the table speaks of. Its content is not published. [?]
const SUBJECTS: [&str; 6] = ["endpoint", "sim", "service_profile", "tariff_profile", "user", "organisation"];

/// How long a support token lives, in seconds. [?]
const SUPPORT: u64 = 3600;

/// An object of strings [?]; `my` is the caller, which may be an application.
fn permissions(call: &mut Call<'_>) -> Answer {
    let roles = if call.param("user_id") == "my" {
        call.caller.roles.clone()
    } else {
        let user = &call.state.users[&addressed(call)?];
        membership(user, call.caller.organisation).ok_or_else(missing)?.roles.clone()
    };
    let all = SUBJECTS.iter().map(|subject| ((*subject).to_owned(), Value::from(permitted(subject, &roles))));
    Ok(Reply::json(all.collect::<Map<_, _>>()))
}

fn permitted(subject: &str, roles: &[u64]) -> &'static str {
    let account = matches!(subject, "user" | "organisation");
    if roles.contains(&1) || (roles.contains(&2) && !account) { "write" } else { "read" }
}

/// Only for emnify's own people. [S]
fn support(call: &mut Call<'_>) -> Answer {
    let user = addressed(call)?;
    if !call.caller.roles.iter().any(|role| is_support(*role)) {
        return Err(Refusal::forbidden("Only emnify's support may act as somebody else"));
    }
    let organisation = call.caller.organisation;
    call.state.next_ids.token += 1;
    let claims = Claims {
        user: Some(user),
        organisation,
        organisation_name: call.org().name.clone(),
        iat: call.now.as_second(),
        exp: call.now.as_second().saturating_add_unsigned(SUPPORT),
        jti: call.state.next_ids.token,
        ..Claims::default()
    };
    call.emit(Draft::new(13));
    Ok(Reply::json(json!({"support_token": token::sign(&claims, &call.state.signing_key)})))
}
