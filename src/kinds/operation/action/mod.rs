//! What an operation may do: one file for each family of actions.

mod connectivity;
mod facts;
mod sms;

use emnify::{Api, Error};
use emnify_engine::kind::{Invalid, task::Outcome};
use jiff::Timestamp;

use self::facts::Facts;
use super::{
    device::Device,
    params::{Action, ResetConnectivity, SendSms},
};

/// The action that a spec sets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Chosen<'a> {
    SendSms(&'a SendSms),
    ResetConnectivity(&'a ResetConnectivity),
}

/// What is sent for one device.
#[derive(Clone, Debug)]
pub enum Call {
    /// A message.
    SendSms(Box<sms::Message>),
    /// A reset.
    ResetConnectivity(ResetConnectivity),
}

impl Action {
    /// The action that is set.
    pub(super) fn chosen(&self) -> Result<Chosen<'_>, Invalid> {
        let all = [
            self.send_sms.as_ref().map(Chosen::SendSms),
            self.reset_connectivity.as_ref().map(Chosen::ResetConnectivity),
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
            Self::ResetConnectivity(_) => connectivity::RESET,
        }
    }

    /// What to send to a device.
    pub(super) fn call(self, device: &Device) -> Result<Call, Outcome> {
        match self {
            Self::SendSms(sms) => sms.message(device).map(|message| Call::SendSms(Box::new(message))),
            Self::ResetConnectivity(reset) => reset.of(device).map(Call::ResetConnectivity),
        }
    }
}

impl Call {
    /// Makes the call.
    pub(super) async fn send(&self, api: &Api, device: i64) -> Result<Outcome, Error> {
        match self {
            Self::SendSms(message) => message.send(api, device).await,
            Self::ResetConnectivity(reset) => reset.send(api, device).await,
        }
    }

    /// What a call whose answer is missing has left.
    pub(super) async fn prove(
        &self,
        api: &Api,
        device: i64,
        since: Timestamp,
    ) -> Result<Option<Outcome>, Error> {
        match self {
            Self::SendSms(message) => message.prove(api, device, since).await,
            Self::ResetConnectivity(_) => Ok(None),
        }
    }
}
