//! The state of a device and of its SIM.

use emnify::{
    Api, Error,
    wire::{Ref, endpoint::EndpointPatch},
};
use emnify_engine::kind::{
    reason,
    task::{Again, Outcome},
};
use jiff::Timestamp;

use super::facts::Facts;
use crate::kinds::{
    endpoint::rows::status,
    operation::{device::Device, params::SetState},
    sim::{
        period::Period,
        state::{Move, SimState, WantedState, status as sim_status},
    },
};

/// Before it is sent the SIM is read, so that sending it again does no more.
pub(super) const SET: Facts = Facts::of("setState", Again::Yes, 1).serial();

/// States between the one that a SIM has and the one that is wanted.
const STEPS: usize = 2;

/// What one device and the SIM in it, or one SIM, are set to.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The device, and whether it is enabled.
    enabled: Option<(i64, bool)>,
    sim: Option<(i64, WantedState)>,
}

impl SetState {
    /// The fields of manifests that it would change.
    pub(super) fn manages(&self) -> Vec<&'static str> {
        [self.enabled.map(|_| "/enabled"), self.sim.map(|_| "/sim/state")].into_iter().flatten().collect()
    }

    pub(super) fn of(&self, device: &Device) -> Result<Setting, Outcome> {
        let skipped = |reason, message: &str| Outcome::Skipped { reason, message: message.to_owned() };
        if self.enabled.is_some() && device.row.id == 0 {
            return Err(skipped(
                reason::NOT_FOUND,
                "the SIM is in no device that could be enabled or disabled",
            ));
        }
        let switches = self.enabled.is_some_and(|enabled| enabled != (device.row.status == status::ENABLED));
        if switches || self.sim == Some(SimState::Suspended) {
            device.out_of_factory_test(self.acknowledge_factory_test_end)?;
        }
        let enabled = self.enabled.map(|enabled| (device.row.id, enabled));
        let Some(state) = self.sim else { return Ok(Setting { enabled, sim: None }) };
        let Some(sim) = &device.sim else {
            return Err(skipped(reason::NOT_FOUND, "there is no SIM in the device"));
        };
        let acknowledged = self.acknowledge_factory_test_end == Some(true);
        let wanted = WantedState { state, period: Period::default(), acknowledged };
        match next(&wanted, sim.status) {
            Next::Impossible(why) => Err(skipped(reason::INVALID_SPEC, &why)),
            Next::There | Next::To(_) => Ok(Setting { enabled, sim: Some((sim.id, wanted)) }),
        }
    }
}

/// What to do about a SIM.
enum Next {
    There,
    To(SimState),
    Impossible(String),
}

fn next(wanted: &WantedState, have: i64) -> Next {
    // an operation is an edit, and knows no period
    match wanted.next(have, true, Timestamp::UNIX_EPOCH) {
        Move::Stay => Next::There,
        Move::To(state) => Next::To(state),
        Move::Illegal(why) | Move::Passing(why) => Next::Impossible(why),
        Move::Drifted => Next::Impossible(format!(
            "a SIM in state {} cannot be set to {}",
            sim_status::name(have),
            wanted.state
        )),
    }
}

impl Setting {
    pub(super) async fn send(&self, api: &Api) -> Result<Outcome, Error> {
        if let Some((device, enabled)) = self.enabled {
            let to = if enabled { status::ENABLED } else { status::DISABLED };
            // sent again, it would end the Factory Test that this very operation began
            let reads = self.sim.as_ref().is_some_and(|(_, wanted)| wanted.state == SimState::FactoryTest);
            let have = if reads { api.endpoint(device).await?.and_then(|seen| seen.status) } else { None };
            if have != Some(to) {
                let patch = EndpointPatch { status: Some(Ref { id: to }), ..EndpointPatch::default() };
                api.patch_endpoint(device, &patch).await?;
            }
        }
        let Some((sim, wanted)) = &self.sim else { return Ok(Outcome::DONE) };
        for _ in 0..=STEPS {
            let Some(have) = api.sim(*sim).await?.and_then(|seen| Some(seen.status?.id)) else {
                let message = "the SIM is gone".to_owned();
                return Ok(Outcome::Failed { reason: reason::NOT_FOUND, message });
            };
            match next(wanted, have) {
                Next::There => return Ok(Outcome::DONE),
                Next::To(state) => api.set_sim_status(*sim, state.id()).await?,
                Next::Impossible(message) => {
                    return Ok(Outcome::Failed { reason: reason::INVALID_SPEC, message });
                }
            }
        }
        let message = "emnify took the state and does not show it; look at the SIM".to_owned();
        Ok(Outcome::Unknown(message))
    }
}
