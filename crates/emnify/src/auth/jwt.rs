//! The live token and what it says about itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;
use crate::wire::record::record;

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Claim `esc.org`.
    pub organisation_id: i64,
    /// Claim `esc.orgName`.
    pub organisation_name: String,
    /// Claim `esc.app`: the application token that was used to log in; absent for users.
    pub application_token_id: Option<i64>,
    /// Claim `exp`; its distance from `iat` differs by organisation [R].
    pub expires_at: Timestamp,
    /// Claim `iat`.
    pub issued_at: Timestamp,
}

impl Identity {
    /// When a new token should be fetched: a tenth of the lifetime before the end, at least a minute.
    pub fn refresh_at(&self) -> Timestamp {
        let lifetime = self.expires_at.duration_since(self.issued_at);
        let margin = (lifetime / 10).max(SignedDuration::from_mins(1));
        self.expires_at.checked_sub(margin).unwrap_or(self.issued_at)
    }

    /// [`Error::OtherOrganisation`] unless it speaks for this organisation.
    pub(super) fn speaks_for(&self, pinned: i64) -> Result<(), Error> {
        if self.organisation_id == pinned {
            return Ok(());
        }
        let (found, name) = (self.organisation_id, self.organisation_name.clone());
        Err(Error::OtherOrganisation { pinned, found, name })
    }
}

/// A JWT, the refresh token that came with it (user logins only), and the identity read from it.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The bearer token.
    pub token: SecretString,
    /// Allows a new token without password and second factor.
    pub refresh_token: Option<SecretString>,
    /// What the token says.
    pub identity: Identity,
}

record!(
    struct Claims {
        #[key("esc.org")]
        organisation: i64,
        #[key("esc.orgName")]
        name: String,
        #[key("esc.app")]
        application_token: Option<i64>,
        exp: i64,
        iat: i64,
    }
);

impl Jwt {
    /// Reads the claims; the signature is the server's business. The error never quotes the token.
    pub fn parse(token: SecretString) -> Result<Self, Error> {
        let identity = identity(token.expose_secret())
            .ok_or_else(|| Error::unreadable("the token is not a JWT of an emnify organisation"))?;
        Ok(Self { token, refresh_token: None, identity })
    }

    /// The same with a refresh token.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: Option<SecretString>) -> Self {
        self.refresh_token = refresh_token;
        self
    }

    /// The value of the `Authorization` header.
    pub(super) fn bearer(&self) -> Result<HeaderValue, Error> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.token.expose_secret()))
            .map_err(|_| Error::unreadable("the token holds characters that no header can carry"))?;
        bearer.set_sensitive(true);
        Ok(bearer)
    }
}

fn identity(token: &str) -> Option<Identity> {
    let payload = token.split('.').nth(1)?.trim_end_matches('=');
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    Some(Identity {
        organisation_id: claims.organisation,
        organisation_name: claims.name,
        application_token_id: claims.application_token,
        expires_at: Timestamp::from_second(claims.exp).ok()?,
        issued_at: Timestamp::from_second(claims.iat).ok()?,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn token(claims: &serde_json::Value) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn claims() -> serde_json::Value {
        serde_json::json!({"esc.org": 42, "esc.orgName": "Example", "esc.app": 7, "iat": 1_000_000, "exp": 1_014_400})
    }

    #[test]
    fn the_token_names_its_organisation_and_its_end() {
        let jwt = Jwt::parse(token(&claims()).into()).unwrap();
        assert_eq!(jwt.identity.organisation_id, 42);
        assert_eq!(jwt.identity.organisation_name, "Example");
        assert_eq!(jwt.identity.application_token_id, Some(7));
        assert_eq!(jwt.identity.expires_at, Timestamp::from_second(1_014_400).unwrap());
        assert_eq!(
            jwt.identity.refresh_at(),
            Timestamp::from_second(1_014_400 - 1_440).unwrap(),
            "a tenth of the lifetime is left for refreshing"
        );
    }

    #[test]
    fn users_have_no_application_token() {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove("esc.app");
        assert_eq!(Jwt::parse(token(&claims).into()).unwrap().identity.application_token_id, None);
    }

    #[test]
    fn what_is_not_a_token_is_refused_without_quoting_it() {
        for text in ["", "hush", "a.b.c", "e30.e30.e30"] {
            let error = Jwt::parse(text.to_owned().into()).unwrap_err();
            assert!(matches!(error, Error::Unreadable { .. }), "{text:?} is not a JWT");
            assert!(!error.to_string().contains("hush"), "an error never quotes a token");
        }
    }
}
