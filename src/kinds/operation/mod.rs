//! `Operation`: an action of emnify, carried out once for each of its targets.
//!
//! What is sent, whether a missing answer can be made up for, and what a device must be like for it is said in [`action`], one file for
//! each family; how a task goes is the engine's.

mod action;
mod device;
mod params;
mod spec;
mod target;
#[cfg(test)]
mod tests;
mod text;

use std::sync::LazyLock;

use emnify::{Api, Error};
use emnify_engine::kind::{
    Id, Input, Inputs, Invalid, Kind, Managed, Status, reason,
    spec::{CommonSpec, CommonStatus, WorkspaceRef},
    task::{Failures, Outcome, Progress, Task, TaskStatus, Terms, World},
};
use jiff::Timestamp;

use self::device::{Device, Mirrors};
pub use self::{
    action::Call,
    params::{Action, DataCoding, ResetConnectivity, SendSms, SourceAddressType},
    spec::{
        DeviceReference, DeviceSelector, Operation, OperationSpec, OperationStatus, OperationTarget,
        SetReference,
    },
};
use super::{endpoint::Endpoint, sim::Sim};
use crate::api::{CountOrPercent, Date};

/// Targets under way at once unless the spec says otherwise.
const PARALLELISM: i32 = 10;

impl Kind for Operation {
    type Status = OperationStatus;

    const KIND: &'static str = "Operation";

    /// It adopts, corrects and retires nothing.
    fn common(&self) -> &CommonSpec {
        static NONE: LazyLock<CommonSpec> = LazyLock::new(CommonSpec::default);
        &NONE
    }

    fn workspace_ref(&self) -> Option<&WorkspaceRef> {
        self.spec.workspace_ref.as_ref()
    }

    fn status(&self) -> Option<&OperationStatus> {
        self.status.as_ref()
    }
}

impl Status for OperationStatus {
    fn common(&self) -> &CommonStatus {
        &self.common
    }

    fn common_mut(&mut self) -> &mut CommonStatus {
        &mut self.common
    }
}

impl TaskStatus for OperationStatus {
    fn progress(&self) -> &Progress {
        &self.progress
    }

    fn progress_mut(&mut self) -> &mut Progress {
        &mut self.progress
    }
}

impl Task for Operation {
    type Member = Endpoint;
    type Pool = Sim;
    type Call = Call;

    const SENSITIVE: bool = true;

    fn terms(&self) -> Result<Terms, Invalid> {
        let spec = &self.spec;
        let facts = spec.action.chosen()?.facts();
        let date = |date: &Option<Date>, path| date.as_ref().map(|date| date.get(path)).transpose();
        let seconds = |seconds: Option<i32>| seconds.and_then(|seconds| u32::try_from(seconds).ok());
        Ok(Terms {
            suspend: spec.suspend == Some(true),
            window: usize::try_from(spec.parallelism.unwrap_or(PARALLELISM)).unwrap_or(1).max(1),
            max_failed: spec.max_failed_targets.as_ref().map(most).transpose()?,
            not_before: date(&spec.not_before, "notBefore")?,
            valid_until: date(&spec.valid_until, "validUntil")?,
            active_seconds: seconds(spec.active_deadline_seconds),
            ttl_seconds: seconds(spec.ttl_seconds_after_finished),
            irreversible: facts.irreversible,
            confirmed: None,
            disturbs: facts.disturbs,
            serial: if facts.serial { Endpoint::FACTS.serial } else { None },
            again: facts.again,
        })
    }

    fn inputs(&self) -> Vec<Input> {
        self.spec.target.inputs()
    }

    fn targets(&self, from: &Inputs, world: &World<'_, Self>) -> Result<Vec<Id>, Invalid> {
        self.spec.target.devices(from, world)
    }

    fn concerns(&self, target: &Id, world: &World<'_, Self>) -> Vec<(&'static str, Id)> {
        let sim = Device::of(target, mirrors(world)).and_then(|device| Some(Id::Int(device.row.sim?.id)));
        let sim = sim.map(|sim| (Sim::KIND, sim));
        [(Endpoint::KIND, target.clone())].into_iter().chain(sim).collect()
    }

    fn display_name(&self, target: &Id, world: &World<'_, Self>) -> Option<String> {
        Some(Device::of(target, mirrors(world))?.row.name.to_string()).filter(|name| !name.is_empty())
    }

    fn prepare(&self, target: &Id, _: &Inputs, world: &World<'_, Self>) -> Result<Call, Outcome> {
        let gone = || Outcome::Failed { reason: reason::NOT_FOUND, message: "the device is gone".to_owned() };
        let device = Device::of(target, mirrors(world)).ok_or_else(gone)?;
        let chosen = self.spec.action.chosen();
        let chosen = chosen.map_err(|invalid| Outcome::Failed {
            reason: reason::INVALID_SPEC,
            message: invalid.to_string(),
        })?;
        chosen.call(&device)
    }

    fn report(&self, status: &mut OperationStatus) {
        let name = self.spec.action.chosen().ok().map(|chosen| chosen.facts().name.to_owned());
        status.action = name;
    }

    async fn send(api: &Api, target: &Id, call: &Call) -> Result<Outcome, Error> {
        call.send(api, target.number()?).await
    }

    async fn prove(api: &Api, target: &Id, call: &Call, since: Timestamp) -> Result<Option<Outcome>, Error> {
        call.prove(api, target.number()?, since).await
    }
}

fn mirrors<'a>(world: &World<'a, Operation>) -> Mirrors<'a> {
    Mirrors { devices: world.members, sims: world.pool }
}

fn most(most: &CountOrPercent) -> Result<Failures, Invalid> {
    match most {
        CountOrPercent::Count(count) => Ok(Failures::Count(u64::try_from(*count).unwrap_or_default())),
        share @ CountOrPercent::Percent(_) => share.of(100, "maxFailedTargets").map(Failures::Percent),
    }
}
