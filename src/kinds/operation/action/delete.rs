//! SIMs that are scrapped, for good.

use emnify::{
    Api, Error,
    wire::endpoint::{EndpointPatch, SimChange},
};
use emnify_engine::kind::task::{Again, Outcome};

use super::facts::Facts;
use crate::kinds::{operation::device::Device, sim::state::status};

pub(super) const SCRAP: Facts = Facts::of("deleteSims", Again::Proof, 1).serial().irreversible();

/// One SIM, and the device that it has to leave first: emnify deletes none that is in use. [R]
#[derive(Clone, Debug)]
pub struct Scrapped {
    device: Option<i64>,
}

pub(super) fn of(device: &Device) -> Scrapped {
    Scrapped { device: Some(device.row.id).filter(|id| *id != 0) }
}

impl Scrapped {
    pub(super) async fn send(&self, api: &Api, sim: i64) -> Result<Outcome, Error> {
        if let Some(device) = self.device {
            // it may hold another by now
            let held = api.endpoint(device).await?.and_then(|device| Some(device.sim?.id));
            if held == Some(sim) {
                let leave = EndpointPatch { sim: Some(SimChange::Release), ..EndpointPatch::default() };
                api.patch_endpoint(device, &leave).await?;
            }
        }
        api.delete_sim(sim).await.map(|()| Outcome::DONE)
    }
}

/// It is gone.
pub(super) async fn prove(api: &Api, sim: i64) -> Result<Option<Outcome>, Error> {
    let seen = api.sim(sim).await?;
    let gone = seen.is_none_or(|sim| sim.status.is_some_and(|of| of.id == status::DELETED));
    Ok(gone.then_some(Outcome::DONE))
}
