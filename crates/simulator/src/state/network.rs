//! How devices move through the network.

use jiff::Timestamp;

use super::State;
use crate::control::Signal;

impl State {
    /// Lets something happen to a device.
    ///
    /// # Errors
    /// A sentence saying why it cannot happen.
    pub fn signal(&mut self, endpoint: u64, signal: Signal, now: Timestamp) -> Result<(), String> {
        let _ = (endpoint, signal, now);
        Err("unknown".to_owned())
    }
}
