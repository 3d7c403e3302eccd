//! Counters of ids.

use serde::{Deserialize, Serialize};

/// The next id of each kind. Ids written in a seed push their counter up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "each field is named after its kind")]
pub struct NextIds {
    pub organisation: u64,
    pub application_token: u64,
    pub user: u64,
    pub mfa_key: u64,
    pub trusted_device: u64,
    pub ip_address_space: u64,
    pub dns: u64,
    pub tag: u64,
    pub api_callback: u64,
    pub api_secret: u64,
    pub callback: u64,
    pub attachment: u64,
    pub data_stream: u64,
    pub service_profile: u64,
    pub data_limit: u64,
    pub tariff: u64,
    pub rate_zone: u64,
    pub tariff_profile: u64,
    pub inclusive_volume: u64,
    pub sim: u64,
    pub sim_batch: u64,
    pub endpoint: u64,
    pub euicc: u64,
    pub euicc_operation: u64,
    pub sim_operation: u64,
    pub esim_product: u64,
    pub sms: u64,
    pub limit_extension: u64,
    pub pdp_context: u64,
    pub event: u64,
    pub token: u64,
    pub custom_event: u64,
    pub automation: u64,
    pub action_log: u64,
    pub recipient: u64,
}

impl Default for NextIds {
    fn default() -> Self {
        Self {
            organisation: 1,
            application_token: 1,
            user: 1,
            mfa_key: 1,
            trusted_device: 1,
            ip_address_space: 1,
            dns: 1,
            tag: 1,
            api_callback: 1,
            api_secret: 1,
            callback: 1,
            attachment: 1,
            data_stream: 1,
            service_profile: 100_001,
            data_limit: 1,
            tariff: 1,
            rate_zone: 1,
            tariff_profile: 200_001,
            inclusive_volume: 1,
            // Device and SIM ids are in the 10^7 range. [R]
            sim: 10_000_001,
            sim_batch: 1,
            endpoint: 11_000_001,
            euicc: 1,
            euicc_operation: 1,
            sim_operation: 1,
            esim_product: 1,
            sms: 1,
            limit_extension: 1,
            pdp_context: 1,
            // Event ids exceed 2^48. [R]
            event: 300_000_000_000_001,
            token: 1,
            custom_event: 1,
            automation: 1,
            action_log: 1,
            recipient: 1,
        }
    }
}
