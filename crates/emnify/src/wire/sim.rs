//! SIMs: never created and, by this client, never deleted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::common::{Named, Ref};
use super::lenient as de;
use super::listing::Listing;
use crate::api::Api;
use crate::call::Call;
use crate::error::{Error, found};
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

/// A SIM.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Sim {
    /// Its id.
    #[serde(deserialize_with = "de::id")]
    pub id: i64,
    /// 19 digits.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub iccid: Option<String>,
    /// 20 digits.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub iccid_with_luhn: Option<String>,
    /// 32 digits, on eUICCs.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub eid: Option<String>,
    /// IMSI.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub imsi: Option<String>,
    /// Phone number.
    #[serde(default, deserialize_with = "de::optional_text")]
    pub msisdn: Option<String>,
    /// One of [`status`].
    #[serde(default, deserialize_with = "Named::optional")]
    pub status: Option<Named>,
    /// When it was made.
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub production_date: Option<Timestamp>,
    /// When it was first activated [R].
    #[serde(default, deserialize_with = "de::optional_timestamp")]
    pub activation_date: Option<Timestamp>,
    /// The device it is in; the key is absent when there is none [R].
    #[serde(default, deserialize_with = "Named::optional")]
    pub endpoint: Option<Named>,
    /// What it is made as.
    #[serde(default, deserialize_with = "Named::optional")]
    pub model: Option<Named>,
}

/// Digits of an ICCID without its check digit.
const DIGITS: usize = 19;

/// The ICCID of 19 digits: `iccid`, else what is printed without the check digit.
pub(super) fn number<'a>(iccid: Option<&'a str>, printed: Option<&'a str>) -> Option<&'a str> {
    iccid.or_else(|| printed.filter(|printed| printed.len() == DIGITS + 1)?.get(..DIGITS))
}

#[derive(Serialize)]
struct StatusPatch {
    status: Ref,
}

impl Api {
    /// One page of SIMs: 2,000 unless told otherwise.
    pub async fn list_sims(&self, at: Cursor, listing: &Listing) -> Result<Page<Sim>, Error> {
        let full = listing.full(USUAL_PAGE, LARGEST_PAGE as usize);
        self.call(listing.apply(Call::get("/api/v1/sim"), at)).await?.page(at, Some(full))
    }

    /// SIMs whose `field` (`iccid`, `iccid_with_luhn`, `eid`, `imsi`) is `value`. The API matches prefixes [3P]; this does not.
    pub async fn sims_by(&self, field: &'static str, value: &str) -> Result<Vec<Sim>, Error> {
        let listing = Listing::all().filter(field, value).per_page(LARGEST_PAGE);
        let (mut sims, mut next) = (Vec::new(), Some(Cursor::first()));
        while let Some(at) = next {
            let page = self.list_sims(at, &listing).await?;
            next = page.next();
            sims.extend(page.items.into_iter().filter(|sim| sim.is_called(field, value)));
        }
        Ok(sims)
    }

    /// One SIM.
    pub async fn sim(&self, id: i64) -> Result<Option<Sim>, Error> {
        let reply = found(self.call(Call::get("/api/v1/sim/{sim_id}").arg(id)).await)?;
        reply.map(|reply| reply.json()).transpose()
    }

    /// Wants a SIM in a [`status`]; an illegal transition is [`Error::Rejected`] [S].
    pub async fn set_sim_status(&self, id: i64, status: i64) -> Result<(), Error> {
        let body = StatusPatch { status: status.into() };
        self.call(Call::patch("/api/v1/sim/{sim_id}").arg(id).body(&body)).await.map(drop)
    }
}

impl Sim {
    /// Its ICCID of 19 digits, also where only the printed one of 20 is shown.
    pub fn number(&self) -> Option<&str> {
        number(self.iccid.as_deref(), self.iccid_with_luhn.as_deref())
    }

    /// An unknown field is never equal.
    fn is_called(&self, field: &str, value: &str) -> bool {
        let own = match field {
            "iccid" => return self.number() == Some(value),
            "iccid_with_luhn" => &self.iccid_with_luhn,
            "eid" => &self.eid,
            "imsi" => &self.imsi,
            "msisdn" => &self.msisdn,
            _ => return false,
        };
        own.as_deref() == Some(value)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        assert!(!free.is_called("iccid", "8988303000000000001"));
    }
}
