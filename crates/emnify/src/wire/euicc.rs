//! eUICCs, and the profiles on each.

use jiff::Timestamp;

use super::collection::{Collection, Entry, Paging};
use super::common::Named;
use super::listing::Listing;
use super::record::record;
use super::sim::number;
use crate::api::Api;
use crate::error::Error;
use crate::limits::Class;
use crate::page::{Cursor, Page};

/// Rows of a page unless told otherwise [S].
const USUAL_PAGE: usize = 100;
/// The largest page [S][D].
pub const LARGEST_PAGE: u32 = 1_000;

record!(
    /// An eUICC.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Euicc {
        /// Its id.
        pub id: i64,
        /// 32 digits.
        pub eid: String,
        /// When it last asked for operations.
        pub last_polled: Option<Timestamp>,
        /// What is on it, and what waits to be downloaded.
        #[key("profile")]
        pub profiles: Vec<EuiccProfile>,
    }
);

record!(
    /// A profile of an eUICC.
    #[derive(Debug, Clone, PartialEq)]
    pub struct EuiccProfile {
        /// 20 digits.
        #[key("iccid_with_luhn")]
        iccid: Option<String>,
        /// Whether it is in use. Only the number of `Available` is published, so it goes by its words [?].
        pub status: Option<Named>,
        /// The eUICC uses it where its other profile finds no network.
        #[key("fallback_attribute")]
        pub fallback: bool,
    }
);

impl EuiccProfile {
    /// Its ICCID of 19 digits: that of the SIM.
    pub fn number(&self) -> Option<&str> {
        number(None, self.iccid.as_deref())
    }
}

/// eUICCs: pages of 100, at most 1,000 [S][D].
pub const EUICCS: Collection<Euicc> = Collection::at("/api/v1/euicc", "/api/v1/euicc/{euicc_id}")
    .paged(Paging::Pages { usual: USUAL_PAGE, most: LARGEST_PAGE as usize })
    .limited(Class::Listing, Class::Light);

impl Entry for Euicc {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }
}

impl Api {
    /// One page of eUICCs: 100 unless told otherwise.
    pub async fn list_euiccs(&self, at: Cursor, listing: &Listing) -> Result<Page<Euicc>, Error> {
        EUICCS.list_where(self, at, listing).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_is_that_of_the_sim_with_its_iccid() {
        let euicc: Euicc = serde_json::from_value(json!({
            "id": 1, "eid": "89049032000001000000000000000001", "last_polled": "2026-01-01T09:31:51.000Z", "profile": [
                {"iccid_with_luhn": "89883030000000100023", "status": {"id": 2, "description": "Enabled"}, "fallback_attribute": true},
                {"status": null},
            ],
        }))
        .unwrap();
        let [used, nameless] = &euicc.profiles[..] else { panic!("two profiles: {euicc:?}") };
        assert_eq!(used.number(), Some("8988303000000010002"));
        assert_eq!(
            (used.status.as_ref().and_then(|status| status.name.as_deref()), used.fallback),
            (Some("Enabled"), true)
        );
        assert_eq!((nameless.number(), &nameless.status, nameless.fallback), (None, &None, false));
        assert!(euicc.last_polled.is_some());
        let bare: Euicc = serde_json::from_value(json!({"id": 2, "eid": "1"})).unwrap();
        assert_eq!((bare.profiles, bare.last_polled), (vec![], None), "a consumer's eUICC shows none");
    }
}
