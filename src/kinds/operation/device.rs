//! A device as actions see it.

use emnify_engine::kind::{
    Id, Key, Kind, reason,
    set::Pool,
    task::{Here, Outcome},
};

use crate::kinds::{
    endpoint::{self, Endpoint, rows::key},
    endpoint_set::EndpointSet,
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
    pub(super) sim: Option<sim::rows::Row>,
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

    /// The SIM with this id, in whatever device; the device has the id 0 where there is none.
    pub(super) fn with_sim(id: &Id, mirrors: Mirrors<'_>) -> Option<Self> {
        let mut sim = None;
        mirrors.sims.with(id.int()?, &mut |found| sim = Some(found.clone()));
        let sim = sim.filter(|sim: &sim::rows::Row| !sim.is_tombstone())?;
        let holder = mirrors.devices.find(&Key::new(key::SIM, id.to_string()));
        let held = holder.first().and_then(|holder| Self::of(holder, mirrors));
        Some(Self { row: held.unwrap_or_default().row, sim: Some(sim) })
    }

    /// The manifest that sets this field of the device, or the same of its SIM.
    pub(super) fn manager(&self, pointer: &str, here: &dyn Here) -> Option<String> {
        let of_a_set = format!("/template{}", if pointer == "/sim" { "" } else { pointer });
        let of_the_device = [(Endpoint::KIND, pointer), (EndpointSet::KIND, &*of_a_set)];
        let device = Some(self.row.id).filter(|id| *id != 0);
        let by_device = device.and_then(|id| here.manager((Endpoint::KIND, &Id::Int(id)), &of_the_device));
        by_device.or_else(|| {
            let sim = self.sim.as_ref().filter(|_| pointer.starts_with("/sim"))?;
            here.manager((Sim::KIND, &Id::Int(sim.id)), &[(Sim::KIND, "/state")])
        })
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
