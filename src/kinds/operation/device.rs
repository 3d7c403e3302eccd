//! A device as actions see it.

use emnify_engine::kind::{Id, reason, set::Pool, task::Outcome};

use crate::kinds::{
    endpoint::{self, Endpoint},
    sim::{self, Sim},
};

/// Devices, and the SIMs in them.
#[derive(Clone, Copy)]
pub(super) struct Mirrors<'a> {
    pub(super) devices: &'a dyn Pool<Endpoint>,
    pub(super) sims: &'a dyn Pool<Sim>,
}

/// A device and the SIM in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Device {
    pub(super) row: endpoint::Row,
    sim: Option<sim::rows::Row>,
}

impl Device {
    /// The device with this id.
    pub(super) fn of(id: &Id, mirrors: Mirrors<'_>) -> Option<Self> {
        let mut row = None;
        mirrors.devices.with(id.int()?, &mut |found| row = Some(found.clone()));
        let row = row.filter(|row| !row.is_tombstone())?;
        let mut sim = None;
        if let Some(held) = &row.sim {
            mirrors.sims.with(held.id, &mut |found| sim = Some(found.clone()));
        }
        Some(Self { row, sim })
    }

    /// Its SIM is not in Factory Test, or that may end.
    pub(super) fn out_of_factory_test(&self, acknowledged: Option<bool>) -> Result<(), Outcome> {
        let tested = self.sim.as_ref().is_some_and(|sim| sim.status == sim::state::status::FACTORY_TEST);
        if !tested || acknowledged == Some(true) {
            return Ok(());
        }
        let message = "its SIM is in Factory Test, which this would end: set acknowledgeFactoryTestEnd: true to allow that";
        Err(Outcome::Skipped { reason: reason::FACTORY_TEST, message: message.to_owned() })
    }

    /// What a text may name.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        match name {
            "iccid" => self.sim.as_ref()?.iccid.as_deref().map(str::to_owned),
            "imsi" => self.sim.as_ref()?.imsi.as_deref().map(str::to_owned),
            "name" => Some(self.row.name.to_string()),
            "address" => self.row.address.as_deref().map(str::to_owned),
            _ => None,
        }
    }
}
