//! What is logged, changed while the process runs.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use tracing_subscriber::{EnvFilter, reload};

use crate::settings::log_filter::{NoLevels, filter};

type Replace = dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync;

/// The filter in use.
#[derive(Clone)]
pub struct Levels {
    replace: Arc<Replace>,
    now: Arc<Mutex<String>>,
}

/// There is one subscriber per process.
static INSTALLED: OnceLock<Levels> = OnceLock::new();

impl Levels {
    /// The levels behind `handle`, which are `now` at present.
    pub fn new<S: 'static>(handle: reload::Handle<EnvFilter, S>, now: &str) -> Self {
        let replace = move |filter| handle.reload(filter);
        Self { replace: Arc::new(replace), now: Arc::new(Mutex::new(now.to_owned())) }
    }

    /// Those of the process, once logging has started.
    pub fn installed() -> Option<Self> {
        INSTALLED.get().cloned()
    }

    pub(super) fn install(self) {
        INSTALLED.get_or_init(|| self);
    }

    /// As they were last set.
    pub fn now(&self) -> String {
        self.now.lock().clone()
    }

    /// Sets them until the process ends.
    pub fn set(&self, text: &str) -> Result<(), NoLevels> {
        let text = text.trim();
        let filter = filter(text)?;
        let mut now = self.now.lock();
        // an error means that the subscriber is gone, and with it whoever could see a difference
        if (self.replace)(filter).is_ok() {
            text.clone_into(&mut now);
        }
        Ok(())
    }
}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Levels").field("now", &self.now()).finish_non_exhaustive()
    }
}
