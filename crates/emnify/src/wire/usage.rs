//! What an organisation has used, and what that costs.

use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::{Error, found};
use crate::limits::Class;

record!(
    /// Usage of two calendar months and what else is charged. A month without traffic may be missing, in whole or in part. [S]
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct MonthlyStats {
        /// So far.
        pub current_month: Option<Month>,
        /// The month before.
        pub last_month: Option<Month>,
        /// SIMs that cost something this month.
        pub active_chargeable_sims: Option<f64>,
        /// What is left of what was paid in advance, where it was.
        pub prepaid_balance: Option<Balance>,
    }
);

record!(
    /// Usage of one month.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Month {
        /// Volumes in MB. [3P]
        pub data: Option<Traffic>,
        /// Volumes in messages. [3P]
        pub sms: Option<Traffic>,
    }
);

record!(
    /// Traffic of one sort. Numbers are strings in real use [3P] and numbers in the specification [S]; both are read.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Traffic {
        /// First day of the month, where it is said. [3P]
        pub month: Option<String>,
        /// Both directions; which of `volume_rx` and `volume_tx` is which differs between pages of the documentation.
        pub volume: Option<f64>,
        /// In [`Traffic::currency`]; missing with inclusive volumes. [3P]
        pub cost: Option<f64>,
        /// Of the cost.
        pub currency: Option<Currency>,
    }
);

record!(
    /// An amount paid in advance. [S]
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Balance {
        /// What is left.
        pub amount: Option<f64>,
        /// In which currency.
        pub currency: Option<Currency>,
    }
);

record!(
    /// A currency.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Currency {
        /// ISO 4217, such as `EUR`. [S]
        pub code: String,
    }
);

record!(
    /// Usage of one device. A month without traffic is missing. [S][3P]
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct DeviceStats {
        /// So far.
        pub current_month: Option<Month>,
    }
);

impl Api {
    /// What one device has used; `None` where emnify knows no such device.
    pub async fn device_stats(&self, endpoint: i64) -> Result<Option<DeviceStats>, Error> {
        let call = Call::get("/api/v1/endpoint/{endpoint_id}/stats").limited(Class::Light).arg(endpoint);
        found(self.call(call).await)?.map(|reply| reply.json()).transpose()
    }

    /// What the organisation of the login has used this month and last.
    pub async fn monthly_stats(&self) -> Result<MonthlyStats, Error> {
        self.call(Call::get("/api/v1/organisation/{org_id_or_my}/stats").limited(Class::Listing).arg("my"))
            .await?
            .json()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn strings_and_numbers_are_read_and_a_month_may_be_missing() {
        let real: MonthlyStats = serde_json::from_value(json!({
            "current_month": {"data": {"volume": "35.470000", "cost": "1.5000000000", "currency": {"id": "1", "code": "EUR"}}},
            "active_chargeable_sims": "7",
        }))
        .unwrap();
        let specified: MonthlyStats = serde_json::from_value(json!({
            "current_month": {"data": {"volume": 35.47, "cost": 1.5, "currency": {"id": 1.0, "code": "EUR"}}, "sms": null},
            "last_month": {},
            "active_chargeable_sims": 7.0,
        }))
        .unwrap();
        assert_eq!(real.current_month, specified.current_month);
        assert_eq!((real.active_chargeable_sims, real.last_month), (Some(7.0), None));
        let device: DeviceStats = serde_json::from_value(json!({
            "current_month": {"data": {"month": "2026-11-01", "volume": "3.500000"}, "sms": {"volume": "2"}}, "last_hour": {},
        }))
        .unwrap();
        let month = device.current_month.unwrap();
        assert_eq!(month.data.unwrap().month.as_deref(), Some("2026-11-01"));
        assert_eq!(month.sms.unwrap().volume, Some(2.0));
        let data = real.current_month.and_then(|month| month.data).unwrap();
        assert_eq!((data.volume, data.cost), (Some(35.47), Some(1.5)));
    }
}
