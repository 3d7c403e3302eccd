//! Mobile network operators, as specs name them.

use emnify_engine::kind::{Input, Inputs, Invalid, Source, Table};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::NumericId;

/// A mobile network operator by its emnify id, TAP code, MCC and MNC, or name. Exactly one. Names and a few
/// MCC-MNC pairs are shared by several operators; those are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.id) ? 1 : 0) + (has(self.tapCode) ? 1 : 0) + (has(self.mccMnc) ? 1 : 0) + (has(self.externalName) ? 1 : 0) == 1")
        .message("set exactly one of id, tapCode, mccMnc, externalName")
)]
pub struct OperatorReference {
    /// Id in emnify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// TAP code, such as `DEUD1`; unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9]{5}$"), length(max = 5))]
    pub tap_code: Option<String>,
    /// MCC and MNC, such as `262-01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{3}-[0-9]{2,3}$"), length(max = 7))]
    pub mcc_mnc: Option<String>,
    /// Name in emnify, such as `Telekom`, or with its country, such as `Germany / Telekom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub external_name: Option<String>,
}

impl OperatorReference {
    /// How the lookup table calls a TAP code; kinds of name are kept apart by their prefix.
    pub fn tap_name(code: &str) -> String {
        format!("TAP code {code}")
    }

    /// How the lookup table calls an MCC and MNC.
    pub fn mcc_mnc_name(mcc_mnc: &str) -> String {
        format!("MCC-MNC {mcc_mnc}")
    }

    /// What has to be looked up in the table of operators, if anything.
    pub fn input(&self, path: &str, table: &'static Table) -> Option<Input> {
        let name = match self {
            Self { tap_code: Some(code), .. } => Self::tap_name(code),
            Self { mcc_mnc: Some(pair), .. } => Self::mcc_mnc_name(pair),
            Self { external_name: Some(name), .. } => name.clone(),
            _ => return None,
        };
        Some(Input::new(path, Source::Lookup { table, name, optional: false }))
    }

    /// The operator's id.
    pub fn required(&self, path: &str, from: &Inputs) -> Result<i64, Invalid> {
        match &self.id {
            Some(id) => id.int(path),
            None => {
                from.int(path).ok_or_else(|| Invalid::new(path, "could not be resolved to an operator id"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn exactly_one_way_to_name_an_operator() {
        let check = |value: serde_json::Value| OperatorReference::validate_cel(&value, None).is_ok();
        assert!(check(json!({"mccMnc": "262-01"})) && check(json!({"tapCode": "DEUD1"})));
        assert!(!check(json!({})) && !check(json!({"id": "1", "externalName": "Telekom"})));
    }
}
