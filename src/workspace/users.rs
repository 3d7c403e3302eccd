//! What this process knows of the users that workspaces log in as: several workspaces may share one, and their refusals add up.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use emnify::Credentials;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;

/// Refusals in a row, or sendings that may have been refused, after which nobody sends another password of the user.
const MOST: usize = 2;

/// A digest that never leaves memory.
type Hash = [u8; 32];

/// Whoever sends a password holds the user meanwhile.
type Held = Arc<AsyncMutex<User>>;

/// By host and user name.
#[derive(Debug, Default)]
pub struct Users(Mutex<HashMap<(String, String), Held>>);

/// One user.
#[derive(Debug, Default)]
pub struct User {
    refused: BTreeSet<Hash>,
    in_a_row: usize,
    right: Option<Hash>,
}

impl Users {
    /// The user of these credentials at that host; `None` for an application token.
    pub fn of(&self, origin: &str, credentials: &Credentials) -> Option<Held> {
        let Credentials::User { username, .. } = credentials else { return None };
        let key = (origin.to_owned(), username.trim().to_lowercase());
        Some(self.0.lock().entry(key).or_default().clone())
    }
}

impl User {
    /// emnify refused this password here.
    pub fn refused(&self, credentials: &Credentials) -> bool {
        hash(credentials).is_some_and(|hash| self.refused.contains(&hash))
    }

    /// Another password may be sent.
    pub fn may_send(&self, credentials: &Credentials) -> bool {
        self.in_a_row < MOST || self.is_right(credentials)
    }

    /// This is the password that emnify took last.
    pub fn is_right(&self, credentials: &Credentials) -> bool {
        self.right.is_some() && self.right == hash(credentials)
    }

    /// emnify took it.
    pub fn took(&mut self, credentials: &Credentials) {
        *self = Self { right: hash(credentials), ..Self::default() };
    }

    /// It is the password from now on, perhaps. What was refused counts until emnify takes one.
    pub fn changed_to(&mut self, credentials: &Credentials) {
        self.right = hash(credentials);
        self.refused.retain(|refused| Some(*refused) != self.right);
    }

    /// emnify refused it.
    pub fn was_refused(&mut self, credentials: &Credentials) {
        self.in_a_row += 1;
        self.refused.extend(hash(credentials));
        if self.is_right(credentials) {
            self.right = None;
        }
    }

    /// Nobody knows what emnify said.
    pub fn lost(&mut self) {
        self.in_a_row += 1;
    }

    /// A person says that it goes on.
    pub fn forget(&mut self) {
        *self = Self { right: self.right, ..Self::default() };
    }
}

/// Of the password, and of the second factor that goes with it.
fn hash(credentials: &Credentials) -> Option<Hash> {
    let Credentials::User { password, totp_key, mfa_code, .. } = credentials else { return None };
    let mut hash = Sha256::new();
    for part in [Some(password), totp_key.as_ref(), mfa_code.as_ref()] {
        let part = part.map(ExposeSecret::expose_secret).unwrap_or_default();
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    Some(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(password: &str) -> Credentials {
        Credentials::User {
            username: " Ada@Example.com".into(),
            password: password.to_owned().into(),
            totp_key: None,
            trusted_device: None,
            mfa_code: None,
        }
    }

    #[tokio::test]
    async fn two_workspaces_of_one_user_do_not_lock_them_out_together() {
        let users = Users::default();
        let at = |origin: &str| users.of(origin, &password("a")).unwrap();
        let (one, other) = (at("https://a"), at("https://a"));
        one.lock().await.was_refused(&password("a"));
        assert!(other.lock().await.refused(&password("a")), "what one was told holds for the other");
        assert!(other.lock().await.may_send(&password("b")));
        other.lock().await.lost();
        assert!(!one.lock().await.may_send(&password("c")), "a third could lock them out");
        assert!(at("https://b").lock().await.may_send(&password("c")), "elsewhere it is another user");
        one.lock().await.took(&password("b"));
        assert!(other.lock().await.is_right(&password("b")) && !other.lock().await.refused(&password("a")));
    }

    #[test]
    fn an_application_token_is_nobody() {
        let users = Users::default();
        assert!(users.of("https://a", &Credentials::ApplicationToken("t".to_owned().into())).is_none());
    }
}
