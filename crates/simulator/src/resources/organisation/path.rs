//! Whom a path names.

use crate::http::call::Call;
use crate::http::refusal::Refusal;

/// The path names the caller's own organisation: by its id or as `my`.
pub(super) fn own(call: &Call<'_>, param: &str) -> Result<(), Refusal> {
    let named = call.param(param);
    if named == "my" || named.parse() == Ok(call.caller.organisation) {
        Ok(())
    } else {
        Err(Refusal::forbidden("The organisation is not yours"))
    }
}
