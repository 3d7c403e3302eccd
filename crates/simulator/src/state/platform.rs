//! The whole state.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{NextIds, Organisation, SimBatch, Table, Tariff, User};

/// The whole state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Workspaces. At least one is needed to log in.
    pub organisations: Table<Organisation>,
    /// People; each belongs to one or more workspaces.
    pub users: Table<User>,
    /// Tariffs the platform offers, each with its rate zones.
    pub tariffs: Table<Tariff>,
    /// Batches of SIMs that wait for registration by their BIC.
    pub sim_batches: Table<SimBatch>,
    /// The key JWTs are signed with.
    pub signing_key: String,
    /// The next id of each kind.
    pub next_ids: NextIds,
}

impl Default for State {
    fn default() -> Self {
        Self {
            organisations: Table::default(),
            users: Table::default(),
            tariffs: Table::default(),
            sim_batches: Table::default(),
            signing_key: "simulated".to_owned(),
            next_ids: NextIds::default(),
        }
    }
}

impl State {
    /// One organisation and the id counters, to change both.
    pub fn split(&mut self, organisation: u64) -> (&mut Organisation, &mut NextIds) {
        let organisation = self.organisations.get_mut(&organisation).expect("a caller's organisation exists");
        (organisation, &mut self.next_ids)
    }

    /// Gives ids to rows without one, moves counters past explicit ids and builds the indexes.
    ///
    /// # Errors
    /// A sentence naming the row whose reference leads nowhere or whose claim clashes.
    pub fn settle_in(&mut self) -> Result<(), String> {
        let next = &mut self.next_ids;
        self.organisations.raise(next);
        self.users.raise(next);
        self.tariffs.raise(next);
        self.sim_batches.raise(next);
        let waiting = || self.sim_batches.values().flat_map(|batch| &batch.sims);
        next.sim = waiting().map(|sim| sim.id + 1).fold(next.sim, u64::max);
        for user in self.users.values() {
            user.mfa_keys.raise(next);
            user.trusted_devices.raise(next);
        }
        for tariff in self.tariffs.values() {
            tariff.rate_zones.raise(next);
            tariff.inclusive_volumes.raise(next);
        }
        for organisation in self.organisations.values() {
            organisation.raise(next);
        }
        self.organisations.number(next);
        self.users.number(next);
        self.tariffs.number(next);
        self.sim_batches.number(next);
        for user in self.users.values_mut() {
            user.mfa_keys.number(next);
            user.trusted_devices.number(next);
        }
        for tariff in self.tariffs.values_mut() {
            tariff.rate_zones.number(next);
            tariff.inclusive_volumes.number(next);
        }
        for organisation in self.organisations.values_mut() {
            organisation.number(next);
            organisation.index()?;
        }
        let mut known: BTreeSet<u64> =
            self.organisations.values().flat_map(|org| org.sims.keys().copied()).collect();
        for batch in self.sim_batches.values() {
            if let Some(sim) = batch.sims.iter().find(|sim| sim.id != 0 && !known.insert(sim.id)) {
                return Err(format!("sim_batches: {}: id {} of a SIM is used twice", batch.bic, sim.id));
            }
        }
        Ok(())
    }
}
