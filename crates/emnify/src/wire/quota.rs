//! Allowances of a single device. The desired state is what was added and until when; the volume left is usage.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::common::Ref;
use super::lenient;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::{Error, found};

/// States of a quota [S].
pub mod status {
    /// There is volume left.
    pub const ACTIVE: i64 = 1;
    /// Used up.
    pub const EXHAUSTED: i64 = 2;
    /// Too old.
    pub const EXPIRED: i64 = 3;
}

/// The only action on exhaustion since throttling ended in December 2024 [S].
const BLOCK: i64 = 1;

record!(
    /// A quota as it stands: MB of data, or messages.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Quota {
        /// One of [`status`].
        #[read(lenient::reference)]
        pub status: Option<i64>,
        /// What is left; may be slightly negative.
        pub volume: Option<f64>,
        /// What was last added: the allowance.
        pub last_volume_added: Option<f64>,
        /// When it ends.
        pub expiry_date: Option<Timestamp>,
        /// The allowance is restored daily at 00:00 UTC.
        pub auto_refill: Option<bool>,
        /// At which used share a warning is raised.
        pub threshold_percentage: Option<f64>,
        /// At which volume left a warning is raised.
        pub threshold_volume: Option<f64>,
        /// When the state last changed.
        pub last_status_change_date: Option<Timestamp>,
    }
);

/// An allowance to give; it replaces the one there is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    /// What is left: MB of data, or messages.
    pub volume: f64,
    /// The allowance that `volume` is what is left of; shown again by reads. [S]
    pub last_volume_added: Option<f64>,
    /// One of [`status`].
    pub status: i64,
    /// When it ends; whole seconds.
    pub expires: Timestamp,
    /// Restore it daily at 00:00 UTC.
    pub auto_refill: Option<bool>,
    /// Warn at this used share.
    pub threshold_percentage: Option<i64>,
}

#[derive(Serialize)]
struct Body<R> {
    status: Ref,
    volume: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_volume_added: Option<f64>,
    expiry_date: String,
    action_on_exhaustion: Ref,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_refill: Option<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold_percentage: Option<i64>,
}

impl Allowance {
    fn body<R>(&self, date_form: &str, refill: impl FnOnce(bool) -> R) -> Body<R> {
        Body {
            status: Ref::from(self.status),
            volume: self.volume,
            last_volume_added: self.last_volume_added,
            expiry_date: self.expires.to_zoned(TimeZone::UTC).strftime(date_form).to_string(),
            action_on_exhaustion: Ref::from(BLOCK),
            auto_refill: self.auto_refill.map(refill),
            threshold_percentage: self.threshold_percentage,
        }
    }

    /// The refill as 0 or 1, the date with a blank [D].
    fn of_data(&self) -> Body<i64> {
        self.body("%Y-%m-%d %H:%M:%S", i64::from)
    }

    /// The refill as a flag, the date as RFC 3339 [S].
    fn of_sms(&self) -> Body<bool> {
        self.body("%Y-%m-%dT%H:%M:%SZ", |refill| refill)
    }
}

impl Api {
    /// The data quota of a device; `None` if it has none.
    pub async fn data_quota(&self, endpoint: i64) -> Result<Option<Quota>, Error> {
        self.quota("/api/v1/endpoint/{endpoint_id}/quota/data", endpoint).await
    }

    /// Gives a device this data allowance in place of the one it has.
    pub async fn set_data_quota(&self, endpoint: i64, allowance: &Allowance) -> Result<(), Error> {
        let call = Call::post("/api/v1/endpoint/{endpoint_id}/quota/data").arg(endpoint);
        self.call(call.body(&allowance.of_data()).repeatable(true)).await.map(drop)
    }

    /// Takes the data quota away; [`Error::NotFound`] if there is none [S].
    pub async fn delete_data_quota(&self, endpoint: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v1/endpoint/{endpoint_id}/quota/data").arg(endpoint)).await.map(drop)
    }

    /// The SMS quota of a device; `None` if it has none.
    pub async fn sms_quota(&self, endpoint: i64) -> Result<Option<Quota>, Error> {
        self.quota("/api/v1/endpoint/{endpoint_id}/quota/sms", endpoint).await
    }

    /// Gives a device this SMS allowance in place of the one it has.
    pub async fn set_sms_quota(&self, endpoint: i64, allowance: &Allowance) -> Result<(), Error> {
        let call = Call::post("/api/v1/endpoint/{endpoint_id}/quota/sms").arg(endpoint);
        self.call(call.body(&allowance.of_sms()).repeatable(true)).await.map(drop)
    }

    /// Takes the SMS quota away; [`Error::NotFound`] if there is none [S].
    pub async fn delete_sms_quota(&self, endpoint: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v1/endpoint/{endpoint_id}/quota/sms").arg(endpoint)).await.map(drop)
    }

    /// None is a 404, an empty body or an object without a volume: what the API does is not documented.
    async fn quota(&self, route: &'static str, endpoint: i64) -> Result<Option<Quota>, Error> {
        let Some(reply) = found(self.call(Call::get(route).arg(endpoint)).await)? else { return Ok(None) };
        if reply.body.is_empty() {
            return Ok(None);
        }
        let quota: Option<Quota> = reply.json()?;
        Ok(quota.filter(|quota| quota.volume.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_quota_has_its_own_spelling() {
        let allowance = Allowance {
            volume: 40.0,
            last_volume_added: Some(100.0),
            status: status::ACTIVE,
            expires: "2026-12-31T23:59:59Z".parse().unwrap(),
            auto_refill: Some(true),
            threshold_percentage: None,
        };
        let data = serde_json::to_value(allowance.of_data()).unwrap();
        assert_eq!(
            data,
            json!({"status": {"id": 1}, "volume": 40.0, "last_volume_added": 100.0, "expiry_date": "2026-12-31 23:59:59",
                   "action_on_exhaustion": {"id": 1}, "auto_refill": 1})
        );
        let sms = serde_json::to_value(allowance.of_sms()).unwrap();
        assert_eq!(
            (&sms["auto_refill"], &sms["expiry_date"]),
            (&json!(true), &json!("2026-12-31T23:59:59Z"))
        );
    }
}
