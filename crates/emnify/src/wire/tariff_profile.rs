//! Tariff profiles: where devices may go and what it costs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::common::{Named, Ref};
use super::lenient as de;
use crate::api::Api;
use crate::call::{Call, Created};
use crate::error::{Error, found};
use crate::page::{Cursor, Page};

/// A tariff profile.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TariffProfile {
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
    /// Its price list.
    #[serde(default, deserialize_with = "Named::optional")]
    pub tariff: Option<Named>,
    /// Its prepaid volume.
    #[serde(default, deserialize_with = "de::optional_object")]
    pub inclusive_volume: Option<InclusiveVolume>,
    /// The zones of its tariff; only details show them [L].
    #[serde(default, rename = "ratezone", deserialize_with = "de::optional_list")]
    pub rate_zones: Option<Vec<RateZone>>,
}

/// A rate zone and whether a profile has it. With none selected, devices are blocked everywhere [P].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RateZone {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// The profile has it.
    #[serde(default, deserialize_with = "de::flag")]
    pub selected: bool,
    /// Since when it can be had.
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub valid_from: Option<Timestamp>,
    /// Until when it can be had.
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub valid_until: Option<Timestamp>,
    /// It is gone.
    #[serde(default, deserialize_with = "de::flag")]
    pub deleted: bool,
}

/// A prepaid volume.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InclusiveVolume {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// MB.
    #[serde(default, deserialize_with = "de::optional_number")]
    pub volume: Option<f64>,
    /// Price.
    #[serde(default, deserialize_with = "de::optional_number")]
    pub rate: Option<f64>,
    /// Shared by all devices.
    #[serde(default, deserialize_with = "de::optional_flag")]
    pub pooled: Option<bool>,
    /// Since when.
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub start_date: Option<Timestamp>,
    /// Until when.
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub end_date: Option<Timestamp>,
    /// Where it can be used.
    #[serde(default, deserialize_with = "Named::optional")]
    pub ratezone: Option<Named>,
    /// The tariff it belongs to; only the organisation's listing shows it.
    #[serde(default, deserialize_with = "Named::optional")]
    pub tariff: Option<Named>,
}

/// A new profile, or changes to one. A change of tariff takes all rate zones away [S].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TariffProfileWrite {
    /// Its name; a create needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Free text; a create needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its price list; a create needs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tariff: Option<Ref>,
}

/// A network on the blocklist of a tariff profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BlockedOperator {
    /// The network.
    pub operator: Named,
    /// What is blocked.
    pub blocklist: Blocked,
}

/// What of a network is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Blocked {
    /// All of it.
    #[serde(default, deserialize_with = "de::flag")]
    pub operator: bool,
    /// These radio technologies.
    #[serde(default, deserialize_with = "de::list")]
    pub rat_types: Vec<Named>,
}

/// Countries that a profile covers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Coverage {
    /// The country.
    #[serde(default, deserialize_with = "Named::optional")]
    pub country: Option<Named>,
    /// Number of networks.
    #[serde(default, deserialize_with = "de::optional_id")]
    pub redundancy_count: Option<i64>,
}

#[derive(Serialize)]
struct RatTypes {
    rat_types: Vec<Ref>,
}

impl Api {
    /// All tariff profiles: the collection is not paged [D].
    pub async fn list_tariff_profiles(&self, at: Cursor) -> Result<Page<TariffProfile>, Error> {
        self.call(Call::get("/api/v1/tariff_profile")).await?.page(at, None)
    }

    /// One tariff profile in full.
    pub async fn tariff_profile(&self, id: i64) -> Result<Option<TariffProfile>, Error> {
        let reply = found(self.call(Call::get("/api/v1/tariff_profile/{tariff_profile_id}").arg(id)).await)?;
        reply.map(|reply| reply.json()).transpose()
    }

    /// Creates a tariff profile, without rate zones.
    pub async fn create_tariff_profile(&self, new: &TariffProfileWrite) -> Result<Created, Error> {
        self.call(Call::post("/api/v1/tariff_profile").body(new)).await?.created()
    }

    /// Changes a tariff profile.
    pub async fn patch_tariff_profile(&self, id: i64, patch: &TariffProfileWrite) -> Result<(), Error> {
        self.call(Call::patch("/api/v1/tariff_profile/{tariff_profile_id}").arg(id).body(patch))
            .await
            .map(drop)
    }

    /// Deletes a tariff profile; refused while devices use it [S].
    pub async fn delete_tariff_profile(&self, id: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v1/tariff_profile/{tariff_profile_id}").arg(id)).await.map(drop)
    }

    /// The countries a profile covers.
    pub async fn coverage(&self, profile: i64) -> Result<Vec<Coverage>, Error> {
        self.call(Call::get("/api/v1/tariff_profile/{tariff_profile_id}/coverage").arg(profile)).await?.list()
    }

    /// Selects a rate zone.
    pub async fn select_rate_zone(&self, profile: i64, zone: i64) -> Result<(), Error> {
        let route = "/api/v1/tariff_profile/{tariff_profile_id}/ratezone_selection/{ratezone_id}";
        self.call(Call::put(route).arg(profile).arg(zone)).await.map(drop)
    }

    /// Gives a rate zone up.
    pub async fn deselect_rate_zone(&self, profile: i64, zone: i64) -> Result<(), Error> {
        let route = "/api/v1/tariff_profile/{tariff_profile_id}/ratezone_selection/{ratezone_id}";
        self.call(Call::delete(route).arg(profile).arg(zone)).await.map(drop)
    }

    /// Assigns a prepaid volume; a conflict if there is one [S].
    pub async fn assign_inclusive_volume(&self, profile: i64, volume: i64) -> Result<(), Error> {
        let route = "/api/v1/tariff_profile/{tariff_profile_id}/inclusive_volume/{inclusive_volume_id}";
        self.call(Call::put(route).arg(profile).arg(volume)).await.map(drop)
    }

    /// Takes a prepaid volume away.
    pub async fn remove_inclusive_volume(&self, profile: i64, volume: i64) -> Result<(), Error> {
        let route = "/api/v1/tariff_profile/{tariff_profile_id}/inclusive_volume/{inclusive_volume_id}";
        self.call(Call::delete(route).arg(profile).arg(volume)).await.map(drop)
    }

    /// The networks a profile blocks. The specification types the answer as one object; both are read.
    pub async fn operator_blocklist(&self, profile: i64) -> Result<Vec<BlockedOperator>, Error> {
        let route = "/api/v2/tariff_profile/{tariff_profile_id}/operator_blocklist/operator";
        self.call(Call::get(route).arg(profile)).await?.one_or_many()
    }

    /// Blocks all of a network.
    pub async fn blocklist_operator(&self, profile: i64, operator: i64) -> Result<(), Error> {
        let route = "/api/v2/tariff_profile/{tariff_profile_id}/operator_blocklist/operator/{operator_id}";
        self.call(Call::put(route).arg(profile).arg(operator)).await.map(drop)
    }

    /// Blocks nothing of a network any more.
    pub async fn unblocklist_operator(&self, profile: i64, operator: i64) -> Result<(), Error> {
        let route = "/api/v2/tariff_profile/{tariff_profile_id}/operator_blocklist/operator/{operator_id}";
        self.call(Call::delete(route).arg(profile).arg(operator)).await.map(drop)
    }

    /// Blocks radio technologies of a network.
    pub async fn blocklist_rat_types(&self, profile: i64, operator: i64, rats: &[i64]) -> Result<(), Error> {
        let route =
            "/api/v2/tariff_profile/{tariff_profile_id}/operator_blocklist/operator/{operator_id}/rat_type";
        let body = RatTypes { rat_types: rats.iter().copied().map(Ref::from).collect() };
        self.call(Call::post(route).arg(profile).arg(operator).body(&body).repeatable(true)).await.map(drop)
    }

    /// Unblocks a radio technology of a network.
    pub async fn unblocklist_rat_type(&self, profile: i64, operator: i64, rat: i64) -> Result<(), Error> {
        let route = "/api/v2/tariff_profile/{tariff_profile_id}/operator_blocklist/operator/{operator_id}/rat_type/{rat_type_id}";
        self.call(Call::delete(route).arg(profile).arg(operator).arg(rat)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_shows_its_zones_only_in_detail() {
        let detail: TariffProfile = serde_json::from_value(json!({
            "id": 1, "name": "t", "used_count": "0", "organisation_id": "9", "tariff": {"id": 4, "name": "Basic"},
            "inclusive_volume": null,
            "ratezone": [{"id": "11", "name": "Zone 1", "selected": true, "valid_from": "2022-01-01 00:00:00"}]
        }))
        .unwrap();
        assert_eq!(detail.rate_zones.unwrap()[0].id, 11);
        let entry: TariffProfile = serde_json::from_value(json!({"id": 1, "tariff": {"id": "4"}})).unwrap();
        assert_eq!((entry.rate_zones, entry.tariff.unwrap().id), (None, 4));
    }
}
