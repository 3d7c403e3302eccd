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
    Id, Input, Inputs, Invalid, Key, Kind, Managed, Status, reason,
    set::TextRef,
    spec::{CommonSpec, CommonStatus, WorkspaceRef},
    task::{Failures, Outcome, Progress, Task, TaskStatus, Terms, Work, World},
};
use jiff::{SignedDuration, Timestamp};

pub(crate) use self::spec::{EUICCS_OF_ACTION, TARGET_OF_ACTION, euiccs_of_action, target_of_action};
pub use self::{
    action::Call,
    params::{
        Action, AssignInclusiveVolume, BlockCurrentOperator, CancelSms, DataCoding, DeleteSims,
        EndTrafficLimitExtensions, EuiccAction, EuiccOperation, ExtendTrafficLimit, MigrateSims,
        MovableState, QuotaKind, RemoveQuotas, ResetConnectivity, ResetMfa, RestartDataStream,
        RetryCloudConnect, SendSms, SetState, SimOperation, SourceAddressType, TargetWorkspace,
        UnblockOperators, VerifyRecipient,
    },
    spec::{
        Confirmation, DeviceReference, DeviceSelector, Operation, OperationSpec, OperationStatus,
        OperationTarget, SetReference, SimTargets,
    },
};
use self::{
    action::{Chosen, Given, On},
    device::{Device, Mirrors},
};
use super::{
    endpoint::Endpoint,
    service_profile::ServiceProfile,
    sim::{Sim, rows::key},
};
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
            confirmed: spec.confirm.as_ref().and_then(|confirm| u64::try_from(confirm.targets).ok()),
            disturbs: facts.disturbs,
            serial: if facts.serial { Endpoint::FACTS.serial } else { None },
            again: facts.again,
            lone: false,
        })
    }

    fn inputs(&self) -> Vec<Input> {
        let of_the_action = self.spec.action.chosen().map(Chosen::inputs).unwrap_or_default();
        self.target().inputs().into_iter().chain(of_the_action).collect()
    }

    fn text(&self) -> Option<TextRef> {
        let from = self.target().sims.as_ref()?.config_map_ref.as_ref()?;
        Some(TextRef { config_map: from.name.to_string(), key: from.key.to_string() })
    }

    fn targets(&self, from: &Inputs, world: &World<'_, Self>) -> Result<Vec<Id>, Invalid> {
        let target = self.target();
        match self.on() {
            On::Devices => target.devices(from, world),
            On::Sims => target.sims(from, world),
            On::Euiccs => Ok(target.eids()),
            On::Only(kind) => target.only(kind, from).map(|id| vec![id]),
            On::Organisation => Ok(vec![self.spec.action.chosen()?.own_target()?]),
        }
    }

    fn disturbs(&self, target: &Id, world: &World<'_, Self>) -> Option<u64> {
        let Ok(Chosen::RemoveQuotas(_)) = self.spec.action.chosen() else { return None };
        u64::try_from(action::devices_of_profile(target, world).len()).ok()
    }

    fn concerns(&self, target: &Id, world: &World<'_, Self>) -> Vec<(&'static str, Id)> {
        match self.on() {
            On::Devices | On::Sims => {}
            On::Euiccs => {
                let sims = world.pool.find(&Key::new(key::EID, target.to_string()));
                return sims.iter().flat_map(|sim| around(On::Sims, sim, world)).collect();
            }
            On::Only(ServiceProfile::KIND) => {
                let devices = action::devices_of_profile(target, world).into_iter();
                let devices = devices.map(|id| (Endpoint::KIND, id));
                return [(ServiceProfile::KIND, target.clone())].into_iter().chain(devices).collect();
            }
            On::Only(kind) => return vec![(kind, target.clone())],
            On::Organisation => return Vec::new(),
        }
        around(self.on(), target, world)
    }

    fn display_name(&self, target: &Id, world: &World<'_, Self>) -> Option<String> {
        let name = match self.on() {
            On::Devices => self.device(target, world)?.row.name.to_string(),
            On::Sims => self.device(target, world)?.value("iccid")?,
            On::Only(_) => self.target().called()?,
            On::Euiccs | On::Organisation => return None,
        };
        Some(name).filter(|name| !name.is_empty())
    }

    fn prepare(&self, target: &Id, from: &Inputs, world: &World<'_, Self>) -> Result<Call, Outcome> {
        let device = match self.device(target, world) {
            Some(device) => device,
            // emnify is asked about a SIM that is gone: it may be this operation that took it
            None if self.on() != On::Devices => Device::default(),
            None => {
                let message = "the device is gone".to_owned();
                return Err(Outcome::Failed { reason: reason::NOT_FOUND, message });
            }
        };
        let chosen = self.spec.action.chosen();
        let chosen = chosen.map_err(|invalid| Outcome::Failed {
            reason: reason::INVALID_SPEC,
            message: invalid.to_string(),
        })?;
        if let Some(field) =
            chosen.manages().into_iter().find_map(|pointer| device.manager(pointer, world.here))
        {
            return Err(action::managed(&field));
        }
        chosen.call(&Given { target, device: &device, from, world })
    }

    fn report(&self, status: &mut OperationStatus) {
        status.action = self.spec.action.name().map(str::to_owned);
    }

    async fn send(api: &Api, target: &Id, call: &Call) -> Result<Outcome, Error> {
        call.send(api, target).await
    }

    async fn prove(api: &Api, target: &Id, call: &Call, since: Timestamp) -> Result<Option<Outcome>, Error> {
        call.prove(api, target, since).await
    }

    async fn follow(
        &self,
        api: &Api,
        target: &Id,
        work: &Work,
        elapsed: SignedDuration,
    ) -> Result<Option<Outcome>, Error> {
        let gone = |why: Invalid| Error::NotFound { message: why.to_string() };
        self.spec.action.chosen().map_err(gone)?.follow(api, (target, work), elapsed).await
    }
}

impl Action {
    /// Its name, as the spec calls it.
    pub fn name(&self) -> Option<&'static str> {
        self.chosen().ok().map(|chosen| chosen.facts().name)
    }

    /// It is for single devices, or their SIMs, and can be taken back.
    pub fn is_for_devices(&self) -> Result<bool, Invalid> {
        let chosen = self.chosen()?;
        Ok(chosen.on(&OperationTarget::default()) == On::Devices && !chosen.facts().irreversible)
    }
}

/// Ids of the devices that a target means which names none by its object.
pub(crate) fn devices(target: &OperationTarget, world: &World<'_, Operation>) -> Result<Vec<Id>, Invalid> {
    target.devices(&Inputs::default(), world)
}

impl Operation {
    /// What its targets are.
    fn on(&self) -> On {
        self.spec.action.chosen().map_or(On::Devices, |chosen| chosen.on(self.target()))
    }

    /// Whom the spec names; nobody, where the action is for the organisation.
    fn target(&self) -> &OperationTarget {
        static NOBODY: LazyLock<OperationTarget> = LazyLock::new(OperationTarget::default);
        self.spec.target.as_ref().unwrap_or(&NOBODY)
    }

    /// The device that a target is, or the SIM that it is with the device that holds it.
    fn device(&self, target: &Id, world: &World<'_, Self>) -> Option<Device> {
        match self.on() {
            On::Devices => Device::of(target, mirrors(world)),
            On::Sims => Device::with_sim(target, mirrors(world)),
            On::Euiccs | On::Only(_) | On::Organisation => None,
        }
    }
}

/// A device with the SIM in it, or a SIM with the device that holds it.
fn around(on: On, target: &Id, world: &World<'_, Operation>) -> Vec<(&'static str, Id)> {
    let found = if on == On::Devices {
        Device::of(target, mirrors(world))
    } else {
        Device::with_sim(target, mirrors(world))
    };
    let sim = found.as_ref().and_then(|found| Some((Sim::KIND, Id::Int(found.sim.as_ref()?.id))));
    let device = found.map(|found| found.row.id).filter(|id| *id != 0);
    let device = device.map(|id| (Endpoint::KIND, Id::Int(id)));
    let (own, other) = if on == On::Devices { (Endpoint::KIND, sim) } else { (Sim::KIND, device) };
    [(own, target.clone())].into_iter().chain(other).collect()
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
