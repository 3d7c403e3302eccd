//! Extensions of the traffic limits of a device.

use jiff::Timestamp;
use serde::Serialize;

use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

record!(
    /// More traffic than a limit allows.
    #[derive(Debug, Clone, PartialEq)]
    pub struct LimitExtension {
        /// Its id.
        pub id: Option<i64>,
        /// The limit that it extends.
        pub traffic_limit_id: Option<i64>,
        /// How much more, in the unit of the limit [?].
        pub volume: Option<f64>,
        /// When it ends.
        pub expiration_date: Option<Timestamp>,
        /// When it was made.
        pub created_at: Option<Timestamp>,
    }
);

#[derive(Serialize)]
struct New {
    volume: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic_limit_id: Option<i64>,
}

impl Api {
    /// Extends a traffic limit of a device, its only one where none is named. It is billed, and added to what is there: not sent twice.
    pub async fn extend_traffic_limit(
        &self,
        endpoint: i64,
        volume: i64,
        traffic_limit_id: Option<i64>,
    ) -> Result<LimitExtension, Error> {
        let call = Call::post("/api/v1/endpoint/{endpoint_id}/traffic_limit_extension").arg(endpoint);
        self.call(call.body(&New { volume, traffic_limit_id })).await?.json()
    }

    /// The extensions of a device.
    pub async fn limit_extensions(&self, endpoint: i64) -> Result<Vec<LimitExtension>, Error> {
        self.call(Call::get("/api/v1/endpoint/{endpoint_id}/traffic_limit_extension").arg(endpoint))
            .await?
            .list()
    }

    /// Ends all extensions of a device.
    pub async fn end_limit_extensions(&self, endpoint: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v1/endpoint/{endpoint_id}/traffic_limit_extension").arg(endpoint))
            .await
            .map(drop)
    }
}
