//! What a path names.

use crate::http::call::Call;
use crate::http::refusal::Refusal;

/// The eUICC a path names.
pub(super) fn addressed(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.param("euicc_id").parse().ok().filter(|id| call.org().euiccs.contains_key(id));
    id.ok_or_else(|| Refusal::with_status(404, "eUICC not found"))
}
