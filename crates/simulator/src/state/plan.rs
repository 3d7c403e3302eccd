//! What an organisation has bought.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The plan an organisation is on, with its bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct TariffPlan {
    pub id: u64,
    pub name: String,
    pub description: String,
    /// In force since.
    pub start_date: Timestamp,
    /// Ends then.
    pub expiry_date: Option<Timestamp>,
    pub max_active_sims: Option<u64>,
    pub max_service_profiles: Option<u64>,
    pub max_tariff_profiles: Option<u64>,
    pub max_users: Option<u64>,
    /// Whether this is an evaluation, in which the tariff can be changed by the customer. [S]
    pub evaluation: bool,
    /// Whether SIMs can be tested before they are billed. [S]
    pub factory_test_mode_allowed: bool,
    /// Whether people belong to workspaces, and are invited to them, rather than to the account alone. [S]
    pub workspaces_enabled: bool,
    /// Id of the service level.
    pub service_level: u64,
    /// Price of an activated SIM per month.
    pub sim_activated_rate: f64,
    /// Price of a suspended SIM per month.
    pub sim_suspended_rate: f64,
    /// Id of the currency.
    pub currency: u64,
}

impl Default for TariffPlan {
    fn default() -> Self {
        Self {
            id: 1,
            name: "Business".to_owned(),
            description: String::new(),
            start_date: Timestamp::default(),
            expiry_date: None,
            max_active_sims: None,
            max_service_profiles: None,
            max_tariff_profiles: None,
            max_users: None,
            evaluation: false,
            factory_test_mode_allowed: true,
            workspaces_enabled: true,
            service_level: 1,
            sim_activated_rate: 1.0,
            sim_suspended_rate: 0.0,
            currency: 1,
        }
    }
}

/// An inclusive volume an organisation holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldVolume {
    /// Id of the volume among those of the tariffs.
    pub inclusive_volume: u64,
    /// In force since.
    pub start_date: Timestamp,
    /// Ends then.
    #[serde(default)]
    pub end_date: Option<Timestamp>,
    /// Whether devices share it.
    #[serde(default = "yes")]
    pub pooled: bool,
}

fn yes() -> bool {
    true
}
