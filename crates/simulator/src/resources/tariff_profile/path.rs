//! What a path names.

use crate::http::call::Call;
use crate::http::refusal::Refusal;
use crate::state::TariffProfile;

fn missing() -> Refusal {
    Refusal::not_found("Tariff profile")
}

/// The addressed profile, to read.
pub(super) fn profile<'a>(call: &'a Call<'_>) -> Result<&'a TariffProfile, Refusal> {
    call.org().tariff_profiles.get(&call.id("tariff_profile_id")?).ok_or_else(missing)
}

/// The addressed profile, to change.
pub(super) fn profile_mut<'a>(call: &'a mut Call<'_>) -> Result<&'a mut TariffProfile, Refusal> {
    let id = call.id("tariff_profile_id")?;
    let (org, _) = call.split();
    org.tariff_profiles.get_mut(&id).ok_or_else(missing)
}
