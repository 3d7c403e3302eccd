//! What profiles refuse a device.

use jiff::Timestamp;

use super::sim::Actor;
use super::{Draft, Endpoint, Organisation, Quota};

/// A quota that allows traffic is active, not over, and not used up. [P]
fn allows(quota: Option<&Quota>, now: Timestamp) -> bool {
    quota.is_some_and(|quota| quota.status == 1 && quota.expiry_date > now)
}

impl Organisation {
    /// Whether a device's service profile asks for a data quota it does not have: no data service. [P]
    pub fn lacks_data_quota(&self, endpoint: &Endpoint, now: Timestamp) -> bool {
        let profile = self.service_profiles.get(&endpoint.service_profile);
        profile.is_some_and(|profile| profile.apply_data_quota) && !allows(endpoint.data_quota.as_ref(), now)
    }

    /// Whether a device's service profile asks for an SMS quota it does not have: no SMS service. [P]
    pub fn lacks_sms_quota(&self, endpoint: &Endpoint, now: Timestamp) -> bool {
        let profile = self.service_profiles.get(&endpoint.service_profile);
        profile.is_some_and(|profile| profile.apply_sms_quota) && !allows(endpoint.sms_quota.as_ref(), now)
    }

    /// Whether a device's tariff profile has no rate zone selected: refused by every network at the next attach. [P]
    pub fn lacks_rate_zone(&self, endpoint: &Endpoint) -> bool {
        let profile = self.tariff_profiles.get(&endpoint.tariff_profile);
        profile.is_none_or(|profile| profile.rate_zones.is_empty())
    }

    /// The API's word for a device's connectivity: blocked also while an attached device lacks a data quota. [R][P]
    pub fn connectivity_status(&self, endpoint: &Endpoint, now: Timestamp) -> &'static str {
        if endpoint.connectivity.location.is_some() && self.lacks_data_quota(endpoint, now) {
            "BLOCKED"
        } else {
            endpoint.connectivity_status()
        }
    }

    /// Ends a device's data session if it lacks a data quota. [P]
    pub fn cut_if_without_quota(&mut self, actor: &mut Actor<'_>, endpoint: u64) {
        let online = |row: &&Endpoint| row.connectivity.pdp_context.is_some();
        let Some(row) = self.endpoints.get(&endpoint).filter(online) else {
            return;
        };
        if self.lacks_data_quota(row, actor.now) {
            let reason = "Disconnecting data access for endpoint, because quota has been updated.";
            actor.emit(self, Draft::new(0).endpoint(endpoint).text(reason));
            self.end_session(actor, endpoint);
        }
    }

    /// Ends the data sessions of a service profile's devices that lack a data quota. [P]
    pub fn cut_without_quota(&mut self, actor: &mut Actor<'_>, profile: u64) {
        let users = self.endpoints.values().filter(|endpoint| endpoint.service_profile == profile);
        for endpoint in users.map(|endpoint| endpoint.id).collect::<Vec<_>>() {
            self.cut_if_without_quota(actor, endpoint);
        }
    }
}
