//! The Secret in which a login survives a restart, and which a second replica reads: token, salt, trusted device.
//!
//! It lies in the operator's namespace, where no tenant writes: whoever could write it could claim an organisation. It
//! belongs to one Workspace by uid, since owner references do not cross namespaces.

use std::{collections::BTreeMap, fmt};

use data_encoding::{BASE64, HEXLOWER};
use emnify::{Identity, Jwt};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{ResourceExt, api::ObjectMeta};
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};

use super::{
    credentials::{Secrets, TrustedDevice},
    passwords::Passwords,
    second_factor::SecondFactor,
};
use crate::leader::organisation_lease::Place;

/// Type of the Secret.
pub const TYPE: &str = "emnify.io/session";
/// Host that issued the token.
const ORIGIN: &str = "emnify.io/origin";
/// Organisation of the token, for people.
const ORGANISATION: &str = "emnify.io/organisation";
/// Digest of the credential that the token came from.
const CREDENTIAL: &str = "emnify.io/credential";
/// Uid of the workspace.
const WORKSPACE: &str = "emnify.io/workspace-uid";
/// Id of the second factor that the operator made.
const FACTOR_ID: &str = "emnify.io/second-factor-id";
/// Secret in which its key is kept for people.
const FACTOR_SECRET: &str = "emnify.io/second-factor-secret";
/// Marks Secrets of ours for people; `kubectl get secret -l` finds them.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// What the Secret holds.
#[derive(Clone, Debug)]
pub struct SessionSecret {
    /// Salt and fingerprint.
    pub trusted_device: TrustedDevice,
    /// The last login, if there was one.
    pub login: Option<Login>,
    /// The Secrets that the credentials come from, copied while the workspace is being deleted: they may go before it.
    pub copied: Copied,
    /// Passwords that were sent, and what is known of them.
    pub passwords: Passwords,
    /// The second factor that the operator made.
    pub second_factor: Option<SecondFactor>,
}

/// Values of Secrets by their names.
#[derive(Clone, Default, PartialEq)]
pub struct Copied(BTreeMap<String, BTreeMap<String, Vec<u8>>>);

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

/// The token that is in use or was kept across a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentLogin {
    /// What it says about itself.
    pub identity: Identity,
    /// Host that issued it; it is sent nowhere else.
    pub origin: String,
    /// Digest of the credential it came from.
    pub credential: String,
    /// A call with it was refused.
    pub refused: bool,
}

/// A Secret of this name that the operator did not write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Secret {name} in the operator's namespace is not a session of ours; delete it")]
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
    pub fn current_login(&self, refused: bool) -> CurrentLogin {
        CurrentLogin {
            identity: self.jwt.identity.clone(),
            origin: self.origin.clone(),
            credential: self.credential.clone(),
            refused,
        }
    }
}

impl Copied {
    /// A copy of every Secret that is there.
    pub fn of(secrets: &Secrets) -> Self {
        let there = secrets.iter().filter_map(|(name, data)| Some((name.clone(), data.clone()?)));
        Self(there.collect())
    }

    /// Takes over what is there now. Of what is gone the last copy stays: whoever deletes a namespace deletes its Secrets
    /// a moment before its workspaces.
    pub fn update(&mut self, secrets: &Secrets) {
        self.0.retain(|name, _| secrets.contains_key(name));
        self.0.extend(Self::of(secrets).0);
    }

    /// There is no copy.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Fills in those that are gone.
    pub fn stand_in(&self, secrets: &mut Secrets) {
        for (name, data) in secrets.iter_mut().filter(|(_, data)| data.is_none()) {
            *data = self.0.get(name).cloned();
        }
    }

    fn write(&self) -> SecretString {
        let encoded = |data: &BTreeMap<String, Vec<u8>>| -> BTreeMap<String, String> {
            data.iter().map(|(key, value)| (key.clone(), BASE64.encode(value))).collect()
        };
        let all: BTreeMap<&String, _> = self.0.iter().map(|(name, data)| (name, encoded(data))).collect();
        serde_json::to_string(&all).expect("a map of strings is JSON").into()
    }

    /// What is damaged is no copy.
    fn read(text: &SecretString) -> Option<Self> {
        let all: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(text.expose_secret()).ok()?;
        let decoded = |data: BTreeMap<String, String>| -> Option<BTreeMap<String, Vec<u8>>> {
            data.into_iter().map(|(key, value)| Some((key, BASE64.decode(value.as_bytes()).ok()?))).collect()
        };
        all.into_iter().map(|(name, data)| Some((name, decoded(data)?))).collect::<Option<_>>().map(Self)
    }
}

impl fmt::Debug for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl SessionSecret {
    /// Nothing but new randomness, for a workspace that never logged in.
    pub fn fresh() -> Self {
        let trusted_device = TrustedDevice { salt: random(), fingerprint: random() };
        Self {
            trusted_device,
            login: None,
            copied: Copied::default(),
            passwords: Passwords::default(),
            second_factor: None,
        }
    }

    /// Reads the Secret of the workspace with this uid. What is damaged is made anew: that costs one login. A workspace
    /// that was made anew under the name of an earlier one (after a restore, or by somebody else) inherits no login and no
    /// credentials, only what makes the operator a trusted device.
    pub fn read(secret: &Secret, workspace: &str) -> Result<Self, Foreign> {
        if secret.type_.as_deref() != Some(TYPE) {
            return Err(Foreign { name: secret.name_any() });
        }
        let kept = Self::parse(secret);
        if secret.annotations().get(WORKSPACE).is_some_and(|uid| uid == workspace) {
            return Ok(kept);
        }
        Ok(Self { login: None, copied: Copied::default(), second_factor: None, ..kept })
    }

    /// Reads the Secret of an earlier release, which lies where tenants write: its login proves nothing and has to be
    /// tried before anything is believed. `None` if it was not the operator's.
    pub fn read_former(secret: &Secret, workspace: &str) -> Option<Self> {
        let owners = secret.metadata.owner_references.iter().flatten();
        let ours = owners.into_iter().any(|reference| reference.uid == workspace);
        (secret.type_.as_deref() == Some(TYPE) && ours).then(|| Self {
            copied: Copied::default(),
            second_factor: None,
            ..Self::parse(secret)
        })
    }

    fn parse(secret: &Secret) -> Self {
        let text = |key: &str| {
            let value = secret.data.as_ref()?.get(key)?.0.clone();
            String::from_utf8(value).ok().filter(|text| !text.is_empty()).map(SecretString::from)
        };
        let note = |key: &str| secret.annotations().get(key).cloned();
        let login = || {
            let jwt = Jwt::parse(text("jwt")?).ok()?.with_refresh_token(text("refreshToken"));
            Some(Login { jwt, origin: note(ORIGIN)?, credential: note(CREDENTIAL)? })
        };
        let trusted_device = TrustedDevice {
            salt: text("salt").unwrap_or_else(random),
            fingerprint: text("fingerprint").unwrap_or_else(random),
        };
        let copied = text("credentials").and_then(|text| Copied::read(&text)).unwrap_or_default();
        let passwords = text("passwords")
            .and_then(|text| serde_json::from_str(text.expose_secret()).ok())
            .unwrap_or_default();
        let second_factor = || {
            Some(SecondFactor {
                secret: note(FACTOR_SECRET)?,
                id: note(FACTOR_ID)?.parse().ok()?,
                key: text("totp")?,
                otpauth: text("otpauth").unwrap_or_else(|| String::new().into()),
            })
        };
        Self { trusted_device, login: login(), copied, passwords, second_factor: second_factor() }
    }

    /// The Secret to write, for the workspace with this uid. `owner` is its owner reference, where it can have one.
    pub fn write(&self, name: &str, workspace: &str, owner: Option<OwnerReference>) -> Secret {
        let mut data = BTreeMap::new();
        let mut put = |key: &str, value: &SecretString| {
            data.insert(key.to_owned(), ByteString(value.expose_secret().as_bytes().to_vec()));
        };
        put("salt", &self.trusted_device.salt);
        put("fingerprint", &self.trusted_device.fingerprint);
        let mut annotations = BTreeMap::from([(WORKSPACE.to_owned(), workspace.to_owned())]);
        if let Some(login) = &self.login {
            put("jwt", &login.jwt.token);
            if let Some(refresh) = &login.jwt.refresh_token {
                put("refreshToken", refresh);
            }
            annotations.insert(ORIGIN.to_owned(), login.origin.clone());
            annotations.insert(CREDENTIAL.to_owned(), login.credential.clone());
            annotations.insert(ORGANISATION.to_owned(), login.jwt.identity.organisation_id.to_string());
        }
        let passwords = serde_json::to_string(&self.passwords).expect("digests and flags are JSON");
        put("passwords", &passwords.into());
        if let Some(factor) = &self.second_factor {
            put("totp", &factor.key);
            put("otpauth", &factor.otpauth);
            annotations.insert(FACTOR_ID.to_owned(), factor.id.to_string());
            annotations.insert(FACTOR_SECRET.to_owned(), factor.secret.clone());
        } else {
            // a merge leaves what it does not name
            put("totp", &String::new().into());
            put("otpauth", &String::new().into());
        }
        if !self.copied.is_empty() {
            put("credentials", &self.copied.write());
        }
        Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                annotations: Some(annotations),
                labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), "emnify-operator".to_owned())])),
                owner_references: owner.map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            type_: Some(TYPE.to_owned()),
            data: Some(data),
            ..Secret::default()
        }
    }
}

/// The Secret belongs to the workspace with this uid, and goes with it.
pub fn belongs(secret: &Secret, workspace: &str) -> bool {
    secret.type_.as_deref() == Some(TYPE)
        && secret.annotations().get(WORKSPACE).is_some_and(|uid| uid == workspace)
}

fn random() -> SecretString {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    HEXLOWER.encode(&bytes).into()
}

#[cfg(test)]
#[path = "session_secret_tests.rs"]
mod tests;
