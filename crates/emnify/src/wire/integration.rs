//! What profiles and devices refer to: resolvers, callbacks, secrets, address spaces. None of them can be changed.

use jiff::Timestamp;
use serde::Deserialize;

use super::lenient as de;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

/// A pair of resolvers; its key is the pair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DnsConfig {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// First resolver.
    #[serde(default, deserialize_with = "de::text")]
    pub primary: String,
    /// Second resolver.
    #[serde(default, deserialize_with = "de::text")]
    pub secondary: String,
    /// 4 or 6.
    #[serde(default, deserialize_with = "de::optional_id")]
    pub ip_address_version: Option<i64>,
}

/// Where the API calls to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiCallback {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// The address.
    #[serde(default, deserialize_with = "de::text")]
    pub url: String,
    /// Free text.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub purpose: Option<String>,
    /// When it was created.
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub created: Option<Timestamp>,
}

/// What signs calls; its value is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ApiSecret {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Free text.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub purpose: Option<String>,
}

/// Addresses for devices; its key is the CIDR.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IpAddressSpace {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// In CIDR form.
    #[serde(default, deserialize_with = "de::text")]
    pub ip_address_space: String,
    /// 4 or 6.
    #[serde(default, deserialize_with = "de::optional_id")]
    pub ip_address_version: Option<i64>,
    /// Addresses in use.
    #[serde(default, deserialize_with = "de::optional_id")]
    pub used_count: Option<i64>,
    /// Addresses left.
    #[serde(default, deserialize_with = "de::optional_id")]
    pub available_count: Option<i64>,
}

impl Api {
    /// Resolvers.
    pub async fn dns_configs(&self) -> Result<Vec<DnsConfig>, Error> {
        self.call(Call::get("/api/v1/dns")).await?.lookup()
    }

    /// Callbacks.
    pub async fn api_callbacks(&self) -> Result<Vec<ApiCallback>, Error> {
        self.call(Call::get("/api/v1/api_callback")).await?.lookup()
    }

    /// Secrets, without their values.
    pub async fn api_secrets(&self) -> Result<Vec<ApiSecret>, Error> {
        self.call(Call::get("/api/v1/api_secret")).await?.lookup()
    }

    /// Address spaces, with how much of them is left.
    pub async fn ip_address_spaces(&self) -> Result<Vec<IpAddressSpace>, Error> {
        self.call(Call::get("/api/v1/ip_address_space")).await?.lookup()
    }
}
