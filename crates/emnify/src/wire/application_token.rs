//! Application tokens: shown once, never deleted, only revoked.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::common::Ref;
use super::lenient as de;
use crate::api::Api;
use crate::auth::Jwt;
use crate::call::Call;
use crate::error::Error;
use crate::page::{Cursor, Page};

/// States of an application token [S].
pub mod status {
    /// May log in.
    pub const ACTIVATED: i64 = 0;
    /// May not; what it logged in before stays valid until it expires [D].
    pub const REVOKED: i64 = 1;
}

/// An application token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApplicationToken {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Free text.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub description: Option<String>,
    /// When it was created.
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub created: Option<Timestamp>,
    /// One of [`status`].
    #[serde(default, deserialize_with = "de::optional_ref")]
    pub status: Option<i64>,
    /// When it ends, if it does.
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub expiry_date: Option<Timestamp>,
    /// From where it may be used: addresses in CIDR form.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub ip: Option<String>,
}

/// A new application token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationTokenCreate {
    /// Free text: the only way to find the new token's id.
    pub description: String,
    /// When it ends; whole seconds.
    pub expires: Option<Timestamp>,
    /// From where it may be used, in CIDR form.
    pub ip: Option<String>,
}

/// Changes to an application token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ApplicationTokenPatch {
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Ref>,
}

#[derive(Serialize)]
struct Body<'a> {
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
}

impl<'a> From<&'a ApplicationTokenCreate> for Body<'a> {
    fn from(new: &'a ApplicationTokenCreate) -> Self {
        let date =
            |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
        Self { description: &new.description, expiry_date: new.expires.map(date), ip: new.ip.as_deref() }
    }
}

#[derive(Deserialize)]
struct Minted {
    #[serde(deserialize_with = "de::optional_secret")]
    application_token: Option<SecretString>,
}

impl Api {
    /// All application tokens.
    pub async fn list_application_tokens(&self, at: Cursor) -> Result<Page<ApplicationToken>, Error> {
        self.call(Call::get("/api/v1/application_token").query("page", at.page)).await?.page(at, None)
    }

    /// Creates an application token and returns its secret, which is shown only here. Its id is found in the listing, by its
    /// description. A token whose secret got lost is [`Error::Ambiguous`]: look for it and revoke it.
    pub async fn create_application_token(
        &self,
        new: &ApplicationTokenCreate,
    ) -> Result<SecretString, Error> {
        let reply = self.call(Call::post("/api/v1/application_token").body(&Body::from(new))).await?;
        let minted: Option<Minted> = reply.json().ok();
        minted.and_then(|minted| minted.application_token).ok_or_else(|| Error::Ambiguous {
            message: "the application token was created, but the answer does not show it".into(),
        })
    }

    /// Changes an application token's description or state.
    pub async fn patch_application_token(&self, id: i64, patch: &ApplicationTokenPatch) -> Result<(), Error> {
        let call = Call::patch("/api/v1/application_token/{app_token_id}").arg(id);
        self.call(call.body(patch)).await.map(drop)
    }

    /// Logs in with an application token that is not the client's own and returns the JWT, for a workload. The client's own
    /// login is left alone; a refusal ([`Error::Unauthorized`]) speaks of `token` only.
    pub async fn mint_jwt(&self, token: SecretString) -> Result<Jwt, Error> {
        self.client().mint(token).await
    }

    /// Revokes an application token, for good.
    pub async fn revoke_application_token(&self, id: i64) -> Result<(), Error> {
        let status = Some(status::REVOKED.into());
        self.patch_application_token(id, &ApplicationTokenPatch { description: None, status }).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_without_expiry_or_addresses_asks_for_neither() {
        let new = ApplicationTokenCreate { description: "ci".into(), ..ApplicationTokenCreate::default() };
        assert_eq!(serde_json::to_value(Body::from(&new)).unwrap(), json!({"description": "ci"}));
        let until = ApplicationTokenCreate { expires: "2026-12-31T00:00:00Z".parse().ok(), ..new };
        assert_eq!(
            serde_json::to_value(Body::from(&until)).unwrap()["expiry_date"],
            json!("2026-12-31T00:00:00.000+0000")
        );
    }
}
