//! Limits of a service profile: monthly data limits, and SMS limits picked from a fixed catalogue.

use serde::Serialize;

use super::common::{Named, Ref};
use super::record::record;
use crate::api::Api;
use crate::call::{Call, Created};
use crate::error::Error;

/// The service that carries data [S].
pub const DATA: i64 = 38;
/// The only period of data limits: a month, UTC [S].
const MONTHLY: i64 = 2;

record!(
    /// How long a limit counts.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Period {
        /// Its id.
        pub id: Option<i64>,
        /// So many of them.
        pub time_units: Option<i64>,
        /// What is counted, such as months.
        pub unit: Option<String>,
    }
);

record!(
    /// An entry of the fixed catalogue of a service.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TrafficLimit {
        /// Its id.
        pub id: i64,
        /// Messages, or bytes.
        pub volume: Option<i64>,
        /// Per which time.
        pub period: Option<Period>,
    }
);

record!(
    /// A data limit of a profile. There is no update: delete and create.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DataLimit {
        /// Its id.
        pub id: i64,
        /// What it limits.
        pub service: Option<Named>,
        /// It counts satellite traffic only.
        pub satellite_only: bool,
        /// Per which time.
        pub period: Option<Period>,
        /// Bytes.
        pub volume: Option<i64>,
        /// At which used share a warning is raised.
        pub warning_percent: Option<i64>,
    }
);

/// A new data limit, monthly; one per profile and value of `satellite_only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataLimitCreate {
    /// Bytes.
    pub volume: i64,
    /// Warn at this used share, 0 to 100.
    pub warning_percent: Option<i64>,
    /// Count satellite traffic only.
    pub satellite_only: bool,
}

#[derive(Serialize)]
struct Body {
    service: Ref,
    period: Ref,
    volume: i64,
    satellite_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_percent: Option<i64>,
}

impl From<&DataLimitCreate> for Body {
    fn from(limit: &DataLimitCreate) -> Self {
        Self {
            service: DATA.into(),
            period: MONTHLY.into(),
            volume: limit.volume,
            satellite_only: limit.satellite_only,
            warning_percent: limit.warning_percent,
        }
    }
}

impl Api {
    /// The limits one can pick for a service.
    pub async fn traffic_limits_of(&self, service: i64) -> Result<Vec<TrafficLimit>, Error> {
        self.call(Call::get("/api/v1/service/{service_id}/traffic_limit").arg(service)).await?.lookup()
    }

    /// The data limits of a profile.
    pub async fn data_limits(&self, profile: i64) -> Result<Vec<DataLimit>, Error> {
        self.call(Call::get("/api/v1/service_profile/{profile_id}/traffic_limit").arg(profile)).await?.list()
    }

    /// Adds a data limit; a conflict if there is one for the same traffic [S]. The answer may not name the id.
    pub async fn create_data_limit(
        &self,
        profile: i64,
        limit: &DataLimitCreate,
    ) -> Result<Option<Created>, Error> {
        let call = Call::post("/api/v1/service_profile/{profile_id}/traffic_limit").arg(profile);
        Ok(self.call(call.body(&Body::from(limit))).await?.created().ok())
    }

    /// Takes a data limit away.
    pub async fn delete_data_limit(&self, profile: i64, limit: i64) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/traffic_limit/{limit_id}";
        self.call(Call::delete(route).arg(profile).arg(limit)).await.map(drop)
    }

    /// Gives a service of a profile a limit of the catalogue.
    pub async fn set_service_limit(&self, profile: i64, service: i64, limit: i64) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/service/{service_id}/traffic_limit/{limit_id}";
        self.call(Call::put(route).arg(profile).arg(service).arg(limit)).await.map(drop)
    }

    /// Takes a limit off a service of a profile.
    pub async fn delete_service_limit(&self, profile: i64, service: i64, limit: i64) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/service/{service_id}/traffic_limit/{limit_id}";
        self.call(Call::delete(route).arg(profile).arg(service).arg(limit)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_sent_as_numbers_though_the_specification_says_text() {
        let limit = DataLimitCreate { volume: 1_000, warning_percent: None, satellite_only: false };
        assert_eq!(
            serde_json::to_value(Body::from(&limit)).unwrap(),
            json!({"service": {"id": 38}, "period": {"id": 2}, "volume": 1000, "satellite_only": false})
        );
    }
}
