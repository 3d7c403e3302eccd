//! Tariff profiles: where devices may go and what it costs.

use jiff::Timestamp;
use serde::Serialize;

use super::collection::{Collection, Entry};
use super::common::{Named, Ref};
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;
use crate::limits::Class;

record!(
    /// A tariff profile.
    #[derive(Debug, Clone, PartialEq)]
    pub struct TariffProfile {
        /// Its id.
        pub id: i64,
        /// Its name.
        pub name: String,
        /// Free text.
        pub description: Option<String>,
        /// Number of devices that use it.
        pub used_count: Option<i64>,
        /// Its price list.
        pub tariff: Option<Named>,
        /// Its prepaid volume.
        pub inclusive_volume: Option<InclusiveVolume>,
        /// The zones of its tariff; only details show them [L].
        #[key("ratezone")]
        pub rate_zones: Option<Vec<RateZone>>,
    }
);

record!(
    /// A rate zone and whether a profile has it. With none selected, devices are blocked everywhere [P].
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RateZone {
        /// Its id.
        pub id: i64,
        /// Its name.
        pub name: String,
        /// The profile has it.
        pub selected: bool,
        /// Since when it can be had.
        pub valid_from: Option<Timestamp>,
        /// Until when it can be had.
        pub valid_until: Option<Timestamp>,
        /// It is gone.
        pub deleted: bool,
    }
);

record!(
    /// A prepaid volume.
    #[derive(Debug, Clone, PartialEq)]
    pub struct InclusiveVolume {
        /// Its id.
        pub id: i64,
        /// MB.
        pub volume: Option<f64>,
        /// Price.
        pub rate: Option<f64>,
        /// Shared by all devices.
        pub pooled: Option<bool>,
        /// Since when.
        pub start_date: Option<Timestamp>,
        /// Until when.
        pub end_date: Option<Timestamp>,
        /// Where it can be used.
        pub ratezone: Option<Named>,
    }
);

record!(
    /// A country that devices of a profile may connect in.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Covered {
        /// The country.
        pub country: Named,
        /// How many networks of it can be used.
        pub redundancy_count: Option<i64>,
    }
);

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

record!(
    /// A network on the blocklist of a tariff profile.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct BlockedOperator {
        /// The network.
        pub operator: Named,
        /// What is blocked.
        pub blocklist: Blocked,
    }
);

record!(
    /// What of a network is blocked.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Blocked {
        /// All of it.
        pub operator: bool,
        /// These radio technologies.
        pub rat_types: Vec<Named>,
    }
);

#[derive(Serialize)]
struct RatTypes {
    rat_types: Vec<Ref>,
}

/// Tariff profiles: not paged [D]. A create makes one without rate zones; only details show them [L]. A delete is refused while
/// devices use the profile [S].
pub const TARIFF_PROFILES: Collection<TariffProfile> =
    Collection::at("/api/v1/tariff_profile", "/api/v1/tariff_profile/{tariff_profile_id}")
        .limited(Class::Light, Class::Light);

impl Entry for TariffProfile {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

impl Api {
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

    /// Where devices of a profile may connect.
    pub async fn coverage(&self, profile: i64) -> Result<Vec<Covered>, Error> {
        let call = Call::get("/api/v1/tariff_profile/{tariff_profile_id}/coverage")
            .limited(Class::Light)
            .arg(profile);
        self.call(call).await?.lookup()
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

    #[test]
    fn coverage_is_a_list_of_countries_with_their_networks() {
        let rows =
            json!([{"country": {"id": "74", "name": "Germany", "mcc": "262"}, "redundancy_count": "3"}]);
        let covered: Vec<Covered> = serde_json::from_value(rows).unwrap();
        assert_eq!((covered[0].country.id, covered[0].redundancy_count), (74, Some(3)));
    }
}
