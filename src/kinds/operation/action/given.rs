//! What a call is made of, and when there is none.

use emnify_engine::kind::{
    Id, Inputs, reason,
    task::{Outcome, World},
};

use crate::kinds::operation::{device::Device, spec::Operation};

/// What a call is made of.
pub(crate) struct Given<'a> {
    pub(crate) target: &'a Id,
    /// The device, or the SIM with the device that holds it; with nothing in it where the target is neither.
    pub(crate) device: &'a Device,
    pub(crate) from: &'a Inputs,
    pub(crate) world: &'a World<'a, Operation>,
}

impl Given<'_> {
    /// emnify takes it from a person only.
    pub(super) fn person(&self) -> Result<(), Outcome> {
        if self.world.as_user {
            return Ok(());
        }
        let message =
            "emnify takes this from a person only: give the workspace credentials.user of an Administrator";
        Err(Outcome::Failed { reason: reason::USER_CREDENTIALS_NEEDED, message: message.to_owned() })
    }
}

/// A manifest says what it should be.
pub(crate) fn managed(field: &str) -> Outcome {
    let message = format!("{field} says what it should be: change it there");
    Outcome::Skipped { reason: reason::MANAGED_ELSEWHERE, message }
}
