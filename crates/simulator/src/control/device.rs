//! What simulated devices do.

use jiff::Timestamp;

use crate::state::SmsState;
use crate::{Simulator, State, delivery};

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

    /// A message that waits reaches its device, or never will.
    ///
    /// # Errors
    /// There is no such message, or it has come to its end.
    pub fn end_message(&self, id: u64, delivered: bool) -> Result<(), String> {
        let to = if delivered { SmsState::Delivered } else { SmsState::Failed };
        self.happen(|state, now| state.end_message(id, to, now))
    }

    /// An attached device sends a message to a number; its id. A number of seven digits at the most is an application of the
    /// customer, which is called.
    ///
    /// # Errors
    /// A sentence saying why it cannot send one.
    pub fn receive_message(&self, device: u64, to: &str, payload: &str) -> Result<u64, String> {
        self.happen(|state, now| state.receive_message(device, to, payload, now))
    }

    /// A device starts, or asks for operations otherwise: what its eUICC was told to do is done.
    ///
    /// # Errors
    /// A sentence saying why it cannot happen.
    pub fn poll_euicc(&self, device: u64) -> Result<(), String> {
        self.happen(|state, now| state.poll_euicc(device, now))
    }

    /// A device is not heard of after the next switch of its eUICC to another profile.
    ///
    /// # Errors
    /// The device has no eUICC.
    pub fn lose_after_switch(&self, device: u64) -> Result<(), String> {
        self.shared.lock().state.lose_after_switch(device)
    }

    /// Lets something happen to a device, whatever its organisation.
    ///
    /// # Errors
    /// A sentence saying why it cannot happen.
    pub fn device(&self, id: u64, signal: Signal) -> Result<(), String> {
        self.happen(|state, now| state.signal(id, signal, now))
    }

    /// What is due happens first, and what comes of it is delivered.
    fn happen<T>(&self, what: impl FnOnce(&mut State, Timestamp) -> Result<T, String>) -> Result<T, String> {
        let mut core = self.shared.lock();
        let now = core.clock.now();
        core.state.pass_time(now);
        let happened = what(&mut core.state, now);
        drop(core);
        delivery::wake(&self.shared);
        happened
    }
}
