//! The organisation behind a login, and what it pays for.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cloud_connect::Currency;
use super::common::Named;
use super::lenient;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::{Error, found};

/// An organisation. The specification shows it flat, the live API nested [S][L]; both are read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "Wire")]
pub struct Organisation {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its state; without a name where only the id is shown.
    pub status: Option<Named>,
    /// What it pays in; without a code where only the id is shown.
    pub currency: Option<Currency>,
    /// The most it may spend per month.
    pub monthly_cost_limit: Option<f64>,
    /// When it was created.
    pub created: Option<Timestamp>,
}

record!(
    struct Wire {
        id: i64,
        name: String,
        status: Option<Named>,
        #[read(lenient::reference)]
        organisation_status_id: Option<i64>,
        currency: Option<Currency>,
        #[read(lenient::reference)]
        currency_id: Option<i64>,
        monthly_cost_limit: Option<f64>,
        created: Option<Timestamp>,
    }
);

impl From<Wire> for Organisation {
    fn from(wire: Wire) -> Self {
        Self {
            id: wire.id,
            name: wire.name,
            status: wire.status.or(wire.organisation_status_id.map(|id| Named { id, name: None })),
            currency: wire.currency.or(wire.currency_id.map(|id| Currency { id, code: String::new() })),
            monthly_cost_limit: wire.monthly_cost_limit,
            created: wire.created,
        }
    }
}

record!(
    /// A volume that the organisation has bought, and pays for every month.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct HeldVolume {
        /// Its id.
        pub id: i64,
        /// Since when.
        pub start_date: Option<Timestamp>,
    }
);

/// The terms of a volume that is bought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VolumeTerms {
    /// From when on; at once where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_date: Option<String>,
    /// Until when; for good where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_date: Option<String>,
    /// Devices share it; emnify's default is `true` [S].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooled: Option<bool>,
}

record!(
    /// The tariff plan of an organisation.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ActiveTariffPlan {
        /// Id of this booking.
        pub id: Option<i64>,
        /// The plan.
        pub tariff_plan: Option<TariffPlan>,
        /// How much help it includes.
        pub service_level: Option<Named>,
        /// It counts now.
        pub active: Option<bool>,
        /// SIMs may be in Factory Test.
        pub factory_test_mode_allowed: Option<bool>,
        /// People belong to workspaces, and are invited to them.
        pub workspaces_enabled: Option<bool>,
        /// When it began.
        pub start_date: Option<Timestamp>,
        /// When it ends.
        pub expiry_date: Option<Timestamp>,
        /// Monthly price of an activated SIM.
        pub sim_activated_rate: Option<f64>,
    }
);

record!(
    /// A tariff plan.
    #[derive(Debug, Clone, PartialEq)]
    pub struct TariffPlan {
        /// Its id.
        pub id: Option<i64>,
        /// Its name.
        pub name: String,
        /// The API may be used.
        pub api_access_allowed: Option<bool>,
        /// It is a trial.
        pub evaluation: Option<bool>,
        /// So many activated SIMs.
        pub max_active_sims: Option<i64>,
        /// So many service profiles.
        pub max_service_profiles: Option<i64>,
        /// So many tariff profiles.
        pub max_tariff_profiles: Option<i64>,
        /// So many users.
        pub max_users: Option<i64>,
    }
);

impl Api {
    /// The organisation of the login.
    pub async fn my_organisation(&self) -> Result<Organisation, Error> {
        self.call(Call::get("/api/v1/organisation/my")).await?.json()
    }

    /// Volumes that the organisation pays for now.
    pub async fn active_volumes(&self) -> Result<Vec<HeldVolume>, Error> {
        let call = Call::get("/api/v1/organisation/{org_id_or_my}/inclusive_volume/active").arg("my");
        self.call(call).await?.list()
    }

    /// Buys a volume. It is billed every month and can only be raised [S], so it is not sent twice.
    pub async fn buy_volume(&self, id: i64, terms: &VolumeTerms) -> Result<(), Error> {
        let route = "/api/v1/organisation/{org_id_or_my}/inclusive_volume/{inclusive_volume_id}";
        let call = Call::put(route).arg("my").arg(id).repeatable(false);
        self.call(call.body(terms)).await.map(drop)
    }

    /// States that an organisation can be in.
    pub async fn organisation_statuses(&self) -> Result<Vec<Named>, Error> {
        self.call(Call::get("/api/v1/organisation/status")).await?.lookup()
    }

    /// Its tariff plan, if it has one.
    pub async fn active_tariff_plan(&self) -> Result<Option<ActiveTariffPlan>, Error> {
        let call = Call::get("/api/v1/organisation/{org_id_or_my}/tariff_plan/active").arg("my");
        found(self.call(call).await)?.map(|reply| reply.json()).transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_shapes_of_an_organisation_are_read() {
        let flat: Organisation = serde_json::from_value(json!({
            "id": 9, "name": "Example", "organisation_status_id": "0", "country_id": "74", "currency_id": 1,
            "monthly_cost_limit": "100.00"
        }))
        .unwrap();
        let nested: Organisation = serde_json::from_value(json!({
            "id": 9, "name": "Example", "status": {"id": 0, "description": "Active"}, "country": {"id": 74},
            "currency": {"id": 1, "code": "EUR"}, "monthly_cost_limit": 100
        }))
        .unwrap();
        let ids = |of: &Organisation| (of.status.as_ref().unwrap().id, of.currency.as_ref().unwrap().id);
        assert_eq!((ids(&flat), flat.monthly_cost_limit), (ids(&nested), nested.monthly_cost_limit));
        assert_eq!(nested.status.and_then(|status| status.name).as_deref(), Some("Active"));
        assert_eq!(nested.currency.map(|currency| currency.code).as_deref(), Some("EUR"));
        assert_eq!(flat.status, Some(Named { id: 0, name: None }), "what the ids mean is in lookups");
    }
}
