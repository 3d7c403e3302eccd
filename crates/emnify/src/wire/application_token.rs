//! Application tokens: shown once, never deleted, only revoked.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use serde::Serialize;

use super::collection::{Collection, Entry, Paging};
use super::common::Ref;
use super::lenient;
use super::record::record;
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

record!(
    /// An application token, without its secret.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ApplicationToken {
        /// Its id.
        pub id: i64,
        /// Free text.
        pub description: Option<String>,
        /// When it was created.
        pub created: Option<Timestamp>,
        /// One of [`status`].
        #[read(lenient::reference)]
        pub status: Option<i64>,
        /// When it ends, if it does.
        pub expiry_date: Option<Timestamp>,
        /// From where it may be used: addresses in CIDR form.
        pub ip: Option<String>,
    }
);

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

record!(
    struct Minted {
        application_token: Option<SecretString>,
    }
);

/// Application tokens: no read of one and no delete; how many are a full page is not documented. What a create answers is a
/// secret without an id: see [`Api::create_application_token`].
pub const APPLICATION_TOKENS: Collection<ApplicationToken> =
    Collection::at("/api/v1/application_token", "/api/v1/application_token/{app_token_id}")
        .listed_only()
        .paged(Paging::Pages { usual: usize::MAX, most: usize::MAX });

impl Entry for ApplicationToken {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

impl Api {
    /// All application tokens.
    pub async fn list_application_tokens(&self, at: Cursor) -> Result<Page<ApplicationToken>, Error> {
        APPLICATION_TOKENS.list(self, at).await
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
        APPLICATION_TOKENS.patch(self, id, patch).await
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
