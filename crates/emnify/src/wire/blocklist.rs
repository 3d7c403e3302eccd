//! Networks a single device may not use, and the list of all networks.

use super::common::Named;
use super::record::record;
use crate::api::Api;
use crate::call::Call;
use crate::error::Error;

record!(
    /// A network operator. Names repeat; a TAP code is unique where there is one, MCC with MNC almost [R].
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Operator {
        /// Its id.
        pub id: i64,
        /// Its name.
        pub name: String,
        /// Its country.
        pub country: Option<OperatorCountry>,
        /// Network codes within the country.
        pub mnc: Vec<NetworkCode>,
        /// Codes of roaming settlement.
        pub tapcode: Vec<TapCode>,
    }
);

record!(
    /// The country of an operator.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct OperatorCountry {
        /// Its name.
        pub name: String,
        /// Its mobile country code.
        pub mcc: Option<String>,
        /// Two letters.
        pub iso_code: Option<String>,
    }
);

record!(
    /// A mobile network code.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct NetworkCode {
        /// Two or three digits.
        pub mnc: String,
    }
);

record!(
    /// A TAP code.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TapCode {
        /// Five characters.
        pub tapcode: String,
    }
);

impl Operator {
    /// Id and name.
    pub fn named(&self) -> Named {
        Named { id: self.id, name: Some(self.name.clone()) }
    }

    /// It runs the network of this country and network code.
    pub fn runs(&self, mcc: &str, mnc: &str) -> bool {
        self.country.as_ref().is_some_and(|country| country.mcc.as_deref() == Some(mcc))
            && self.mnc.iter().any(|code| code.mnc == mnc)
    }

    /// It settles under this TAP code.
    pub fn settles_as(&self, tap: &str) -> bool {
        self.tapcode.iter().any(|code| code.tapcode.eq_ignore_ascii_case(tap))
    }
}

impl Api {
    /// All networks: about 900, in one answer [R].
    pub async fn operators(&self) -> Result<Vec<Operator>, Error> {
        self.call(Call::get("/api/v1/operator")).await?.lookup()
    }

    /// Networks this device may not use.
    pub async fn blocked_operators(&self, endpoint: i64) -> Result<Vec<Operator>, Error> {
        let call = Call::get("/api/v1/endpoint/{endpoint_id}/operator_blacklist").arg(endpoint);
        self.call(call).await?.list()
    }

    /// Blocks a network for a device; a conflict (1405) if it is blocked already [R].
    pub async fn block_operator(&self, endpoint: i64, operator: i64) -> Result<(), Error> {
        let route = "/api/v1/endpoint/{endpoint_id}/operator_blacklist/{operator_id}";
        self.call(Call::put(route).arg(endpoint).arg(operator)).await.map(drop)
    }

    /// Unblocks a network; [`Error::NotFound`] if it was not blocked [S].
    pub async fn unblock_operator(&self, endpoint: i64, operator: i64) -> Result<(), Error> {
        let route = "/api/v1/endpoint/{endpoint_id}/operator_blacklist/{operator_id}";
        self.call(Call::delete(route).arg(endpoint).arg(operator)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operator_is_known_by_its_codes() {
        let operator: Operator = serde_json::from_value(json!({
            "name": "Afghan Wireless (AWCC)", "country_name": "Afghanistan", "id": 552,
            "country": {"name": "Afghanistan", "mcc": "412", "iso_code": "af", "id": 3},
            "mnc": [{"mnc": "01", "operator_id": "552", "id": 14}],
            "tapcode": [{"tapcode": "AFGAW", "operator_id": "552", "id": 13}]
        }))
        .unwrap();
        assert!(operator.runs("412", "01") && !operator.runs("412", "1"), "01 and 1 are different codes");
        assert!(operator.settles_as("afgaw"));
        let any: Operator = serde_json::from_value(json!({"id": 0, "name": "ANY", "mnc": null})).unwrap();
        assert!(!any.runs("412", "01"), "some operators have no code at all");
    }
}
