//! Values of Secrets that go to emnify and never come back: what is kept of them is a digest.

use std::fmt::{self, Debug};

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A shorter value is left where it stands in a text: it may be a word of the sentence.
const SHORTEST: usize = 4;

/// What digests of values that go to emnify are for.
pub const INPUT: &str = "input";

/// A keyed digest of `values`: nobody who has not got the `salt` can tell a guess from the value. `flow` says what for, so that
/// one value in two places looks like two.
pub fn digest<'a>(
    salt: &'a SecretString,
    flow: &'a str,
    values: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut hash = Sha256::new();
    for value in [salt.expose_secret(), flow].into_iter().chain(values) {
        // with lengths, so that no two lists of values hash alike
        hash.update(value.len().to_be_bytes());
        hash.update(value.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize()[..12])
}

/// Without the line break that editors and `echo` put at the end.
pub fn one_line(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// A value that a Secret holds, with the digest that tells whether it is still the same. Two are equal if their digests are;
/// neither is ever printed.
#[derive(Clone)]
pub struct SecretValue {
    value: SecretString,
    digest: String,
}

impl SecretValue {
    /// A value and its digest.
    pub fn new(value: SecretString, digest: impl Into<String>) -> Self {
        Self { value, digest: digest.into() }
    }

    /// The value.
    pub fn value(&self) -> &SecretString {
        &self.value
    }

    /// Its keyed digest, which a status may hold.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The text with three stars wherever the value stands in it.
    pub(crate) fn mask(&self, text: &str) -> String {
        match self.value.expose_secret() {
            value if value.len() < SHORTEST => text.to_owned(),
            value => text.replace(value, "***"),
        }
    }
}

impl PartialEq for SecretValue {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for SecretValue {}

impl Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn salted(salt: &str, flow: &str, values: &[&str]) -> String {
        digest(&salt.to_owned().into(), flow, values.iter().copied())
    }

    #[test]
    fn a_digest_changes_with_the_value_with_what_it_is_for_and_with_the_salt() {
        let base = salted("s", "input", &["a", "hunter2"]);
        for other in [
            salted("t", "input", &["a", "hunter2"]),
            salted("s", "code", &["a", "hunter2"]),
            salted("s", "input", &["b", "hunter2"]),
            salted("s", "input", &["a", "hunter3"]),
            salted("s", "input", &["ah", "unter2"]),
        ] {
            assert_ne!(base, other, "it tells nothing to who has not got all of it");
        }
        assert_eq!(base.len(), 24);
    }

    #[test]
    fn a_value_is_printed_by_nothing_and_masked_in_what_emnify_says() {
        let value = SecretValue::new("hunter2".to_owned().into(), "d");
        assert!(!format!("{value:?} {value:#?}").contains("hunter2"));
        assert_eq!(value.mask("\"hunter2\" is too weak"), "\"***\" is too weak");
        let short = SecretValue::new("to".to_owned().into(), "d");
        assert_eq!(short.mask("it is too weak"), "it is too weak", "no word of a sentence is taken for it");
    }
}
