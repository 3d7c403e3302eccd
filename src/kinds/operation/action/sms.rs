//! Messages to devices.

use emnify::{
    Api, Error,
    wire::{
        Ref,
        sms::{NewSms, source_type},
    },
};
use emnify_engine::kind::task::{Again, Outcome};
use jiff::{SignedDuration, Timestamp};

use super::facts::Facts;
use crate::kinds::operation::{
    device::Device,
    params::{DataCoding, SendSms, SourceAddressType},
    text,
};

pub(super) const SEND: Facts = Facts::of("sendSms", Again::Proof, 1);

/// A message to one device.
#[derive(Clone, Debug)]
pub struct Message {
    sms: NewSms,
    /// The text as the spec has it: what stands in for it may have been otherwise when it was sent.
    template: String,
    expires_in: Option<SignedDuration>,
}

impl SendSms {
    pub(super) fn message(&self, device: &Device) -> Result<Message, Outcome> {
        device.out_of_factory_test(self.acknowledge_factory_test_end)?;
        let failed =
            |message: String| Outcome::Failed { reason: emnify_engine::kind::reason::INVALID_SPEC, message };
        let payload = text::filled(&self.payload, &|name| device.value(name)).map_err(failed)?;
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
        Ok(Message { sms, template: self.payload.clone(), expires_in })
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
        let id = api.send_sms(device, &sms).await?;
        Ok(Outcome::Succeeded { id: id.map(|id| id.to_string()), detail: None })
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
        Ok(newest.map(|sms| Outcome::Succeeded { id: Some(sms.id.to_string()), detail: None }))
    }
}
