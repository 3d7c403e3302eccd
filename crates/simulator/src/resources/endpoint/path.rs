//! What a path names.

use crate::http::call::Call;
use crate::http::refusal::Refusal;

/// The device a path names.
///
/// # Errors
/// 400 for what is no number; 404, code 1401, where there is none. [R]
pub(super) fn addressed(call: &Call<'_>) -> Result<u64, Refusal> {
    let id = call.object("endpoint_id", "Endpoint")?;
    if call.org().endpoints.contains_key(&id) { Ok(id) } else { Err(Refusal::missing("Endpoint", id)) }
}
