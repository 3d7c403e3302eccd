//! What the controllers of workspaces share, and what is known of each workspace beside its status.

use std::{collections::HashMap, sync::Arc, time::Duration};

use emnify::Gate;
use emnify_engine::{kind::spec::WorkspaceKey, run::Engine, session::Access};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    books::Books,
    budget::Rarely,
    decide::{Memory, Problem},
    passwords::Passwords,
    second_factor::{Checked, SecondFactor},
    served::NamespaceLabels,
    session_secret::{Copied, CurrentLogin, Login},
    sessions::Sessions,
    survey::Survey,
};
use crate::{leader::Lead, settings::Settings, telemetry::metrics::WorkspaceSnapshot};

/// Secrets are read again this often, so that a changed credential is tried within 30 s.
pub(super) const LOOK: Duration = Duration::from_secs(20);

/// What a workspace knows beside its status.
#[derive(Default)]
pub(super) struct WorkspaceState {
    pub(super) memory: Memory,
    pub(super) login: Option<Login>,
    /// A call with that login was refused.
    pub(super) refused: bool,
    pub(super) access: Option<Access>,
    /// Open while the organisation is ours to serve.
    pub(super) gate: Option<Arc<Gate>>,
    /// What was read of the organisation.
    pub(super) survey: Survey,
    /// Number of the last event about the organisation that was told.
    pub(super) noted: u64,
    /// Passwords that were sent.
    pub(super) passwords: Passwords,
    /// The second factor that the operator made.
    pub(super) second_factor: Option<SecondFactor>,
    /// It was found to be in order.
    pub(super) factor_checked: Option<Checked>,
    /// It was not, and is tried again then.
    pub(super) factor_pause: Option<(Timestamp, Problem)>,
    pub(super) opened: bool,
    /// The Secrets of the credentials, as last read.
    pub(super) read: Copied,
    /// When to write figures that always move.
    pub(super) figures: Rarely,
    pub(super) rotation: Option<Rarely>,
    /// Looks in a row that failed at the API server.
    pub(super) failures: u32,
    /// Writes down what the guard counts.
    pub(super) books: Option<Books>,
}

impl WorkspaceState {
    pub(super) fn current_login(&self) -> Option<CurrentLogin> {
        self.login.as_ref().map(|login| login.current_login(self.refused))
    }
}

/// What is known of each workspace. A look takes it out and puts it back: looks at one workspace follow each other, and no lock
/// is held while one logs in.
#[derive(Default)]
struct States(Mutex<HashMap<WorkspaceKey, Option<Box<WorkspaceState>>>>);

/// What the controllers of both kinds share.
pub struct WorkspaceController {
    pub(super) engine: Engine,
    pub(super) settings: Settings,
    /// Live sessions.
    pub sessions: Sessions,
    pub(super) namespaces: NamespaceLabels,
    pub(super) lead: Arc<Lead>,
    /// Watches that have not listed everything yet.
    pub(super) unlisted: watch::Sender<usize>,
    states: States,
    /// Show the workspaces of each kind.
    pub(super) shows: Mutex<Vec<Show>>,
}

pub(super) type Show = Box<dyn Fn() -> Vec<WorkspaceSnapshot> + Send + Sync>;

impl WorkspaceController {
    /// A controller that knows no workspace yet.
    pub fn new(
        engine: Engine,
        settings: Settings,
        sessions: Sessions,
        namespaces: NamespaceLabels,
        lead: Arc<Lead>,
    ) -> Arc<Self> {
        let (states, shows, unlisted) = (States::default(), Mutex::default(), watch::Sender::default());
        Arc::new(Self { engine, settings, sessions, namespaces, lead, unlisted, states, shows })
    }

    /// Who looks at objects.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What is known of a workspace, for a look at it; of a new one as little as after a restart.
    pub(super) fn take_state(&self, key: &WorkspaceKey) -> Box<WorkspaceState> {
        self.states.take(key)
    }

    /// Keeps what a look knew in the end, unless the workspace went or was left meanwhile.
    pub(super) fn keep_state(&self, key: &WorkspaceKey, state: Box<WorkspaceState>) {
        self.states.keep(key, state);
    }

    /// Forgets a workspace; true if it was known.
    pub(super) fn forget_state(&self, key: &WorkspaceKey) -> bool {
        self.states.forget(key)
    }
}

impl States {
    fn take(&self, key: &WorkspaceKey) -> Box<WorkspaceState> {
        self.0.lock().entry(key.clone()).or_default().take().unwrap_or_default()
    }

    fn keep(&self, key: &WorkspaceKey, state: Box<WorkspaceState>) {
        if let Some(known) = self.0.lock().get_mut(key) {
            *known = Some(state);
        }
    }

    fn forget(&self, key: &WorkspaceKey) -> bool {
        self.0.lock().remove(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_look_knew_is_kept_unless_its_workspace_went_meanwhile() {
        let (states, key) = (States::default(), WorkspaceKey { namespace: None, name: "a".into() });
        let mut state = states.take(&key);
        state.failures = 3;
        states.keep(&key, state);
        let state = states.take(&key);
        assert_eq!(state.failures, 3);
        assert_eq!(states.take(&key).failures, 0, "a look beside it begins as after a restart");
        assert!(states.forget(&key));
        states.keep(&key, state);
        assert_eq!(states.take(&key).failures, 0, "a namesake inherits nothing");
    }
}
