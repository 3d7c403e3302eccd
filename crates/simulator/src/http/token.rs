//! JWTs as emnify issues them: HS384, `exp` by organisation. [R]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Sha256, Sha384};

use super::refusal::{Code, Refusal};

/// Seconds that the token of a callback is good for. [?]
const CALLBACK: i64 = 300;

/// What a token says. Refresh and MFA tokens are told apart by `use`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the API's own words")]
pub(crate) struct Claims {
    #[serde(rename = "esc.app", default, skip_serializing_if = "Option::is_none")]
    pub(crate) application_token: Option<u64>,
    #[serde(rename = "esc.user", default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<u64>,
    #[serde(rename = "esc.org")]
    pub(crate) organisation: u64,
    #[serde(rename = "esc.orgName")]
    pub(crate) organisation_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) api_key: Option<String>,
    pub(crate) aud: String,
    pub(crate) iss: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    /// `refresh` or `mfa`; absent on tokens for the API.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub(crate) purpose: Option<String>,
    /// Tells two tokens of one second apart.
    pub(crate) jti: u64,
}

/// Signs a token.
pub(crate) fn sign(claims: &Claims, key: &str) -> String {
    let body = serde_json::to_vec(claims).expect("claims are plain data");
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS384"}"#), URL_SAFE_NO_PAD.encode(body));
    let signature = URL_SAFE_NO_PAD.encode(mac(key, &signed).finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// Signs a call to a customer's URL. That it is a JWT of the customer's key is published [D], its claims are not [?].
pub(crate) fn sign_callback(secret: &str, organisation: u64, now: Timestamp) -> String {
    let seconds = now.as_second();
    let claims = json!({"iss": "emnify", "esc.org": organisation, "iat": seconds, "exp": seconds + CALLBACK});
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Reads a token for the API from an `Authorization` header.
///
/// # Errors
/// The gateway's 401 for what is no token [R], 1102 for one of another key, 1103 for an expired one. [D]
pub(crate) fn read_bearer(header: Option<&str>, key: &str, now: Timestamp) -> Result<Claims, Refusal> {
    let token = header.and_then(|header| header.strip_prefix("Bearer ")).ok_or_else(Refusal::gateway)?;
    read(token, key, now).and_then(|claims| match claims.purpose {
        None => Ok(claims),
        Some(_) => Err(Refusal::coded(401, Code::INVALID_TOKEN, "Invalid token")),
    })
}

/// Reads any token.
///
/// # Errors
/// As [`read_bearer`].
pub(crate) fn read(token: &str, key: &str, now: Timestamp) -> Result<Claims, Refusal> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(Refusal::gateway)?;
    let (_, body) = signed.split_once('.').ok_or_else(Refusal::gateway)?;
    let claims: Claims = URL_SAFE_NO_PAD
        .decode(body)
        .ok()
        .and_then(|body| serde_json::from_slice(&body).ok())
        .ok_or_else(Refusal::gateway)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    if mac(key, signed).verify_slice(&signature).is_err() {
        return Err(Refusal::coded(401, Code::INVALID_TOKEN, "Invalid token"));
    }
    if claims.exp <= now.as_second() {
        return Err(Refusal::coded(401, Code::TOKEN_EXPIRED, "Token expired"));
    }
    Ok(claims)
}

fn mac(key: &str, signed: &str) -> Hmac<Sha384> {
    let mut mac = Hmac::<Sha384>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_living_token_of_this_key_is_read() {
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().expect("a date");
        let claims = Claims { organisation: 7, exp: now.as_second() + 60, ..Claims::default() };
        let header = format!("Bearer {}", sign(&claims, "key"));
        assert_eq!(read_bearer(Some(&header), "key", now), Ok(claims));
        let body = |refused: Result<Claims, Refusal>| refused.expect_err("refused").body();
        assert!(
            read_bearer(Some("Bearer None"), "key", now).is_err_and(|refusal| refusal.by_gateway()),
            "what is no token never passes the gateway"
        );
        let other = body(read_bearer(Some(&header), "other", now)).expect("a body");
        assert_eq!(other["error_code"], 1102, "another key");
        let late = now + jiff::SignedDuration::from_secs(60);
        let expired = body(read_bearer(Some(&header), "key", late)).expect("a body");
        assert_eq!(expired["error_code"], 1103, "expired");
    }
}
