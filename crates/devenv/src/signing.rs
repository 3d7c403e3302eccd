//! The key with which the API server signs service-account tokens.

use aws_lc_rs::{
    encoding::{AsDer, EcPrivateKeyRfc5915Der},
    error::Unspecified,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// A fresh P-256 key in PEM. In this form (RFC 5915) Kubernetes also reads the public key out of it.
pub(crate) fn generate_pem() -> Result<String, Unspecified> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let der: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der()?;
    // One long line: Go's decoder, the only reader, takes any length.
    Ok(format!(
        "-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n",
        STANDARD.encode(der.as_ref())
    ))
}
