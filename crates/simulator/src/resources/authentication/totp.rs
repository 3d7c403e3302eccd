//! Time-based one-time codes (RFC 6238: SHA-1, 30 s, six digits).

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha1::Sha1;

/// Length of a step, in seconds.
const STEP: i64 = 30;

/// Whether a code is that of now, or of a neighbouring step, which allows for clocks that differ.
pub(super) fn accepts(key: &str, given: &str, now: Timestamp) -> bool {
    [0, -1, 1].into_iter().any(|drift| code(key, now.as_second() / STEP + drift).as_deref() == Some(given))
}

/// The code of a step; none when the key is no base32.
fn code(key: &str, step: i64) -> Option<String> {
    let key = BASE32_NOPAD.decode(key.trim_end_matches('=').to_uppercase().as_bytes()).ok()?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&key).expect("HMAC takes keys of any length");
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[digest.len() - 1] & 0xf);
    let word: [u8; 4] = digest[offset..offset + 4].try_into().expect("four bytes");
    let number = u32::from_be_bytes(word) & 0x7fff_ffff;
    Some(format!("{:06}", number % 1_000_000))
}

/// The code of now, as an authenticator shows it; none when the key is no base32.
pub(crate) fn now(key: &str, now: Timestamp) -> Option<String> {
    code(key, now.as_second() / STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B: the key is the ASCII text 12345678901234567890.
        let key = BASE32_NOPAD.encode(b"12345678901234567890");
        assert_eq!(code(&key, 59 / STEP).as_deref(), Some("287082"));
        assert_eq!(code(&key, 1_111_111_109 / STEP).as_deref(), Some("081804"));
        let then = Timestamp::from_second(59).expect("a time");
        assert!(accepts(&key, "287082", then));
        let late = Timestamp::from_second(59 + 3 * STEP).expect("a time");
        assert!(!accepts(&key, "287082", late), "old codes are refused");
    }
}
