//! Messages to devices, and what became of them.

use jiff::Timestamp;
use serde::Serialize;

use super::common::{Named, Ref};
use super::lenient;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::{Error, found};

/// Types of senders [R][S].
pub mod source_type {
    /// A number with country code.
    pub const INTERNATIONAL: i64 = 145;
    /// A number.
    pub const NATIONAL: i64 = 161;
    /// A name, of at most 11 characters.
    pub const ALPHANUMERIC: i64 = 208;
}

/// States of a message [S].
pub mod status {
    /// Delivery is being tried.
    pub const IN_PROGRESS: i64 = 1;
    /// The first attempt is still to come.
    pub const PENDING: i64 = 2;
    /// It waits for the device.
    pub const BUFFERED: i64 = 3;
    /// The device has it.
    pub const DELIVERED: i64 = 4;
    /// From this one on it is over, and the device does not have it.
    pub const FAILED: i64 = 5;
}

/// A message to a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NewSms {
    /// Its text.
    pub payload: String,
    /// Whom it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// One of [`source_type`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address_type: Option<Ref>,
    /// What the device sees as its own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dest_address: Option<String>,
    /// User data header, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udh: Option<String>,
    /// 0 for the alphabet of GSM, 8 for UCS-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dcs: Option<i64>,
    /// Until when it is kept for a device that is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_date: Option<String>,
}

record!(
    /// What a callback names: a message of a device, or one to it whose receipt this is. Its text is not read.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Callback {
        /// Id of the message.
        pub id: i64,
        /// Id of the organisation.
        #[read(lenient::reference)]
        pub organisation: Option<i64>,
        /// Id of the device.
        #[read(lenient::reference)]
        pub endpoint: Option<i64>,
        /// Whereto it goes.
        pub dest_address: Option<String>,
        /// One of [`status`], in a receipt [?].
        #[read(lenient::reference)]
        pub status: Option<i64>,
    }
);

record!(
    /// A message as the API keeps it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Sms {
        /// Its id.
        pub id: i64,
        /// Its text.
        pub payload: Option<String>,
        /// Whom it comes from.
        pub source_address: Option<String>,
        /// When it was taken.
        pub submit_date: Option<Timestamp>,
        /// One of [`status`].
        pub status: Option<Named>,
    }
);

impl Api {
    /// Sends a message to a device; its id, where the answer names one. It is billed, and not sent twice. `secret`: what emnify says of it,
    /// which may quote its text, is not repeated.
    pub async fn send_sms(&self, endpoint: i64, sms: &NewSms, secret: bool) -> Result<Option<i64>, Error> {
        let call = Call::post("/api/v1/endpoint/{endpoint_id}/sms").arg(endpoint).body(sms);
        let call = if secret { call.sensitive() } else { call };
        Ok(self.call(call).await?.created().ok().map(|made| made.id))
    }

    /// Takes back a message that waits for its device; a conflict if it does not wait [S].
    pub async fn cancel_sms(&self, endpoint: i64, sms: i64) -> Result<(), Error> {
        let call = Call::delete("/api/v1/endpoint/{endpoint_id}/sms/{sms_id}").arg(endpoint).arg(sms);
        self.call(call).await.map(drop)
    }

    /// One message of a device.
    pub async fn one_sms(&self, endpoint: i64, sms: &str) -> Result<Option<Sms>, Error> {
        let call = Call::get("/api/v1/endpoint/{endpoint_id}/sms/{sms_id}").arg(endpoint).arg(sms);
        found(self.call(call).await)?.map(|reply| reply.json()).transpose()
    }

    /// Every message of a device, from and to it [R].
    pub async fn sms(&self, endpoint: i64) -> Result<Vec<Sms>, Error> {
        self.call(Call::get("/api/v1/endpoint/{endpoint_id}/sms").arg(endpoint)).await?.list()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_not_sent() {
        let plain = NewSms { payload: "hello".into(), ..NewSms::default() };
        assert_eq!(serde_json::to_value(plain).unwrap(), json!({"payload": "hello"}));
        let named = NewSms {
            payload: "hello".into(),
            source_address: Some("Plant".into()),
            source_address_type: Some(Ref { id: source_type::ALPHANUMERIC }),
            dcs: Some(0),
            ..NewSms::default()
        };
        let sent = json!({"payload": "hello", "source_address": "Plant", "source_address_type": {"id": 208}, "dcs": 0});
        assert_eq!(serde_json::to_value(named).unwrap(), sent);
    }

    #[test]
    fn a_recorded_message_is_read() {
        let sms: Sms = serde_json::from_value(json!({
            "id": "17", "payload": "hello", "source_address": "1234567890", "submit_date": "2026-01-02T03:04:05.000+0000",
            "status": {"id": 4, "description": "DELIVERED"},
        }))
        .unwrap();
        assert_eq!((sms.id, sms.status.map(|status| status.id)), (17, Some(status::DELIVERED)));
        assert_eq!(sms.submit_date, "2026-01-02T03:04:05Z".parse().ok());
    }
}
