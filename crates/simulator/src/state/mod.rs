//! What the simulated platform remembers: plain data, the same in a seed file and in memory.
//!
//! A seed file is this state written down (`GET /simulator/state` prints one). All fields are optional unless they say
//! otherwise; unknown ones are refused.

mod device;
mod event;
mod integration;
mod login;
mod network;
mod organisation;
mod people;
mod plan;
mod policy;
mod profile;
pub mod rules;
mod sim;
pub(crate) mod table;
mod time;
pub mod traffic;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use device::{
    Connectivity, Endpoint, LimitExtension, Location, PdpContext, Quota, Sim, SimBatch, SimState, Sms,
    SmsState, Usage,
};
pub use event::{Draft, Event, EventEndpoint, EventImsi, EventSim, EventUser};
pub use integration::{ApiCallback, ApiSecret};
pub use organisation::{ApplicationToken, CallLedger, Dns, Indexes, IpAddressSpace, Organisation, Tag};
pub use people::{Lockout, Membership, MfaKey, TrustedDevice, User};
pub use plan::{HeldVolume, TariffPlan};
pub use profile::{
    BlockedOperator, DataLimit, InclusiveVolume, ProfileService, RateZone, ServiceProfile, Tariff,
    TariffProfile,
};
pub use sim::Actor;
pub use table::{Row, Table};

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

/// The next id of each kind. Ids written in a seed push their counter up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is named after its kind")]
pub struct NextIds {
    pub organisation: u64,
    pub application_token: u64,
    pub user: u64,
    pub mfa_key: u64,
    pub trusted_device: u64,
    pub ip_address_space: u64,
    pub dns: u64,
    pub tag: u64,
    pub api_callback: u64,
    pub api_secret: u64,
    pub service_profile: u64,
    pub data_limit: u64,
    pub tariff: u64,
    pub rate_zone: u64,
    pub tariff_profile: u64,
    pub inclusive_volume: u64,
    pub sim: u64,
    pub sim_batch: u64,
    pub endpoint: u64,
    pub sms: u64,
    pub limit_extension: u64,
    pub pdp_context: u64,
    pub event: u64,
    pub token: u64,
}

impl Default for NextIds {
    fn default() -> Self {
        Self {
            organisation: 1,
            application_token: 1,
            user: 1,
            mfa_key: 1,
            trusted_device: 1,
            ip_address_space: 1,
            dns: 1,
            tag: 1,
            api_callback: 1,
            api_secret: 1,
            service_profile: 100_001,
            data_limit: 1,
            tariff: 1,
            rate_zone: 1,
            tariff_profile: 200_001,
            inclusive_volume: 1,
            // Device and SIM ids are in the 10^7 range. [R]
            sim: 10_000_001,
            sim_batch: 1,
            endpoint: 11_000_001,
            sms: 1,
            limit_extension: 1,
            pdp_context: 1,
            // Event ids exceed 2^48. [R]
            event: 300_000_000_000_001,
            token: 1,
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
