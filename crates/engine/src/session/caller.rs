//! Who acts in a session: the login of one Workspace, with what that Workspace alone allows.
//!
//! Workspaces of one organisation share what is known; none of them ever acts with the login, the rights, the guard or the
//! approvals of another.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use data_encoding::HEXLOWER;
use emnify::{Client, Error};
use jiff::Timestamp;
use parking_lot::RwLock;
use secrecy::SecretString;
use tokio::sync::watch;

use super::{
    guard::Guard,
    role::{Doing, Role},
};
use crate::kind::{Managed, reason, secret, spec::WorkspaceKey};

/// The login of one Workspace, and what it allows.
pub struct Caller {
    /// The Workspace.
    pub key: WorkspaceKey,
    /// The client that is logged in with the Workspace's own credentials.
    pub client: Client,
    /// Limit on devices that objects of this Workspace may disturb.
    pub guard: Guard,
    pub(crate) role: Role,
    own_token: AtomicI64,
    salt: RwLock<SecretString>,
    usage_every: RwLock<Option<Duration>>,
    refused: watch::Sender<Option<Error>>,
}

impl Caller {
    /// A caller with a client that has logged in.
    pub fn new(key: WorkspaceKey, client: Client) -> Arc<Self> {
        let (own_token, refused) = (AtomicI64::new(0), watch::Sender::new(None));
        let salt = RwLock::new(HEXLOWER.encode(&rand::random::<[u8; 16]>()).into());
        let (guard, role) = (Guard::default(), Role::default());
        let usage_every = RwLock::default();
        Arc::new(Self { key, client, guard, role, own_token, salt, usage_every, refused })
    }

    /// What the Workspace keeps for digests. Unless it is set, digests mean something only to this process.
    pub fn set_salt(&self, salt: SecretString) {
        *self.salt.write() = salt;
    }

    /// How often the Workspace wants to know what each device has used; `None`: not at all.
    pub fn usage_every(&self) -> Option<Duration> {
        *self.usage_every.read()
    }

    /// Sets what [`Self::usage_every`] says; true if the Workspace wants to know it much sooner than before, and those that were read have
    /// to hear of it.
    pub fn set_usage_every(&self, every: Option<Duration>) -> bool {
        let before = std::mem::replace(&mut *self.usage_every.write(), every);
        every.is_some_and(|every| before.is_none_or(|before| every <= before / 2))
    }

    /// The digest of a value that goes to emnify for `object`, by which later processes know it again.
    pub(crate) fn digest(&self, object: &str, value: &str) -> String {
        secret::digest(&self.salt.read(), secret::INPUT, [object, value])
    }

    /// Id of the application token that the client logs in with, also while it has no live login.
    pub fn own_token(&self) -> Option<i64> {
        if let Some(id) = self.client.identity().and_then(|identity| identity.application_token_id) {
            self.own_token.store(id, Ordering::Relaxed);
        }
        Some(self.own_token.load(Ordering::Relaxed)).filter(|id| *id != 0)
    }

    /// E-mail address, in lower case, that the client logs in with; `None` for an application token.
    pub fn own_user(&self) -> Option<String> {
        self.client.username().map(|name| name.trim().to_lowercase())
    }

    /// A call was refused for the whole login; whoever owns the login looks into it.
    pub fn report_refusal(&self, error: &Error) {
        self.refused.send_replace(Some(error.clone()));
    }

    /// The login works (again).
    pub fn clear_refusal(&self) {
        self.refused.send_if_modified(|refused| refused.take().is_some());
    }

    /// Something about the login is news for the Workspace.
    pub(crate) fn wake(&self) {
        self.refused.send_modify(|_| {});
    }

    /// Follows refusals, and what else is news about the login.
    pub fn refusals(&self) -> watch::Receiver<Option<Error>> {
        self.refused.subscribe()
    }

    /// No refusal is open.
    pub fn works(&self) -> bool {
        self.refused.borrow().is_none()
    }

    /// What separates its calls from those of others: the Workspace's kind and name.
    pub(crate) fn tag(&self) -> String {
        format!("{}/{}", self.key.namespace.as_deref().unwrap_or_default(), self.key.name)
    }

    /// What emnify does not allow the login, each with emnify's words.
    pub fn lacks(&self) -> Vec<String> {
        self.role.all()
    }

    /// It has another login, which may be one to a larger role; true if something was refused to the one before.
    pub fn renewed(&self) -> bool {
        self.clear_refusal();
        self.role.reset()
    }

    /// The login may read what is called so for everybody, as far as is known: the listing of a kind, a table, the event log.
    pub(crate) fn lists(&self, what: &'static str) -> bool {
        !self.role.lacks(&(what, Doing::List))
    }

    /// The login is not allowed this, as its refusals told.
    pub(crate) fn may_not<K: Managed>(&self, doing: &Doing) -> bool {
        self.role.lacks(&(K::KIND, doing.clone()))
    }

    /// This call may be sent now: nothing of the kind was refused, or it is its turn to find out.
    pub(crate) fn may_try<K: Managed>(&self, doing: Doing, now: Timestamp) -> bool {
        self.role.turn(&(K::KIND, doing), now)
    }

    /// What [`Self::may_try`] allowed was not sent after all.
    pub(crate) fn not_tried<K: Managed>(&self, doing: Doing, now: Timestamp) {
        self.role.give_back(&(K::KIND, doing), now);
    }

    /// Why this is not tried now and until when, if it was refused to the login.
    pub(crate) fn barred<K: Managed>(&self, doing: Doing, now: Timestamp) -> Option<(String, Timestamp)> {
        let what = (K::KIND, doing);
        let until = self.role.pauses(&what, now)?;
        let message = format!(
            "emnify does not allow the login of {} to {} {}; the condition {} of the workspace says more",
            self.key,
            what.1,
            K::KIND,
            reason::condition::RESTRICTED,
        );
        Some((message, until))
    }

    /// A reading that is for everybody was carried out.
    pub(crate) fn heard(&self, what: &'static str) {
        if self.role.allow(&(what, Doing::List)) {
            self.wake();
        }
    }

    /// One failed; whether the login still works is found out by its owner, and what it may not read another login may.
    pub(crate) fn unheard(&self, what: &'static str, error: &Error, now: Timestamp) {
        match error {
            Error::Unauthorized { status: 403, .. } => {
                let news = self.role.refuse((what, Doing::List), ("", true), &error.to_string(), now);
                if news {
                    tracing::warn!(what, workspace = %self.key, %error, "the login may not read this");
                    self.wake();
                }
            }
            Error::Unauthorized { .. } | Error::OtherOrganisation { .. } => self.report_refusal(error),
            _ => {}
        }
    }

    /// A call failed, and perhaps not for the sake of `who` alone.
    pub(crate) fn failed<K: Managed>(&self, doing: Doing, who: &str, error: &Error, now: Timestamp) {
        let changes = matches!(doing, Doing::Create | Doing::Update | Doing::Delete);
        let sure = match error {
            Error::Unauthorized { status: 403, .. } => true,
            Error::Rejected { status: 403, .. } if changes => false,
            // emnify does not have the whole family: it is in a beta that the organisation does not take part in
            Error::Rejected { status: 404, .. } if doing == Doing::List => true,
            Error::Unauthorized { .. } | Error::OtherOrganisation { .. } => {
                return self.report_refusal(error);
            }
            _ => return,
        };
        let what = (K::KIND, doing);
        if self.role.refuse(what.clone(), (who, sure), &error.to_string(), now) {
            tracing::warn!(kind = K::KIND, doing = %what.1, workspace = %self.key, %error, "the login may not do this");
            self.wake();
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("key", &self.key).finish_non_exhaustive()
    }
}
