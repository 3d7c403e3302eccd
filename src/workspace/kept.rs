//! The Secret in which a session survives a restart, and which a second replica reads: token, salt, trusted device.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use emnify::Jwt;
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::api::ObjectMeta;
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};

use super::{credentials::Keepsake, decide::Held};
use crate::lead::claims::Place;

/// Type of the Secret.
pub const TYPE: &str = "emnify.io/session";
/// Host that issued the token.
const ORIGIN: &str = "emnify.io/origin";
/// Organisation of the token, for people.
const ORGANISATION: &str = "emnify.io/organisation";
/// Digest of the credential that the token came from.
const CREDENTIAL: &str = "emnify.io/credential";

/// What the Secret holds.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Salt and fingerprint.
    pub keepsake: Keepsake,
    /// The last login, if there was one.
    pub login: Option<Login>,
}

/// A token and where it came from.
#[derive(Clone, Debug)]
pub struct Login {
    /// Token and refresh token.
    pub jwt: Jwt,
    /// Host that issued it.
    pub origin: String,
    /// Digest of the credential.
    pub credential: String,
}

/// A Secret of this name that was not written for this workspace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Secret {name} exists and is not this workspace's session; delete it, or give the workspace another name"
)]
pub struct Foreign {
    /// Its name.
    pub name: String,
}

impl Login {
    /// The organisation that it is a login to.
    pub fn place(&self) -> Place {
        (self.origin.clone(), self.jwt.identity.organisation_id)
    }

    /// What a decision needs to know.
    pub fn held(&self, refused: bool) -> Held {
        Held {
            identity: self.jwt.identity.clone(),
            origin: self.origin.clone(),
            credential: self.credential.clone(),
            refused,
        }
    }
}

impl Kept {
    /// Nothing but new randomness, for a workspace that never logged in.
    pub fn fresh() -> Self {
        Self { keepsake: Keepsake { salt: random(), fingerprint: random() }, login: None }
    }

    /// Reads the Secret of the workspace with this uid. What is damaged is made anew: that costs one login.
    pub fn read(secret: &Secret, owner: &str) -> Result<Self, Foreign> {
        let ours = secret.metadata.owner_references.iter().flatten().any(|reference| reference.uid == owner);
        if secret.type_.as_deref() != Some(TYPE) || !ours {
            return Err(Foreign { name: secret.metadata.name.clone().unwrap_or_default() });
        }
        let text = |key: &str| {
            let value = secret.data.as_ref()?.get(key)?.0.clone();
            String::from_utf8(value).ok().filter(|text| !text.is_empty()).map(SecretString::from)
        };
        let note = |key: &str| secret.metadata.annotations.as_ref()?.get(key).cloned();
        let login = || {
            let jwt = Jwt::parse(text("jwt")?).ok()?.with_refresh_token(text("refreshToken"));
            Some(Login { jwt, origin: note(ORIGIN)?, credential: note(CREDENTIAL)? })
        };
        let keepsake = Keepsake {
            salt: text("salt").unwrap_or_else(random),
            fingerprint: text("fingerprint").unwrap_or_else(random),
        };
        Ok(Self { keepsake, login: login() })
    }

    /// The Secret to write.
    pub fn write(&self, name: &str, namespace: &str, owner: OwnerReference) -> Secret {
        let mut data = BTreeMap::new();
        let mut put = |key: &str, value: &SecretString| {
            data.insert(key.to_owned(), ByteString(value.expose_secret().as_bytes().to_vec()));
        };
        put("salt", &self.keepsake.salt);
        put("fingerprint", &self.keepsake.fingerprint);
        let mut annotations = BTreeMap::new();
        if let Some(login) = &self.login {
            put("jwt", &login.jwt.token);
            if let Some(refresh) = &login.jwt.refresh_token {
                put("refreshToken", refresh);
            }
            annotations.insert(ORIGIN.to_owned(), login.origin.clone());
            annotations.insert(CREDENTIAL.to_owned(), login.credential.clone());
            annotations.insert(ORGANISATION.to_owned(), login.jwt.identity.organisation_id.to_string());
        }
        Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                annotations: Some(annotations),
                owner_references: Some(vec![owner]),
                ..ObjectMeta::default()
            },
            type_: Some(TYPE.to_owned()),
            data: Some(data),
            ..Secret::default()
        }
    }
}

fn random() -> SecretString {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    HEXLOWER.encode(&bytes).into()
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use serde_json::json;

    use super::*;

    fn owner(uid: &str) -> OwnerReference {
        OwnerReference {
            uid: uid.into(),
            name: "main".into(),
            kind: "Workspace".into(),
            ..OwnerReference::default()
        }
    }

    fn kept() -> Kept {
        let claims = json!({"esc.org": 42, "esc.orgName": "Example", "iat": 1_000_000, "exp": 1_014_400});
        let token = format!("e30.{}.sig", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
        let jwt =
            Jwt::parse(token.into()).unwrap().with_refresh_token(Some("refresh-hush".to_owned().into()));
        let login = Login { jwt, origin: "https://cdn.emnify.net".into(), credential: "abc".into() };
        Kept { login: Some(login), ..Kept::fresh() }
    }

    #[test]
    fn a_session_survives_a_restart() {
        let kept = kept();
        let again = Kept::read(&kept.write("main-session", "ns", owner("u")), "u").unwrap();
        assert_eq!(again.keepsake.salt.expose_secret(), kept.keepsake.salt.expose_secret());
        assert_eq!(again.keepsake.fingerprint.expose_secret(), kept.keepsake.fingerprint.expose_secret());
        let (before, after) = (kept.login.unwrap(), again.login.unwrap());
        assert_eq!(after.held(false), before.held(false));
        assert_eq!(after.jwt.token.expose_secret(), before.jwt.token.expose_secret());
        assert_eq!(after.jwt.refresh_token.unwrap().expose_secret(), "refresh-hush");
    }

    #[test]
    fn a_secret_of_somebody_else_is_neither_read_nor_overwritten() {
        let secret = kept().write("main-session", "ns", owner("u"));
        let error = Kept::read(&secret, "other").unwrap_err();
        assert!(error.to_string().starts_with("Secret main-session exists and is not"), "{error}");
        let opaque = Secret { type_: Some("Opaque".into()), ..secret };
        assert!(Kept::read(&opaque, "u").is_err(), "a user's Secret of the same name");
    }

    #[test]
    fn damage_costs_a_login_and_nothing_more() {
        let mut secret = kept().write("main-session", "ns", owner("u"));
        secret.data.as_mut().unwrap().insert("jwt".into(), ByteString(b"garbage".to_vec()));
        assert!(Kept::read(&secret, "u").unwrap().login.is_none());
        secret.data = None;
        let emptied = Kept::read(&secret, "u").unwrap();
        assert_eq!(emptied.keepsake.salt.expose_secret().len(), 32, "new randomness");
        assert_ne!(
            Kept::fresh().keepsake.salt.expose_secret(),
            emptied.keepsake.salt.expose_secret(),
            "never the same twice"
        );
    }

    #[test]
    fn no_token_shows_in_debug_output() {
        let kept = kept();
        let shown = format!("{kept:?}");
        assert!(!shown.contains("refresh-hush") && !shown.contains("e30."), "{shown}");
    }
}
