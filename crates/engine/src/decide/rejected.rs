//! What a request that emnify refused is remembered by: the same for objects and for members of sets.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::kind::Change;

/// Digest of a change and of the ids that its references mean; the same in every process.
pub(crate) fn digest<C: Change>(change: &C, meant: &str) -> String {
    let mut sha = Sha256::new();
    sha.update(format!("{change:?}|{meant}"));
    data_encoding::HEXLOWER.encode(&sha.finalize()[..12])
}

/// A time as statuses keep it: whole seconds.
pub(crate) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
