//! Service profiles: what devices may do.

use serde::{Deserialize, Serialize};

use super::common::{Named, Ref, Reference};
use super::lenient as de;
use super::traffic_limit::TrafficLimit;
use crate::api::Api;
use crate::call::{Call, Created};
use crate::error::{Error, found};
use crate::page::{Cursor, Page};

/// A service profile. Listings show less than details, and flags as text [L]; `None` is what was not shown.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ServiceProfile {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Free text.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub description: Option<String>,
    /// Number of devices that use it.
    #[serde(default, deserialize_with = "de::optional_id")]
    pub used_count: Option<i64>,
    /// 2G.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub allowed_2g: Option<bool>,
    /// 3G.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub allowed_3g: Option<bool>,
    /// 4G and LTE-M.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub allowed_4g: Option<bool>,
    /// NB-IoT.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub allowed_nb_iot: Option<bool>,
    /// NB-IoT by satellite.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub allowed_nb_iot_geo: Option<bool>,
    /// Devices need a data quota.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub apply_data_quota: Option<bool>,
    /// Devices need an SMS quota.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub apply_sms_quota: Option<bool>,
    /// Needs a privilege of emnify.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub retail: Option<bool>,
    /// Deprecated.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub prepaid: Option<bool>,
    /// Non-IP data.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub nipdp: Option<bool>,
    /// SMS between own devices.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub sms_p2p_int: Option<bool>,
    /// SMS to and from others.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub sms_p2p_ext: Option<bool>,
    /// Where SMS from devices go.
    #[serde(default, deserialize_with = "Named::optional")]
    pub api_callback: Option<Named>,
    /// Signs calls to the callback.
    #[serde(default, deserialize_with = "Named::optional")]
    pub api_secret: Option<Named>,
    /// Where location updates go; details may show its bare id.
    #[serde(default, deserialize_with = "Named::optional")]
    pub moc_callback: Option<Named>,
    /// The same as a bare id [L].
    #[serde(default, deserialize_with = "de::optional_id")]
    pub moc_callback_id: Option<i64>,
    /// How SMS are delivered.
    #[serde(default, deserialize_with = "Named::optional")]
    pub esme_interface_type: Option<Named>,
    /// Where traffic leaves the network.
    #[serde(default, deserialize_with = "Named::optional")]
    pub breakout_region: Option<Named>,
    /// Resolvers of devices.
    #[serde(default, deserialize_with = "Named::optional")]
    pub dns: Option<Named>,
    /// What devices may use; `None` in listings.
    #[serde(default, rename = "service", deserialize_with = "de::optional_list")]
    pub services: Option<Vec<ProfileService>>,
}

/// A service of a profile.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ProfileService {
    /// Id of the service.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub description: Option<String>,
    /// Its limits of the catalogue; the API shows one as an object, several as a list.
    #[serde(
        default,
        rename = "traffic_limit",
        alias = "traffic_limits",
        deserialize_with = "de::one_or_many"
    )]
    pub traffic_limits: Vec<TrafficLimit>,
}

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

/// Which quotas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuotaKind {
    /// Data.
    Data,
    /// SMS.
    Sms,
}

impl QuotaKind {
    const fn as_str(self) -> &'static str {
        match self {
            QuotaKind::Data => "data",
            QuotaKind::Sms => "sms",
        }
    }
}

impl Api {
    /// All service profiles: the collection is not paged [D].
    pub async fn list_service_profiles(&self, at: Cursor) -> Result<Page<ServiceProfile>, Error> {
        self.call(Call::get("/api/v1/service_profile")).await?.page(at, None)
    }

    /// One service profile in full.
    pub async fn service_profile(&self, id: i64) -> Result<Option<ServiceProfile>, Error> {
        let reply = found(self.call(Call::get("/api/v1/service_profile/{profile_id}").arg(id)).await)?;
        reply.map(|reply| reply.json()).transpose()
    }

    /// Creates a service profile.
    pub async fn create_service_profile(&self, new: &ServiceProfileWrite) -> Result<Created, Error> {
        self.call(Call::post("/api/v1/service_profile").body(new)).await?.created()
    }

    /// Changes a service profile.
    pub async fn patch_service_profile(&self, id: i64, patch: &ServiceProfileWrite) -> Result<(), Error> {
        self.call(Call::patch("/api/v1/service_profile/{profile_id}").arg(id).body(patch)).await.map(drop)
    }

    /// Deletes a service profile; a conflict while devices use it [S].
    pub async fn delete_service_profile(&self, id: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v1/service_profile/{profile_id}").arg(id)).await.map(drop)
    }

    /// Adds a service; a conflict if it is there already [S].
    pub async fn add_service(&self, profile: i64, service: i64) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/service/{service_id}";
        self.call(Call::put(route).arg(profile).arg(service)).await.map(drop)
    }

    /// Removes a service; a conflict while it has limits [S].
    pub async fn remove_service(&self, profile: i64, service: i64) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/service/{service_id}";
        self.call(Call::delete(route).arg(profile).arg(service)).await.map(drop)
    }

    /// Takes the quotas off all devices of a profile; also succeeds where there are none [S].
    pub async fn strip_quotas(&self, profile: i64, kind: QuotaKind) -> Result<(), Error> {
        let route = "/api/v1/service_profile/{profile_id}/quota/{quota_type}";
        self.call(Call::delete(route).arg(profile).arg(kind.as_str())).await.map(drop)
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
