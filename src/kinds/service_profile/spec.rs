//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{ClearableReference, ExternalReference, Volume};

/// Which services and radio technologies devices may use, within which limits, and how their traffic leaves emnify.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "ServiceProfile",
    namespaced,
    status = "ServiceProfileStatus",
    derive = "PartialEq",
    shortname = "emsp"
)]
#[kube(printcolumn(name = "Name", type_ = "string", json_path = ".spec.name"))]
#[kube(printcolumn(name = "Devices", type_ = "integer", json_path = ".status.usedCount"))]
#[serde(rename_all = "camelCase")]
pub struct ServiceProfileSpec {
    /// Name in emnify.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Description in emnify. The operator appends a mark to what it created, and ignores it when comparing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub description: Option<String>,
    /// Devices may use 2G.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_2g: Option<bool>,
    /// Devices may use 3G.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_3g: Option<bool>,
    /// Devices may use 4G and LTE-M.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_4g: Option<bool>,
    /// Devices may use NB-IoT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_nb_iot: Option<bool>,
    /// Devices may use NB-IoT over satellite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_nb_iot_geo: Option<bool>,
    /// Data quotas of devices are enforced. A device without a quota is cut off within seconds: give the devices
    /// their quotas first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_data_quota: Option<bool>,
    /// SMS quotas of devices are enforced. A device without a quota is cut off within seconds: give the devices
    /// their quotas first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_sms_quota: Option<bool>,
    /// Retail mode; needs a privilege that emnify grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retail: Option<bool>,
    /// Data without an IP address (NIDD) over NB-IoT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nipdp: Option<bool>,
    /// Devices may send SMS to other devices of the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms_p2p_int: Option<bool>,
    /// Devices may send SMS to phones outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms_p2p_ext: Option<bool>,
    /// All services that are switched on; the others are switched off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub services: Option<Vec<Service>>,
    /// All limits on data, per month (UTC): at most one for all traffic and one for satellite only. A device over
    /// its limit is blocked until the month ends. Changing a limit takes the old one away first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.filter(l, has(l.satelliteOnly) && l.satelliteOnly).size() <= 1 && self.filter(l, !has(l.satelliteOnly) || !l.satelliteOnly).size() <= 1")
            .message("at most one limit with satelliteOnly and one without")
    )]
    pub data_limits: Option<Vec<DataLimit>>,
    /// Resolvers: a `DnsConfig` by its name here, or by id, or by its addresses such as `1.1.1.1, 9.9.9.9`. Devices see them when
    /// they connect anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<ClearableReference>,
    /// Callback for SMS that devices send: an `ApiCallback` by its name here, or by id, or by its URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_callback: Option<ClearableReference>,
    /// Key that signs calls to the callback: an `ApiSecret` by its name here, or by id, or by its purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_secret: Option<ClearableReference>,
    /// Callback for calls that devices make: an `ApiCallback` by its name here, or by id, or by its URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moc_callback: Option<ClearableReference>,
    /// How SMS reach your application, by id or name, as `GET /esme_interface_type` lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub esme_interface_type: Option<ExternalReference>,
    /// Where traffic leaves emnify for the Internet, by id or name, as `GET /breakout_region` lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breakout_region: Option<ExternalReference>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// A service that is switched on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Which one: `{id: "38"}` or `{externalName: Data}`.
    pub service: ExternalReference,
    /// Limit on the number of SMS, from emnify's fixed choice. Unset leaves what is there; data has `dataLimits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<ServiceLimit>,
}

/// A limit of emnify's fixed choice (`GET /service/{id}/traffic_limit`), or none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.volume) != has(self.none)").message("set exactly one of volume, none"),
    validation = Rule::new("!has(self.none) || self.none")
        .message("none can only be true; leave limit out to leave it unmanaged"),
    validation = Rule::new("!has(self.period) || has(self.volume)").message("period goes with volume")
)]
pub struct ServiceLimit {
    /// Number of SMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub volume: Option<i64>,
    /// Period as `<number> <unit>`, such as `1 month`; needed only where emnify offers the volume for several periods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-9][0-9]{0,3} [a-z]{3,8}$"), length(max = 13))]
    pub period: Option<String>,
    /// `true`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<bool>,
}

/// A limit on data per month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataLimit {
    /// Volume, such as `500M` or `1Gi`.
    pub volume: Volume,
    /// An event is raised at this percentage of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub warning_percent: Option<i64>,
    /// Counts satellite traffic only. Unset: all traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub satellite_only: Option<bool>,
}

/// What emnify shows of the profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceProfileStatus {
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// Devices with this profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_count: Option<i64>,
    /// Services that are switched on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub services: Vec<String>,
}

emnify_engine::kind!(ServiceProfile, ServiceProfileStatus);
