//! SIMs: registered, not created.

use jiff::Timestamp;
use serde::Serialize;

use super::collection::{Collection, Entry, Paging};
use super::common::{Named, Ref};
use super::listing::Listing;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;
use crate::limits::Class;
use crate::page::{Cursor, Page};

/// States of a SIM [S].
pub mod status {
    /// Never used; not billed.
    pub const ISSUED: i64 = 0;
    /// Billed for every month in which it was so.
    pub const ACTIVATED: i64 = 1;
    /// Free from the next month on.
    pub const SUSPENDED: i64 = 2;
    /// Gone for good.
    pub const DELETED: i64 = 3;
    /// Free up to thresholds.
    pub const FACTORY_TEST: i64 = 4;
}

/// The largest page of SIMs [S].
pub const LARGEST_PAGE: u32 = 2_500;
/// The page of SIMs unless told otherwise [R][S].
const USUAL_PAGE: usize = 2_000;

record!(
    /// A SIM.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Sim {
        /// Its id.
        pub id: i64,
        /// 19 digits.
        pub iccid: Option<String>,
        /// 20 digits.
        pub iccid_with_luhn: Option<String>,
        /// 32 digits, on eUICCs.
        pub eid: Option<String>,
        /// IMSI.
        pub imsi: Option<String>,
        /// Phone number.
        pub msisdn: Option<String>,
        /// One of [`status`].
        pub status: Option<Named>,
        /// When it was made.
        pub production_date: Option<Timestamp>,
        /// When it was first activated [R].
        pub activation_date: Option<Timestamp>,
        /// The device it is in; the key is absent when there is none [R].
        pub endpoint: Option<Named>,
        /// What it is made as.
        pub model: Option<Named>,
    }
);

/// Digits of an ICCID without its check digit.
const DIGITS: usize = 19;

/// The ICCID of 19 digits: `iccid`, else what is printed; either without a check digit, which batches of some makers have [?].
pub(super) fn number<'a>(iccid: Option<&'a str>, printed: Option<&'a str>) -> Option<&'a str> {
    let checked = |number: &&str| number.len() == DIGITS + 1;
    let without = |number: &'a str| if checked(&number) { number.get(..DIGITS) } else { Some(number) };
    iccid.or_else(|| printed.filter(checked)).and_then(without)
}

/// SIMs that move to another workspace. All of them, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SimMigration {
    /// Which.
    pub sims: Vec<Ref>,
    /// Whereto.
    pub target_workspace: Ref,
    /// Only those in one of these [`status`]es; all, where it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_sim_statuses: Vec<Ref>,
    /// Devices let go of them; else those that are in a device are refused.
    pub auto_detach_devices: bool,
    /// It is only looked whether they could.
    pub dry_run: bool,
}

#[derive(Serialize)]
struct StatusPatch {
    status: Ref,
}

/// SIMs: pages of 2,000, at most 2,500 [R][S]. They are registered, not created.
pub const SIMS: Collection<Sim> = Collection::at("/api/v1/sim", "/api/v1/sim/{sim_id}")
    .paged(Paging::Pages { usual: USUAL_PAGE, most: LARGEST_PAGE as usize })
    .limited(Class::Listing, Class::Light);

impl Entry for Sim {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

impl Api {
    /// One page of SIMs: 2,000 unless told otherwise.
    pub async fn list_sims(&self, at: Cursor, listing: &Listing) -> Result<Page<Sim>, Error> {
        SIMS.list_where(self, at, listing).await
    }

    /// One SIM.
    pub async fn sim(&self, id: i64) -> Result<Option<Sim>, Error> {
        SIMS.get(self, id).await
    }

    /// Deletes a SIM for good; refused while a device holds it [R]. After a failure of emnify it is looked for, and not simply deleted again.
    pub async fn delete_sim(&self, id: i64) -> Result<(), Error> {
        self.call(Call::delete("/api/v1/sim/{sim_id}").arg(id).repeatable(false)).await.map(drop)
    }

    /// Moves SIMs to another workspace, suspended if they were activated. Only for a login that is an Administrator's of both [S].
    pub async fn migrate_sims(&self, migration: &SimMigration) -> Result<(), Error> {
        let call = Call::post("/api/v1/sim/migration/workspace").repeatable(migration.dry_run);
        self.call(call.body(migration)).await.map(drop)
    }

    /// Wants a SIM in a [`status`]; an illegal transition is [`Error::Rejected`] [S].
    pub async fn set_sim_status(&self, id: i64, status: i64) -> Result<(), Error> {
        SIMS.patch(self, id, &StatusPatch { status: status.into() }).await
    }
}

impl Sim {
    /// Its ICCID of 19 digits, also where only the printed one of 20 is shown.
    pub fn number(&self) -> Option<&str> {
        number(self.iccid.as_deref(), self.iccid_with_luhn.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_migration_that_is_meant_says_so() {
        let moving = SimMigration {
            sims: vec![7.into()],
            target_workspace: 1002.into(),
            allowed_sim_statuses: Vec::new(),
            auto_detach_devices: false,
            dry_run: false,
        };
        let sent = json!({"sims": [{"id": 7}], "target_workspace": {"id": 1002}, "auto_detach_devices": false, "dry_run": false});
        assert_eq!(
            serde_json::to_value(moving).unwrap(),
            sent,
            "emnify only looks unless it is told otherwise"
        );
    }

    #[test]
    fn a_sim_knows_its_device_only_while_it_has_one() {
        let sim: Sim = serde_json::from_value(json!({
            "id": 3, "iccid": "8988303000000000001", "status": {"id": 2, "description": "Suspended"},
            "endpoint": {"id": 9, "name": "d", "service_profile_id": 1}, "production_date": "2014-08-01T08:47:00+0000"
        }))
        .unwrap();
        assert_eq!(sim.endpoint.map(|endpoint| endpoint.id), Some(9));
        assert_eq!(sim.production_date, "2014-08-01T08:47:00Z".parse().ok());
        let free: Sim = serde_json::from_value(json!({"id": 3})).unwrap();
        assert_eq!(free.endpoint, None);
    }
}
