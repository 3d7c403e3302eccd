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
};

use emnify::{Client, Error};
use tokio::sync::watch;

use crate::{directory::WorkspaceKey, guard::Guard, role::Role, session::Session};

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
    refused: watch::Sender<Option<Error>>,
}

impl Caller {
    /// A caller with a client that has logged in.
    pub fn new(key: WorkspaceKey, client: Client) -> Arc<Self> {
        let (own_token, refused) = (AtomicI64::new(0), watch::Sender::new(None));
        Arc::new(Self { key, client, guard: Guard::default(), role: Role::default(), own_token, refused })
    }

    /// Id of the application token that the client logs in with, also while it has no live login.
    pub fn own_token(&self) -> Option<i64> {
        if let Some(id) = self.client.identity().and_then(|identity| identity.application_token_id) {
            self.own_token.store(id, Ordering::Relaxed);
        }
        Some(self.own_token.load(Ordering::Relaxed)).filter(|id| *id != 0)
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
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a served Workspace gives its objects: the shared session of the organisation, and its own caller.
#[derive(Clone, Debug)]
pub struct Access {
    /// What is known, shared with other Workspaces of the organisation.
    pub session: Arc<Session>,
    /// Who acts for objects of this Workspace.
    pub caller: Arc<Caller>,
}

impl Access {
    /// The first caller of a session that is begun for it.
    pub fn begin(caller: Arc<Caller>, organisation: String) -> Self {
        Self { session: Session::new(caller.clone(), organisation), caller }
    }

    /// Both lead to the same login in the same session.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.session, &other.session) && Arc::ptr_eq(&self.caller, &other.caller)
    }
}
