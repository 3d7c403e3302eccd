//! What a manifest says about a SIM, and what is reported.

#![allow(clippy::duplicated_attributes, reason = "printed columns have types of the same name")]

use emnify_engine::kind::{
    Dates,
    spec::{CommonSpec, CommonStatus},
};
use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    period::{self, ActivePeriod},
    state::SimState,
};
use crate::api::{Eid, Iccid, Imsi};

/// A SIM that the organisation owns. It is adopted by one of its numbers, never created and never deleted; only its
/// state can be set.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "emnify.io",
    version = "v1alpha1",
    kind = "Sim",
    namespaced,
    status = "SimStatus",
    shortname = "emsim",
    derive = "PartialEq",
    cel,
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "ICCID", type_ = "string", json_path = ".status.iccid"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpointId"),
    printcolumn(name = "MSISDN", type_ = "string", json_path = ".status.msisdn", priority = 1),
    printcolumn(name = "Profile", type_ = "string", json_path = ".status.euicc.profile", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.iccid) ? 1 : 0) + (has(self.eid) ? 1 : 0) + (has(self.imsi) ? 1 : 0) == 1")
        .message("set exactly one of iccid, eid, imsi"),
    validation = Rule::new(period::RULE).message(period::RULE_MESSAGE)
)]
pub struct SimSpec {
    /// ICCID: 19 digits, or 20 with the check digit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<Iccid>,
    /// EID of the eUICC: 32 digits. An eUICC may hold several SIMs; then use the ICCID of the one you mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eid: Option<Eid>,
    /// IMSI: 14 or 15 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<Imsi>,
    /// Wanted state. `Activated` starts billing. It is applied when the spec changes: a SIM that somebody suspends
    /// in the portal is reported and not activated again. Emnify turns `FactoryTest` into `Activated` by itself; that
    /// satisfies `FactoryTest`. Unset: the state is left alone. An `Endpoint` that sets `sim.state` for the same SIM
    /// excludes this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SimState>,
    /// When it is active.
    #[serde(flatten)]
    pub active: ActivePeriod,
    /// `true` consents to ending Factory Test, and so to activation and billing, when `state: Suspended` meets a SIM
    /// in Factory Test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_factory_test_end: Option<bool>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What emnify shows of the SIM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimStatus {
    /// ICCID, 19 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iccid: Option<String>,
    /// EID, for eUICCs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eid: Option<String>,
    /// IMSI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// Phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msisdn: Option<String>,
    /// `Issued`, `Activated`, `Suspended`, `FactoryTest` or a state this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Id of the endpoint that holds the SIM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
    /// Id of the SIM's model in emnify, for the selector of an `EndpointSet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<String>,
    /// First activation, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_date: Option<String>,
    /// The eUICC that the SIM is on, where emnify shows one: as of the last hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euicc: Option<EuiccStatus>,
    /// Shared fields.
    #[serde(flatten)]
    pub common: CommonStatus,
}

/// What emnify shows of the eUICC that a SIM is on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EuiccStatus {
    /// EID of the eUICC.
    pub eid: String,
    /// State of the SIM's profile in emnify's words, such as `Enabled`; unset where the eUICC does not show the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The eUICC falls back to the profile where another one finds no network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<bool>,
    /// When the eUICC last asked emnify for operations, RFC 3339: at every restart of its device and once a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_polled_at: Option<String>,
}

impl SimSpec {
    fn dates(&self, now: Timestamp) -> Dates {
        self.active.dates(now)
    }
}

emnify_engine::kind!(Sim, SimStatus, dates);
