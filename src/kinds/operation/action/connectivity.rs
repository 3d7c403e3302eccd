//! The connection of a device.

use emnify::{Api, Error};
use emnify_engine::kind::task::{Again, Outcome};

use super::facts::Facts;
use crate::kinds::operation::{device::Device, params::ResetConnectivity};

pub(super) const RESET: Facts = Facts::of("resetConnectivity", Again::Yes, 1).serial();

impl ResetConnectivity {
    pub(super) fn of(&self, device: &Device) -> Result<Self, Outcome> {
        device.out_of_factory_test(self.acknowledge_factory_test_end)?;
        Ok(self.clone())
    }

    pub(super) async fn send(&self, api: &Api, device: i64) -> Result<Outcome, Error> {
        api.reset_connectivity(device, self.data == Some(true), self.network == Some(true)).await?;
        Ok(Outcome::DONE)
    }
}
