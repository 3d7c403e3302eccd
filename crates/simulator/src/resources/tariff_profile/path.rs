//! What a path names.

use crate::http::call::Call;
use crate::http::refusal::Refusal;
use crate::state::TariffProfile;

/// The addressed profile, to read.
pub(super) fn profile<'a>(call: &'a Call<'_>) -> Result<&'a TariffProfile, Refusal> {
    call.record("tariff_profile_id", |org| &org.tariff_profiles, "Tariff profile")
}

/// The addressed profile, to change.
pub(super) fn profile_mut<'a>(call: &'a mut Call<'_>) -> Result<&'a mut TariffProfile, Refusal> {
    call.record_mut("tariff_profile_id", |org| &mut org.tariff_profiles, "Tariff profile")
}
