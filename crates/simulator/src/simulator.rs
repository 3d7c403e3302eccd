//! The handle of a simulated platform.

use std::sync::Arc;

use crate::http::service::Shared;
use crate::options::Options;

/// A simulated platform. Clones are handles to the same one.
#[derive(Debug, Clone)]
pub struct Simulator {
    pub(crate) shared: Arc<Shared>,
}

impl Simulator {
    /// Starts one; it lives as long as a handle, router or server of it.
    pub fn start(options: Options) -> Self {
        Self { shared: Arc::new(Shared::new(options)) }
    }
}
