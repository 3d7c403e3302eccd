//! What an operation may do: one file for each family of actions.

mod connectivity;
mod delete;
mod euicc;
mod facts;
mod given;
mod integration;
mod limit;
mod migrate;
mod network;
mod organisation;
mod quotas;
mod sim_operation;
mod sms;
mod state;

use emnify::{Api, Error};
use emnify_engine::kind::{
    Id, Input, Invalid, Kind,
    task::{Outcome, Work},
};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use self::facts::{Facts, invalid};
pub(super) use self::{
    facts::On,
    given::{Given, managed},
    quotas::devices as devices_of_profile,
};
use super::{
    params::{
        Action, AssignInclusiveVolume, BlockCurrentOperator, EuiccOperation, ExtendTrafficLimit, MigrateSims,
        QuotaKind, RemoveQuotas, ResetConnectivity, SendSms, SetState, SimOperation, UnblockOperators,
        VerifyRecipient,
    },
    spec::OperationTarget,
};
use crate::kinds::{
    cloud_connect::CloudConnect, data_stream::DataStream, service_profile::ServiceProfile, user::User,
};

/// The action that a spec sets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chosen<'a> {
    SendSms(&'a SendSms),
    CancelSms,
    ResetConnectivity(&'a ResetConnectivity),
    BlockCurrentOperator(&'a BlockCurrentOperator),
    UnblockOperators(&'a UnblockOperators),
    SetState(&'a SetState),
    ExtendTrafficLimit(&'a ExtendTrafficLimit),
    EndTrafficLimitExtensions,
    DeleteSims,
    MigrateSims(&'a MigrateSims),
    SimOperation(&'a SimOperation),
    Euicc(&'a EuiccOperation),
    RestartDataStream,
    RetryCloudConnect,
    RemoveQuotas(&'a RemoveQuotas),
    ResetMfa,
    AssignInclusiveVolume(&'a AssignInclusiveVolume),
    VerifyRecipient(&'a VerifyRecipient),
}

/// What is sent for one target.
#[derive(Clone, Debug)]
pub enum Call {
    /// A message.
    SendSms(Box<sms::Message>),
    /// Messages that wait are taken back.
    CancelSms,
    /// A reset.
    ResetConnectivity(ResetConnectivity),
    /// A network is forbidden.
    BlockCurrentOperator(BlockCurrentOperator),
    /// Networks are allowed.
    UnblockOperators(network::Unblock),
    /// States are set.
    SetState(state::Setting),
    /// More traffic.
    ExtendTrafficLimit(limit::Extension),
    /// No more traffic.
    EndTrafficLimitExtensions,
    /// A SIM is scrapped.
    DeleteSims(delete::Scrapped),
    /// A SIM moves.
    MigrateSims(migrate::Moving),
    /// An operation on a SIM or an eUICC.
    SimOperation(sim_operation::Deed),
    /// An eUICC is told something.
    Euicc(Box<euicc::Told>),
    /// A data stream begins anew.
    RestartDataStream,
    /// A share is offered again.
    RetryCloudConnect,
    /// Devices lose their quotas.
    RemoveQuotas(QuotaKind),
    /// A person loses their second factor; none of these does.
    ResetMfa(Vec<String>),
    /// A volume is bought.
    AssignInclusiveVolume(organisation::Volume),
    /// An address may get mails.
    VerifyRecipient(SecretString),
}

impl Action {
    /// The action that is set.
    pub(super) fn chosen(&self) -> Result<Chosen<'_>, Invalid> {
        let all = [
            self.send_sms.as_ref().map(Chosen::SendSms),
            self.cancel_sms.as_ref().map(|_| Chosen::CancelSms),
            self.reset_connectivity.as_ref().map(Chosen::ResetConnectivity),
            self.block_current_operator.as_ref().map(Chosen::BlockCurrentOperator),
            self.unblock_operators.as_ref().map(Chosen::UnblockOperators),
            self.set_state.as_ref().map(Chosen::SetState),
            self.extend_traffic_limit.as_ref().map(Chosen::ExtendTrafficLimit),
            self.end_traffic_limit_extensions.as_ref().map(|_| Chosen::EndTrafficLimitExtensions),
            self.delete_sims.as_ref().map(|_| Chosen::DeleteSims),
            self.migrate_sims.as_ref().map(Chosen::MigrateSims),
            self.sim_operation.as_ref().map(Chosen::SimOperation),
            self.euicc.as_ref().map(Chosen::Euicc),
            self.restart_data_stream.as_ref().map(|_| Chosen::RestartDataStream),
            self.retry_cloud_connect.as_ref().map(|_| Chosen::RetryCloudConnect),
            self.remove_quotas.as_ref().map(Chosen::RemoveQuotas),
            self.reset_mfa.as_ref().map(|_| Chosen::ResetMfa),
            self.assign_inclusive_volume.as_ref().map(Chosen::AssignInclusiveVolume),
            self.verify_recipient.as_ref().map(Chosen::VerifyRecipient),
        ];
        let mut set = all.into_iter().flatten();
        let only = set.next().filter(|_| set.next().is_none());
        only.ok_or_else(|| Invalid::new("action", "set exactly one action"))
    }
}

impl Chosen<'_> {
    pub(super) fn facts(self) -> Facts {
        match self {
            Self::SendSms(_) => sms::SEND,
            Self::CancelSms => sms::CANCEL,
            Self::ResetConnectivity(_) => connectivity::RESET,
            Self::BlockCurrentOperator(_) => network::BLOCK,
            Self::UnblockOperators(_) => network::UNBLOCK,
            Self::SetState(_) => state::SET,
            Self::ExtendTrafficLimit(_) => limit::EXTEND,
            Self::EndTrafficLimitExtensions => limit::END,
            Self::DeleteSims => delete::SCRAP,
            Self::MigrateSims(migrate) => migrate.facts(),
            Self::SimOperation(_) => sim_operation::DO,
            Self::Euicc(told) => told.facts(),
            Self::RestartDataStream => integration::RESTART,
            Self::RetryCloudConnect => integration::RETRY,
            Self::RemoveQuotas(_) => quotas::REMOVE,
            Self::ResetMfa => organisation::RESET_MFA,
            Self::AssignInclusiveVolume(_) => organisation::BUY,
            Self::VerifyRecipient(_) => organisation::VERIFY,
        }
    }

    /// What its targets are, where a spec names these.
    pub(super) fn on(self, target: &OperationTarget) -> On {
        match self {
            Self::SetState(_) if target.sims.is_some() => On::Sims,
            Self::SimOperation(_) | Self::Euicc(_) if target.euiccs.is_some() => On::Euiccs,
            Self::DeleteSims | Self::MigrateSims(_) | Self::SimOperation(_) | Self::Euicc(_) => On::Sims,
            Self::RestartDataStream => On::Only(DataStream::KIND),
            Self::RetryCloudConnect => On::Only(CloudConnect::KIND),
            Self::RemoveQuotas(_) => On::Only(ServiceProfile::KIND),
            Self::ResetMfa => On::Only(User::KIND),
            Self::AssignInclusiveVolume(_) | Self::VerifyRecipient(_) => On::Organisation,
            Self::SendSms(_)
            | Self::CancelSms
            | Self::ResetConnectivity(_)
            | Self::BlockCurrentOperator(_)
            | Self::UnblockOperators(_)
            | Self::SetState(_)
            | Self::ExtendTrafficLimit(_)
            | Self::EndTrafficLimitExtensions => On::Devices,
        }
    }

    /// The only target of an action on the organisation.
    pub(super) fn own_target(self) -> Result<Id, Invalid> {
        match self {
            Self::AssignInclusiveVolume(volume) => volume.target(),
            _ => Ok(Id::Text(organisation::RECIPIENT.to_owned())),
        }
    }

    /// Fields of a device's manifest that it would change.
    pub(super) fn manages(self) -> Vec<&'static str> {
        match self {
            Self::BlockCurrentOperator(_) | Self::UnblockOperators(_) => vec!["/operatorBlocklist"],
            Self::SetState(state) => state.manages(),
            Self::DeleteSims => vec!["/sim"],
            Self::MigrateSims(migrate) if migrate.dry_run != Some(true) => vec!["/sim"],
            _ => Vec::new(),
        }
    }

    /// What it refers to by name.
    pub(super) fn inputs(self) -> Vec<Input> {
        match self {
            Self::SendSms(sms) => sms.inputs(),
            Self::UnblockOperators(unblock) => unblock.inputs(),
            Self::MigrateSims(migrate) => migrate.inputs(),
            Self::SimOperation(deed) => deed.inputs(),
            Self::Euicc(told) => told.inputs(),
            Self::VerifyRecipient(verify) => verify.inputs(),
            _ => Vec::new(),
        }
    }

    /// What to send for a target.
    pub(super) fn call(self, given: &Given<'_>) -> Result<Call, Outcome> {
        let device = given.device;
        match self {
            Self::SendSms(sms) => {
                sms.message(device, given.from).map(|message| Call::SendSms(Box::new(message)))
            }
            Self::CancelSms => Ok(Call::CancelSms),
            Self::ResetConnectivity(reset) => reset.of(device).map(Call::ResetConnectivity),
            Self::BlockCurrentOperator(block) => block.of(device).map(Call::BlockCurrentOperator),
            Self::UnblockOperators(unblock) => {
                unblock.of(given.from).map(Call::UnblockOperators).map_err(|why| invalid(&why))
            }
            Self::SetState(state) => state.of(device).map(Call::SetState),
            Self::ExtendTrafficLimit(extend) => extend.read().map(Call::ExtendTrafficLimit),
            Self::EndTrafficLimitExtensions => Ok(Call::EndTrafficLimitExtensions),
            Self::DeleteSims => Ok(Call::DeleteSims(delete::of(device))),
            Self::MigrateSims(migrate) => migrate.of(given).map(Call::MigrateSims),
            Self::SimOperation(deed) => deed.of(given).map(Call::SimOperation),
            Self::Euicc(told) => told.of(given).map(|told| Call::Euicc(Box::new(told))),
            Self::RestartDataStream => Ok(Call::RestartDataStream),
            Self::RetryCloudConnect => Ok(Call::RetryCloudConnect),
            Self::RemoveQuotas(remove) => remove.of(given).map(Call::RemoveQuotas),
            Self::ResetMfa => given.person().map(|()| Call::ResetMfa(given.world.own_users.clone())),
            Self::AssignInclusiveVolume(volume) => volume.of().map(Call::AssignInclusiveVolume),
            Self::VerifyRecipient(_) => organisation::token(given).map(Call::VerifyRecipient),
        }
    }

    /// What has become of work that emnify took so long ago.
    pub(super) async fn follow(
        self,
        api: &Api,
        (target, work): (&Id, &Work),
        elapsed: SignedDuration,
    ) -> Result<Option<Outcome>, Error> {
        match self {
            Self::SendSms(_) => sms::follow(api, target.number()?, work).await,
            Self::SimOperation(_) => sim_operation::follow(api, work).await,
            Self::Euicc(_) => euicc::follow(api, work).await,
            Self::RestartDataStream => integration::follow(api, target, elapsed).await,
            _ => Ok(Some(Outcome::DONE)),
        }
    }
}

impl Call {
    /// Makes the call.
    pub(super) async fn send(&self, api: &Api, target: &Id) -> Result<Outcome, Error> {
        match self {
            Self::SendSms(message) => message.send(api, target.number()?).await,
            Self::CancelSms => sms::cancel(api, target.number()?).await,
            Self::ResetConnectivity(reset) => reset.send(api, target.number()?).await,
            Self::BlockCurrentOperator(block) => block.send(api, target.number()?).await,
            Self::UnblockOperators(unblock) => unblock.send(api, target.number()?).await,
            Self::SetState(setting) => setting.send(api).await,
            Self::ExtendTrafficLimit(extension) => extension.send(api, target.number()?).await,
            Self::EndTrafficLimitExtensions => {
                api.end_limit_extensions(target.number()?).await.map(|()| Outcome::DONE)
            }
            Self::DeleteSims(scrapped) => scrapped.send(api, target.number()?).await,
            Self::MigrateSims(moving) => moving.send(api).await,
            Self::SimOperation(deed) => deed.send(api).await,
            Self::Euicc(told) => told.send(api).await,
            Self::RestartDataStream => integration::restart(api, target).await,
            Self::RetryCloudConnect => integration::retry(api, target.number()?).await,
            Self::RemoveQuotas(kind) => quotas::remove(api, target.number()?, *kind).await,
            Self::ResetMfa(own) => organisation::reset_mfa(api, target.number()?, own).await,
            Self::AssignInclusiveVolume(volume) => volume.send(api, target.number()?).await,
            Self::VerifyRecipient(token) => api.verify_recipient(token).await.map(|()| Outcome::DONE),
        }
    }

    /// What a call whose answer is missing has left.
    pub(super) async fn prove(
        &self,
        api: &Api,
        target: &Id,
        since: Timestamp,
    ) -> Result<Option<Outcome>, Error> {
        match self {
            Self::SendSms(message) => message.prove(api, target.number()?, since).await,
            Self::BlockCurrentOperator(block) => block.prove(api, target.number()?, since).await,
            Self::ExtendTrafficLimit(extension) => extension.prove(api, target.number()?, since).await,
            Self::DeleteSims(_) => delete::prove(api, target.number()?).await,
            Self::MigrateSims(moving) => moving.prove(api, target.number()?).await,
            Self::SimOperation(deed) => deed.prove(api, since).await,
            Self::Euicc(told) => told.prove(api, since).await,
            Self::RetryCloudConnect => integration::retried(api, target.number()?).await,
            Self::AssignInclusiveVolume(volume) => volume.prove(api, target.number()?, since).await,
            // sent again, or never
            _ => Ok(None),
        }
    }
}
