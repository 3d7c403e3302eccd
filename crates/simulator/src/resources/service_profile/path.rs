//! What a path names.

use crate::http::call::Call;
use crate::http::refusal::Refusal;
use crate::state::ServiceProfile;

/// The addressed profile, to read.
pub(super) fn profile<'a>(call: &'a Call<'_>) -> Result<&'a ServiceProfile, Refusal> {
    call.record("profile_id", |org| &org.service_profiles, "Service profile")
}

/// The addressed profile, to change.
pub(super) fn profile_mut<'a>(call: &'a mut Call<'_>) -> Result<&'a mut ServiceProfile, Refusal> {
    call.record_mut("profile_id", |org| &mut org.service_profiles, "Service profile")
}
