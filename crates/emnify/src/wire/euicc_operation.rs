//! What eUICCs are told to do at their next poll. [S][D]

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use super::common::{Named, Ref};
use super::euicc::Euicc;
use super::lenient;
use super::listing::Listing;
use super::record::record;
use super::sim::number;
use crate::api::Api;
use crate::call::Call;
use crate::error::{Error, found};
use crate::page::{Cursor, Page};

/// The largest page [S][D].
const LARGEST_PAGE: u32 = 1_000;

/// Something that an eUICC is told to do.
#[derive(Debug, Clone, Serialize)]
pub struct NewEuiccOperation {
    /// Id of what is done.
    pub action: Ref,
    /// The profile that it is about, 20 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iccid_with_luhn: Option<String>,
    /// For a profile that is downloaded.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    pub activation_code: Option<SecretString>,
    /// A downloaded profile is enabled at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable: Option<bool>,
    /// A switch is taken back if the device is not heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<bool>,
    /// Seconds in which it may be carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validity_period: Option<i64>,
}

#[allow(clippy::ref_option, reason = "the signature that serde asks for")]
fn exposed<S: Serializer>(secret: &Option<SecretString>, to: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ExposeSecret::expose_secret).serialize(to)
}

record!(
    /// The same, as the API keeps it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct EuiccOperation {
        /// A UUID.
        pub id: String,
        /// Id of what is done.
        #[read(lenient::reference)]
        pub action: Option<i64>,
        /// How far it is. Numbers are not published, so it goes by its words [?].
        pub status: Option<Named>,
        /// When it was asked for.
        pub creation_date: Option<Timestamp>,
        /// When it ended.
        pub finalization_date: Option<Timestamp>,
        /// Why it failed.
        pub error: Option<EuiccError>,
        /// 20 digits.
        #[key("iccid_with_luhn")]
        iccid: Option<String>,
    }
);

record!(
    /// Why an operation failed.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct EuiccError {
        /// In words.
        pub message: Option<String>,
    }
);

impl EuiccOperation {
    /// The profile that it is about, 19 digits.
    pub fn number(&self) -> Option<&str> {
        number(None, self.iccid.as_deref())
    }
}

impl Api {
    /// Tells an eUICC to do something. It may be billed, and is not sent twice.
    pub async fn schedule_euicc_operation(
        &self,
        euicc: i64,
        new: &NewEuiccOperation,
    ) -> Result<EuiccOperation, Error> {
        let call = Call::post("/api/v1/euicc/{euicc_id}/operation").arg(euicc).body(&[new]);
        let call = if new.activation_code.is_some() { call.sensitive() } else { call };
        self.call(call).await?.only()
    }

    /// One operation of an eUICC.
    pub async fn euicc_operation(&self, euicc: i64, id: &str) -> Result<Option<EuiccOperation>, Error> {
        let call = Call::get("/api/v1/euicc/{euicc_id}/operation/{operation_id}").arg(euicc).arg(id);
        found(self.call(call).await)?.map(|reply| reply.json()).transpose()
    }

    /// The newest operations of an eUICC.
    pub async fn newest_euicc_operations(&self, euicc: i64) -> Result<Vec<EuiccOperation>, Error> {
        let listing = Listing::all().sort("-creation_date").per_page(LARGEST_PAGE);
        let call = Call::get("/api/v1/euicc/{euicc_id}/operation").arg(euicc);
        self.call(listing.apply(call, Cursor::first())).await?.list()
    }

    /// What eUICCs can be told.
    pub async fn euicc_operation_actions(&self) -> Result<Vec<Named>, Error> {
        self.call(Call::get("/api/v1/euicc/operation/action")).await?.lookup()
    }

    /// The eUICC with this EID.
    pub async fn euicc_with(&self, eid: &str) -> Result<Option<Euicc>, Error> {
        let page: Page<Euicc> = self.list_euiccs(Cursor::first(), &Listing::all().filter("eid", eid)).await?;
        Ok(page.items.into_iter().find(|euicc| euicc.eid == eid))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn what_is_told_holds_what_is_set_and_prints_no_secret() {
        let new = NewEuiccOperation {
            action: 1.into(),
            iccid_with_luhn: None,
            activation_code: Some("LPA:hush".to_owned().into()),
            enable: Some(true),
            rollback: None,
            validity_period: Some(60),
        };
        assert!(!format!("{new:?}").contains("hush"));
        let sent = json!({"action": {"id": 1}, "activation_code": "LPA:hush", "enable": true, "validity_period": 60});
        assert_eq!(to_value(new).unwrap(), sent);
    }

    #[test]
    fn what_became_of_it_is_read() {
        let shown = json!({"id": "0b5f4a0e-6a1c-4d53-9a57-3a8f1f0d2c11", "action": {"id": 2}, "status": {"id": 4, "description": "Failed"},
            "creation_date": "2026-03-01T10:00:00.000Z", "finalization_date": "2026-03-01T11:00:00.000Z",
            "error": {"reason": 2, "message": "The profile is not disabled"}, "iccid_with_luhn": "89883030000000100023"});
        let operation: EuiccOperation = from_value(shown).unwrap();
        assert_eq!((operation.number(), operation.action), (Some("8988303000000010002"), Some(2)));
        assert_eq!(
            operation.error.and_then(|error| error.message).as_deref(),
            Some("The profile is not disabled")
        );
    }
}
