//! What a path names.

use crate::http::call::Call;
use crate::http::refusal::Refusal;

/// The SIM a path names.
pub(super) fn addressed(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.object("sim_id", "SIM")?;
    if call.org().sims.contains_key(&id) { Ok(id) } else { Err(Refusal::missing("SIM", id)) }
}
