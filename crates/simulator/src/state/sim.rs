//! What happens to SIMs, and who makes it happen.

use jiff::Timestamp;
use serde_json::json;

use super::{Draft, EventUser, NextIds, Organisation, SimState};

/// MB that end Factory Test. [P]
const TEST_DATA: f64 = 0.1;
/// Messages that end Factory Test; the tenth does. [P]
const TEST_SMS: u64 = 10;

/// Who acts, when, and where ids come from.
pub struct Actor<'a> {
    /// Id counters.
    pub next: &'a mut NextIds,
    /// The simulated time.
    pub now: Timestamp,
    /// The acting person; none for application tokens and the platform itself.
    pub user: Option<EventUser>,
}

impl Actor<'_> {
    /// Writes an event in the actor's name.
    pub fn emit(&mut self, org: &mut Organisation, draft: Draft) {
        org.emit(self.next, self.now, draft.user(self.user.clone()));
    }
}

impl Organisation {
    /// Moves a SIM to a state its present one may become; what is already so stays so.
    pub fn set_sim_state(&mut self, actor: &mut Actor<'_>, sim: u64, to: SimState) {
        self.set_sim_state_for(actor, sim, to, self.endpoint_of_sim(sim));
    }

    /// The same for a device that is about to get the SIM: the event is in its log. [R]
    pub fn set_sim_state_for(
        &mut self,
        actor: &mut Actor<'_>,
        sim: u64,
        to: SimState,
        endpoint: Option<u64>,
    ) {
        let Some(row) = self.sims.get_mut(&sim).filter(|row| row.status != to) else {
            return;
        };
        let from = row.status;
        row.status = to;
        if to == SimState::Activated {
            row.activation_date.get_or_insert(actor.now);
        }
        let kind = match to {
            SimState::Issued => return,
            SimState::Activated => 8,
            SimState::Suspended => 9,
            SimState::Deleted => 10,
            SimState::FactoryTest => 45,
        };
        let text = format!("Status of SIM changed from '{}' to '{}'", from.name(), to.name());
        let mut draft = Draft::new(kind).sim(sim).text(text);
        if let Some(endpoint) = endpoint {
            draft = draft.endpoint(endpoint);
        }
        if from == SimState::FactoryTest {
            draft = draft.source(1).detail(json!({"transition": {"from": from.name(), "to": to.name()}}));
        }
        actor.emit(self, draft);
        if matches!(to, SimState::Suspended | SimState::Deleted)
            && let Some(endpoint) = self.endpoint_of_sim(sim)
        {
            self.drop_connection(actor, endpoint);
        }
    }

    /// Ends the Factory Test of a device's SIM: a status change, a reset or too much traffic does. [P]
    pub fn end_factory_test(&mut self, actor: &mut Actor<'_>, endpoint: u64) {
        let sim = self.endpoints.get(&endpoint).and_then(|endpoint| endpoint.sim);
        if let Some(sim) = sim
            && self.sims.get(&sim).is_some_and(|sim| sim.status == SimState::FactoryTest)
        {
            self.set_sim_state(actor, sim, SimState::Activated);
        }
    }

    /// Counts traffic of a device against its SIM's Factory Test.
    pub fn count_test_traffic(&mut self, actor: &mut Actor<'_>, endpoint: u64, data: f64, sms: u64) {
        let sim = self.endpoints.get(&endpoint).and_then(|endpoint| endpoint.sim);
        let Some(sim) = sim.and_then(|sim| self.sims.get_mut(&sim)) else {
            return;
        };
        if sim.status != SimState::FactoryTest {
            return;
        }
        sim.test_data += data;
        sim.test_sms += sms;
        if sim.test_data >= TEST_DATA || sim.test_sms >= TEST_SMS {
            self.end_factory_test(actor, endpoint);
        }
    }

    /// Assigns a SIM to a device or releases the one it has, with the events of it. [R]
    pub fn reassign_sim(&mut self, actor: &mut Actor<'_>, endpoint: u64, sim: Option<u64>) {
        let held = self.endpoints.get(&endpoint).and_then(|endpoint| endpoint.sim);
        if held == sim {
            return;
        }
        if let Some(held) = held {
            self.drop_connection(actor, endpoint);
            self.assign_sim(endpoint, None);
            let text = format!("SIM {held} released from endpoint {endpoint}");
            actor.emit(self, Draft::new(50).endpoint(endpoint).sim(held).text(text));
        }
        if let Some(sim) = sim {
            self.assign_sim(endpoint, Some(sim));
            let text = format!("SIM {sim} assigned to endpoint {endpoint}");
            actor.emit(self, Draft::new(51).endpoint(endpoint).sim(sim).text(text).detail(json!({})));
        }
    }
}
