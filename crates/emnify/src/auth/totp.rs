//! Time-based one-time passwords (RFC 6238: SHA-1, 30 s, six digits), the only second factor emnify knows.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

/// The code of `key` (base32; blanks, dashes, case and padding do not matter) at `now`; `None` if it is not base32.
pub(crate) fn code(key: &SecretString, now: Timestamp) -> Option<SecretString> {
    let key: String = key
        .expose_secret()
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '='))
        .map(|c| c.to_ascii_uppercase())
        .collect();
    let key = BASE32_NOPAD.decode(key.as_bytes()).ok().filter(|key| !key.is_empty())?;
    let step = u64::try_from(now.as_second()).ok()? / 30;
    let mut mac = Hmac::<Sha1>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0x0f);
    let word = u32::from_be_bytes([
        digest[offset] & 0x7f,
        digest[offset + 1],
        digest[offset + 2],
        digest[offset + 3],
    ]);
    Some(format!("{:06}", word % 1_000_000).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // "12345678901234567890" in base32; the RFC's eight digits end in these six.
        let key = SecretString::from("gezd gnbv gy3t qojq gezd gnbv gy3t qojq");
        for (second, want) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            let now = Timestamp::from_second(second).unwrap();
            assert_eq!(code(&key, now).unwrap().expose_secret(), want, "at {second}");
        }
    }

    #[test]
    fn a_key_that_is_not_base32_has_no_code() {
        assert!(code(&SecretString::from("0189!"), Timestamp::UNIX_EPOCH).is_none());
        assert!(code(&SecretString::from(""), Timestamp::UNIX_EPOCH).is_none());
    }
}
