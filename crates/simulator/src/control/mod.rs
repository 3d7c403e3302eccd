//! Control from outside the API: requests, state, faults, time and devices.

mod device;
mod routes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

pub use device::Signal;
pub(crate) use routes::routes;

use crate::http::faults::Fault;
use crate::http::log::{Entry, Requests};
use crate::resources::authentication::totp;
use crate::state::{DataStream, data_stream};
use crate::{Seed, SeedError, Simulator, State, delivery};

impl Simulator {
    /// Requests since the start or the last clearing, with the ordered log.
    pub fn requests(&self) -> Requests {
        self.shared.lock().log.read(true)
    }

    /// Number of the last request; 0 before the first.
    pub fn last_request(&self) -> u64 {
        self.shared.lock().log.last()
    }

    /// Requests after the one of that number, in order of arrival.
    pub fn requests_after(&self, number: u64) -> Vec<Entry> {
        self.shared.lock().log.after(number)
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.lock().log.clear();
    }

    /// A copy of the whole state.
    pub fn state(&self) -> State {
        self.shared.lock().state.clone()
    }

    /// Replaces the whole state.
    ///
    /// # Errors
    /// A reference that leads nowhere.
    pub fn set_state(&self, state: State) -> Result<(), SeedError> {
        let state = Seed::from_state(state)?.into_state();
        self.shared.lock().state = state;
        Ok(())
    }

    /// Looks at the state without copying it.
    pub fn inspect<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.lock().state)
    }

    /// Changes the state in place, as someone at the portal would; no events are written.
    ///
    /// # Errors
    /// The state no longer makes sense; it stays as it was.
    pub fn edit(&self, change: impl FnOnce(&mut State)) -> Result<(), SeedError> {
        let mut core = self.shared.lock();
        let before = core.state.clone();
        change(&mut core.state);
        core.state.settle_in().map_err(|why| {
            core.state = before;
            SeedError::Inconsistent(why)
        })
    }

    /// Changes in place what no index follows from, however large the rest is.
    pub fn amend(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.lock().state);
    }

    /// Adds a fault rule.
    ///
    /// # Errors
    /// A sentence naming the field that makes no sense.
    pub fn fault(&self, fault: Fault) -> Result<(), String> {
        self.shared.lock().faults.add(fault)
    }

    /// Removes all fault rules.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// What a user's authenticator shows now; none where the user is unknown or has no second factor.
    pub fn mfa_code(&self, username: &str) -> Option<String> {
        let core = self.shared.lock();
        let user = core.state.users.values().find(|user| user.username == username)?;
        let key = user.mfa_keys.values().find(|key| key.status == 1)?;
        totp::now(&key.secret_key, core.clock.now())
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.shared.lock().clock.now()
    }

    /// Moves the clock forward; what falls due happens.
    pub fn advance(&self, by: Duration) {
        let mut core = self.shared.lock();
        core.clock.advance(by);
        let now = core.clock.now();
        core.state.pass_time(now);
        drop(core);
        delivery::wake(&self.shared);
    }

    /// Sets the clock.
    pub fn set_clock(&self, to: Timestamp) {
        let mut core = self.shared.lock();
        core.clock.set(to);
        core.state.pass_time(to);
        drop(core);
        delivery::wake(&self.shared);
    }

    /// The destination of a data stream, by the id that clients see, takes nothing any more: the stream is in error until it is
    /// restarted.
    ///
    /// # Errors
    /// There is no such stream, or it is being changed.
    pub fn fail_stream(&self, id: &str) -> Result<(), String> {
        let mut core = self.shared.lock();
        let now = core.clock.now();
        core.state.pass_time(now);
        let number = DataStream::number_of(id);
        let mut streams = core.state.organisations.values_mut();
        let stream = number.and_then(|number| streams.find_map(|org| org.data_streams.get_mut(&number)));
        let stream = stream.ok_or_else(|| format!("there is no data stream {id}"))?;
        if stream.change.is_some() {
            return Err(format!("data stream {id} is being changed"));
        }
        stream.status = data_stream::status::ERROR;
        Ok(())
    }
}
