//! What a request that emnify refused is remembered by: the same for objects and for members of sets.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::kind::{Change, Id};

/// Digest of a change and of the ids that its references mean; the same in every process, and in every release.
pub(crate) fn digest<C: Change>(change: &C, meant: &str) -> String {
    let mut sha = Sha256::new();
    sha.update(format!("{}|{meant}", change.request()));
    data_encoding::HEXLOWER.encode(&sha.finalize()[..12])
}

/// What references mean: the ids that they lead to, by the field that refers.
pub(crate) fn meant<'a>(ids: impl Iterator<Item = (&'a String, &'a Id)>) -> String {
    let ids: Vec<String> = ids.map(|(path, id)| format!("{path}={id}")).collect();
    ids.join(" ")
}

/// A time as statuses keep it: whole seconds.
pub(crate) fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::ToyChange;

    #[test]
    fn a_refusal_is_remembered_by_what_was_asked_for() {
        let rename = |from: &str, to: &str| ToyChange::Rename(from.into(), to.into());
        assert_eq!(
            rename("a", "b").request(),
            "update name=b",
            "no word of ours, which a release may change"
        );
        let digest = |change: &ToyChange, meant| digest(change, meant);
        assert_eq!(digest(&rename("a", "b"), ""), digest(&rename("c", "b"), ""), "whatever was there before");
        assert_ne!(digest(&rename("a", "b"), ""), digest(&rename("a", "d"), ""));
        assert_ne!(digest(&rename("a", "b"), "profile=1 "), digest(&rename("a", "b"), "profile=2 "));
    }
}
