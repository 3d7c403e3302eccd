//! Lists that name what ids mean. They change rarely and are read whole.

use super::common::Named;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

record!(
    /// A service that profiles can grant: 38 is data; the others are told apart by their description [S].
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Service {
        /// Its id.
        pub id: i64,
        /// Its name.
        pub description: String,
        /// What kind of traffic it is.
        pub traffic_type: Option<Named>,
    }
);

record!(
    /// Where traffic leaves the network.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BreakoutRegion {
        /// Its id.
        pub id: i64,
        /// Its name.
        pub name: String,
        /// The address that others see.
        pub ip_address: Option<String>,
    }
);

impl Api {
    /// Services.
    pub async fn services(&self) -> Result<Vec<Service>, Error> {
        self.call(Call::get("/api/v1/service")).await?.lookup()
    }

    /// Breakout regions.
    pub async fn breakout_regions(&self) -> Result<Vec<BreakoutRegion>, Error> {
        self.call(Call::get("/api/v1/breakout_region")).await?.lookup()
    }

    /// How SMS can be delivered.
    pub async fn esme_interface_types(&self) -> Result<Vec<Named>, Error> {
        self.call(Call::get("/api/v1/esme_interface_type")).await?.lookup()
    }

    /// Radio technologies.
    pub async fn rat_types(&self) -> Result<Vec<Named>, Error> {
        self.call(Call::get("/api/v1/rat_type")).await?.lookup()
    }
}
