//! Messages to devices.

use std::fmt;

use emnify::{
    Api, Error,
    wire::{
        Ref,
        sms::{NewSms, Sms, source_type, status},
    },
};
use emnify_engine::kind::{
    Input, Inputs, Source, reason,
    task::{Again, Outcome, Work},
};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::facts::Facts;
use crate::kinds::operation::{
    device::Device,
    params::{DataCoding, SendSms, SourceAddressType},
    text,
};

pub(super) const SEND: Facts = Facts::of("sendSms", Again::Proof, 1);
pub(super) const CANCEL: Facts = Facts::of("cancelSms", Again::Yes, 0);

const PAYLOAD: &str = "action.sendSms.payloadSecretRef";

/// A message to one device.
#[derive(Clone)]
pub struct Message {
    sms: NewSms,
    /// The text as the spec has it: what stands in for it may have been otherwise when it was sent.
    template: String,
    expires_in: Option<SignedDuration>,
    /// It is done when the device has it.
    waits: bool,
    /// Its text is from a Secret.
    secret: bool,
}

/// Without its text, which may be from a Secret.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("waits", &self.waits).finish_non_exhaustive()
    }
}

impl SendSms {
    pub(super) fn inputs(&self) -> Vec<Input> {
        let secret = self.payload_secret_ref.iter().map(|of| {
            let (name, key) = (of.name.to_string(), of.key.to_string());
            Input::new(PAYLOAD, Source::Secret { name, key })
        });
        secret.collect()
    }

    pub(super) fn message(&self, device: &Device, from: &Inputs) -> Result<Message, Outcome> {
        device.out_of_factory_test(self.acknowledge_factory_test_end)?;
        let failed = |message: String| Outcome::Failed { reason: reason::INVALID_SPEC, message };
        let template = self.payload.as_deref().or_else(|| Some(from.secret(PAYLOAD)?.expose_secret()));
        let template = template.ok_or_else(|| failed(format!("{PAYLOAD}: the Secret has no such key")))?;
        let payload = text::filled(template, &|name| device.value(name)).map_err(|why| {
            let secret = "the text in the Secret names what the device does not have; write {{ for a brace";
            failed(if self.payload.is_some() { why } else { secret.to_owned() })
        })?;
        let longest = if self.data_coding == Some(DataCoding::Ucs2) { 70 } else { 160 };
        if self.udh.is_none() && payload.chars().count() > longest {
            return Err(failed(format!("the message would have more than {longest} characters")));
        }
        let expires_in = self.expires_in.as_ref().map(|span| span.get("expiresIn"));
        let expires_in = expires_in.transpose().map_err(|invalid| failed(invalid.to_string()))?;
        let sms = NewSms {
            payload,
            source_address: self.source_address.clone(),
            source_address_type: self.source_address_type.map(|of| Ref { id: of.id() }),
            dest_address: self.dest_address.clone(),
            udh: self.udh.clone(),
            dcs: self.data_coding.map(|coding| if coding == DataCoding::Ucs2 { 8 } else { 0 }),
            expiry_date: None,
        };
        let expires_in = expires_in.and_then(|span| SignedDuration::try_from(span).ok());
        let waits = self.wait_for_delivery == Some(true);
        let secret = self.payload.is_none();
        Ok(Message { sms, template: template.to_owned(), expires_in, waits, secret })
    }
}

impl SourceAddressType {
    fn id(self) -> i64 {
        match self {
            Self::International => source_type::INTERNATIONAL,
            Self::National => source_type::NATIONAL,
            Self::Alphanumeric => source_type::ALPHANUMERIC,
        }
    }
}

impl Message {
    pub(super) async fn send(&self, api: &Api, device: i64) -> Result<Outcome, Error> {
        let until = self.expires_in.and_then(|span| api.client().server_time().checked_add(span).ok());
        let until = until.and_then(|until| Timestamp::from_second(until.as_second()).ok());
        let sms = NewSms { expiry_date: until.map(|until| until.to_string()), ..self.sms.clone() };
        let id = api.send_sms(device, &sms, self.secret).await?.map(|id| id.to_string());
        match id {
            Some(id) if self.waits => Ok(Outcome::UnderWay(Work { id, within: None })),
            None if self.waits => {
                let message = "the message was taken, and the answer does not name its id".to_owned();
                Err(Error::Ambiguous { message })
            }
            id => Ok(Outcome::Succeeded { id, detail: None }),
        }
    }

    /// The newest message with this text and sender that was taken since then.
    pub(super) async fn prove(
        &self,
        api: &Api,
        device: i64,
        since: Timestamp,
    ) -> Result<Option<Outcome>, Error> {
        let all = api.sms(device).await?;
        let same = all.iter().filter(|sms| {
            let text = sms.payload.as_deref().unwrap_or_default();
            let sender = sms.source_address.as_deref().filter(|sender| !sender.is_empty());
            sms.submit_date.is_some_and(|at| at >= since)
                && text::fits(&self.template, text)
                && self.sms.source_address.as_deref().is_none_or(|from| sender == Some(from))
        });
        let newest = same.max_by_key(|sms| (sms.submit_date, sms.id));
        Ok(newest.map(|sms| {
            let id = sms.id.to_string();
            if self.waits {
                let work = Work { id, within: None };
                return ended(sms).unwrap_or(Outcome::UnderWay(work));
            }
            Outcome::Succeeded { id: Some(id), detail: None }
        }))
    }
}

/// What has become of a message whose delivery is waited for.
pub(super) async fn follow(api: &Api, device: i64, work: &Work) -> Result<Option<Outcome>, Error> {
    let gone = || Error::NotFound { message: "the message is gone".to_owned() };
    api.one_sms(device, &work.id).await?.ok_or_else(gone).map(|sms| ended(&sms))
}

fn ended(sms: &Sms) -> Option<Outcome> {
    let now = sms.status.as_ref()?;
    let called = now.name.clone().unwrap_or_else(|| now.id.to_string());
    if now.id == status::DELIVERED {
        return Some(Outcome::Succeeded { id: Some(sms.id.to_string()), detail: Some(called) });
    }
    (now.id >= status::FAILED).then(|| Outcome::Failed {
        reason: reason::REJECTED,
        message: format!("the message was taken and not delivered: {called}"),
    })
}

/// Takes back every message to the device that is not delivered yet.
pub(super) async fn cancel(api: &Api, device: i64) -> Result<Outcome, Error> {
    let (mut taken_back, mut refused) = (0, Vec::new());
    for id in waiting(api, device).await? {
        match api.cancel_sms(device, id).await {
            Ok(()) => taken_back += 1,
            // delivered meanwhile, or being delivered
            Err(Error::Conflict { .. } | Error::NotFound { .. } | Error::Rejected { .. }) => refused.push(id),
            Err(error) => return Err(error),
        }
    }
    if !refused.is_empty() {
        let still = waiting(api, device).await?;
        refused.retain(|id| still.contains(id));
    }
    if !refused.is_empty() {
        let message =
            format!("emnify does not take back {} of its messages, and they still wait", refused.len());
        return Ok(Outcome::Failed { reason: reason::REJECTED, message });
    }
    Ok(Outcome::Succeeded { id: None, detail: Some(format!("{taken_back} taken back")) })
}

/// Messages that are not delivered yet.
async fn waiting(api: &Api, device: i64) -> Result<Vec<i64>, Error> {
    let waits = [status::IN_PROGRESS, status::PENDING, status::BUFFERED];
    let waits = |sms: &Sms| sms.status.as_ref().is_some_and(|status| waits.contains(&status.id));
    Ok(api.sms(device).await?.into_iter().filter(waits).map(|sms| sms.id).collect())
}
