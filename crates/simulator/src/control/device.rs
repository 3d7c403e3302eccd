//! What simulated devices do.

use crate::{Simulator, delivery};

/// Something that happens to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It registers in a network: ATTACHED.
    Attach,
    /// It opens a data session, registering first if need be: ONLINE.
    Online,
    /// An attached one registers in another network, if it may use another.
    Travel,
    /// It closes its data session: ATTACHED.
    Detach,
    /// The network reports it gone: OFFLINE.
    Offline,
    /// It runs into a traffic limit: BLOCKED.
    Block,
}

impl Simulator {
    /// A customer accepts the share of a transit gateway, whatever the organisation.
    ///
    /// # Errors
    /// A sentence saying why that cannot be.
    pub fn accept_attachment(&self, id: u64) -> Result<(), String> {
        let mut core = self.shared.lock();
        let now = core.clock.now();
        core.state.accept_attachment(id, now)
    }

    /// Lets something happen to a device, whatever its organisation.
    ///
    /// # Errors
    /// A sentence saying why it cannot happen.
    pub fn device(&self, id: u64, signal: Signal) -> Result<(), String> {
        let mut core = self.shared.lock();
        let now = core.clock.now();
        let happened = core.state.signal(id, signal, now);
        drop(core);
        delivery::wake(&self.shared);
        happened
    }
}
