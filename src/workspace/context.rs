//! What the controllers of workspaces share, and what is known of each workspace beside its status.

use std::{collections::HashMap, sync::Arc, time::Duration};

use emnify::Gate;
use emnify_engine::{kind::spec::WorkspaceKey, run::Engine, session::Access};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, watch};

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
    pub(super) states: Mutex<HashMap<WorkspaceKey, Arc<AsyncMutex<WorkspaceState>>>>,
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
        let (states, shows, unlisted) = (Mutex::default(), Mutex::default(), watch::Sender::default());
        Arc::new(Self { engine, settings, sessions, namespaces, lead, unlisted, states, shows })
    }

    /// Who looks at objects.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn state(&self, key: &WorkspaceKey) -> Arc<AsyncMutex<WorkspaceState>> {
        self.states.lock().entry(key.clone()).or_default().clone()
    }
}
