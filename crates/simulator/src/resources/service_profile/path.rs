//! What a path names.

use crate::http::call::Call;
use crate::http::refusal::Refusal;
use crate::state::ServiceProfile;

fn missing() -> Refusal {
    Refusal::not_found("Service profile")
}

/// The addressed profile, to read.
pub(super) fn profile<'a>(call: &'a Call<'_>) -> Result<&'a ServiceProfile, Refusal> {
    call.org().service_profiles.get(&call.id("profile_id")?).ok_or_else(missing)
}

/// The addressed profile, to change.
pub(super) fn profile_mut<'a>(call: &'a mut Call<'_>) -> Result<&'a mut ServiceProfile, Refusal> {
    let id = call.id("profile_id")?;
    let (org, _) = call.split();
    org.service_profiles.get_mut(&id).ok_or_else(missing)
}
