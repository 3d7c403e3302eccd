//! What a login is made of.

use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};

/// How to log in.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// An application token: bound to one organisation, never a refresh token [D].
    ApplicationToken(SecretString),
    /// None: the client has a token that it was given, and nothing to log in with once that is over or refused.
    Given,
    /// A person's credentials.
    User {
        /// The e-mail address.
        username: String,
        /// In clear, or its SHA-1 as 40 hexadecimal digits (what the API takes).
        password: SecretString,
        /// Base32 key of a TOTP second factor.
        totp_key: Option<SecretString>,
        /// Fingerprint of a device that, once trusted, needs no second factor for 90 days [D].
        trusted_device: Option<SecretString>,
        /// A six-digit code for the one login that registers the trusted device.
        mfa_code: Option<SecretString>,
    },
}

/// The form in which the API takes a password: lower-case hexadecimal SHA-1.
pub(crate) fn password_digest(password: &SecretString) -> SecretString {
    let clear = password.expose_secret();
    if clear.len() == 40 && clear.bytes().all(|b| b.is_ascii_hexdigit()) {
        return clear.to_ascii_lowercase().into();
    }
    HEXLOWER.encode(&Sha1::digest(clear.as_bytes())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_digested_once() {
        let digest = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
        for password in ["test", digest, "A94A8FE5CCB19BA61C4C0873D391E987982FBBD3"] {
            assert_eq!(password_digest(&password.to_owned().into()).expose_secret(), digest, "{password}");
        }
    }
}
