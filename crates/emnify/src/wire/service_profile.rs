//! Service profiles: what devices may do.

use serde::Serialize;

use super::collection::{Collection, Entry};
use super::common::{Named, Ref, Reference};
use super::lenient;
use super::record::record;
use super::traffic_limit::TrafficLimit;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;
use crate::limits::Class;

record!(
    /// A service profile. Listings show less than details, and flags as text [L]; `None` is what was not shown.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ServiceProfile {
        /// Its id.
        pub id: i64,
        /// Its name.
        pub name: String,
        /// Free text.
        pub description: Option<String>,
        /// Number of devices that use it.
        pub used_count: Option<i64>,
        /// 2G.
        pub allowed_2g: Option<bool>,
        /// 3G.
        pub allowed_3g: Option<bool>,
        /// 4G and LTE-M.
        pub allowed_4g: Option<bool>,
        /// NB-IoT.
        pub allowed_nb_iot: Option<bool>,
        /// NB-IoT by satellite.
        pub allowed_nb_iot_geo: Option<bool>,
        /// Devices need a data quota.
        pub apply_data_quota: Option<bool>,
        /// Devices need an SMS quota.
        pub apply_sms_quota: Option<bool>,
        /// Needs a privilege of emnify.
        pub retail: Option<bool>,
        /// Deprecated.
        pub prepaid: Option<bool>,
        /// Non-IP data.
        pub nipdp: Option<bool>,
        /// SMS between own devices.
        pub sms_p2p_int: Option<bool>,
        /// SMS to and from others.
        pub sms_p2p_ext: Option<bool>,
        /// Where SMS from devices go.
        pub api_callback: Option<Named>,
        /// Signs calls to the callback.
        pub api_secret: Option<Named>,
        /// Where location updates go; details may show its bare id.
        pub moc_callback: Option<Named>,
        /// The same as a bare id [L].
        pub moc_callback_id: Option<i64>,
        /// How SMS are delivered.
        pub esme_interface_type: Option<Named>,
        /// Where traffic leaves the network.
        pub breakout_region: Option<Named>,
        /// Resolvers of devices.
        pub dns: Option<Named>,
        /// What devices may use; `None` in listings.
        #[key("service")]
        pub services: Option<Vec<ProfileService>>,
    }
);

record!(
    /// A service of a profile.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ProfileService {
        /// Id of the service.
        pub id: i64,
        /// Its name.
        pub description: Option<String>,
        /// Its limits of the catalogue; the API shows one as an object, several as a list.
        #[key("traffic_limit", "traffic_limits")]
        #[read(lenient::one_or_many)]
        pub traffic_limits: Vec<TrafficLimit>,
    }
);

/// A new profile, or changes to one; what is `None` is left to the API, or stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ServiceProfileWrite {
    /// Its name; a create needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// 2G [L].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_2g: Option<bool>,
    /// 3G.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_3g: Option<bool>,
    /// 4G and LTE-M.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_4g: Option<bool>,
    /// NB-IoT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_nb_iot: Option<bool>,
    /// NB-IoT by satellite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_nb_iot_geo: Option<bool>,
    /// Devices need a data quota, else they are cut off within seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply_data_quota: Option<bool>,
    /// Devices need an SMS quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apply_sms_quota: Option<bool>,
    /// Needs a privilege of emnify.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retail: Option<bool>,
    /// Non-IP data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nipdp: Option<bool>,
    /// SMS between own devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_p2p_int: Option<bool>,
    /// SMS to and from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_p2p_ext: Option<bool>,
    /// Where SMS from devices go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_callback: Option<Reference>,
    /// Signs calls to the callback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_secret: Option<Reference>,
    /// Where location updates go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moc_callback: Option<Reference>,
    /// How SMS are delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub esme_interface_type: Option<Ref>,
    /// Where traffic leaves the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breakout_region: Option<Ref>,
    /// Resolvers of devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Reference>,
}

/// Service profiles: not paged [D]; listings show less than details [L]. A delete is a conflict while devices use the
/// profile [S].
pub const SERVICE_PROFILES: Collection<ServiceProfile> =
    Collection::at("/api/v1/service_profile", "/api/v1/service_profile/{profile_id}")
        .limited(Class::Light, Class::Light);

impl Entry for ServiceProfile {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

impl Api {
    /// Adds a service; a conflict if it is there already [S].
    pub async fn add_service(&self, profile: i64, service: i64) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/service/{service_id}";
        self.call(Call::put(route).arg(profile).arg(service)).await.map(drop)
    }

    /// Takes the quotas of a kind (`data`, `sms`) from every device of a profile [S].
    pub async fn remove_quotas(&self, profile: i64, kind: &str) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/quota/{quota_type}";
        self.call(Call::delete(route).arg(profile).arg(kind)).await.map(drop)
    }

    /// Removes a service; a conflict while it has limits [S].
    pub async fn remove_service(&self, profile: i64, service: i64) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/service/{service_id}";
        self.call(Call::delete(route).arg(profile).arg(service)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_are_read_in_every_spelling_and_what_is_not_shown_stays_unknown() {
        let list: ServiceProfile = serde_json::from_value(
            json!({"id": 7, "name": "p", "used_count": "12", "allowed_3g": "1", "allowed_4g": "0"}),
        )
        .unwrap();
        assert_eq!((list.allowed_3g, list.allowed_4g, list.retail), (Some(true), Some(false), None));
        assert_eq!((list.used_count, list.services), (Some(12), None));
        let detail: ServiceProfile = serde_json::from_value(json!({
            "id": 7, "allowed_3g": 1, "dns": {"id": null}, "api_callback": [],
            "service": [{"id": "38", "description": "Data"},
                        {"id": 5, "traffic_limit": {"id": 501, "volume": 100, "period": {"id": 2, "unit": "months"}}}]
        }))
        .unwrap();
        let services = detail.services.unwrap();
        assert_eq!(services[0].traffic_limits, []);
        assert_eq!(services[1].traffic_limits[0].id, 501);
        assert_eq!((detail.dns, detail.api_callback), (None, None));
    }

    #[test]
    fn a_reference_is_cleared_only_on_request() {
        let patch = ServiceProfileWrite { dns: Some(Reference::Cleared), ..ServiceProfileWrite::default() };
        assert_eq!(serde_json::to_value(patch).unwrap(), json!({"dns": {"id": null}}));
    }
}
