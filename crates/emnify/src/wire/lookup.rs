//! Lists that name what ids mean. They change rarely and are read whole.

use serde::Deserialize;

use super::common::Named;
use super::lenient as de;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

/// A service that profiles can grant: 38 is data; the others are told apart by their description [S].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Service {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub description: String,
    /// What kind of traffic it is.
    #[serde(default, deserialize_with = "Named::optional")]
    pub traffic_type: Option<Named>,
}

/// Where traffic leaves the network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BreakoutRegion {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// The address that others see.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub ip_address: Option<String>,
}

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
