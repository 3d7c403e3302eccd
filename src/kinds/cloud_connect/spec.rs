//! What users write and read.

use emnify_engine::kind::spec::{CommonSpec, CommonStatus};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Date, ObjectName, SecretKeyRef};

/// A private way between the devices of the organisation and a network of yours: an AWS transit gateway, or a VPN tunnel. Billed by the month,
/// and every device of the organisation may depend on it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    cel,
    group = "emnify.io",
    version = "v1alpha1",
    kind = "CloudConnect",
    namespaced,
    status = "CloudConnectStatus",
    derive = "PartialEq",
    shortname = "emcc"
)]
#[kube(printcolumn(name = "State", type_ = "string", json_path = ".status.state"))]
#[kube(printcolumn(name = "Type", type_ = "string", json_path = ".status.type"))]
#[kube(printcolumn(name = "Region", type_ = "string", json_path = ".status.region"))]
#[kube(printcolumn(name = "Price", type_ = "string", json_path = ".status.monthlyPrice"))]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.transitGateway) && has(self.vpn))")
        .message("set one of transitGateway, vpn: an attachment is of one type"),
    validation = Rule::new("has(self.id) || has(self.transitGateway) || has(self.vpn)")
        .message("set one of transitGateway, vpn, or id to take over an attachment that is there"),
    validation = Rule::new("!has(self.transitGateway) || has(self.region)")
        .message("transitGateway needs region: the one that your transit gateway is in"),
    validation = Rule::new("has(self.id) || (has(self.acknowledgeMonthlyFee) && self.acknowledgeMonthlyFee)")
        .message("a Cloud Connect attachment is billed monthly from now on: set acknowledgeMonthlyFee: true to order it; your contract and the portal say how much")
)]
pub struct CloudConnectSpec {
    /// Name in emnify. Unset: the attachment is ordered with the name of this object. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\S(.*\S)?$"), length(max = 160))]
    pub name: Option<String>,
    /// Description in emnify, which our mark follows there. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 160))]
    pub description: Option<String>,
    /// Region of AWS, such as `eu-west-1`. Unset: emnify chooses, for a `vpn`. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[a-z]{2}-[a-z]+-[0-9]$"), length(max = 32))]
    pub region: Option<String>,
    /// emnify shares its transit gateway with your AWS account, where you accept the share and attach your network, within seven days. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transit_gateway: Option<TransitGateway>,
    /// A VPN tunnel to a gateway of yours, up three to five minutes after it was ordered. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpn: Option<Vpn>,
    /// `true`: you know that the attachment is billed monthly. Nothing is ordered without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_monthly_fee: Option<bool>,
    /// Policy.
    #[serde(flatten)]
    pub common: CommonSpec,
}

/// What is attached to emnify's transit gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(cel)]
pub struct TransitGateway {
    /// Networks of yours that devices reach, such as `10.0.0.0/16`.
    #[schemars(length(min = 1, max = 16), inner(regex(pattern = NETWORK), length(max = 18)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub vpc_cidrs: Vec<String>,
    /// Your AWS account, twelve digits in quotes.
    #[schemars(regex(pattern = "^[0-9]{12}$"), length(max = 12))]
    pub aws_account_id: String,
}

/// The form of an IPv4 range.
const NETWORK: &str = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$";
/// The form of a range of four addresses.
const SMALL_NETWORK: &str = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/30$";

/// Your end of a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("!(has(self.pskSecretRef) && has(self.outputSecret))")
        .message("set at most one of pskSecretRef, outputSecret: the key is yours, or emnify makes it")
)]
pub struct Vpn {
    /// Public IPv4 address of your gateway.
    #[schemars(regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"), length(max = 15))]
    pub public_ip: String,
    /// Networks behind it that devices reach, such as `192.0.2.0/24`.
    #[schemars(length(min = 1, max = 3), inner(regex(pattern = NETWORK), length(max = 18)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub on_prem_cidrs: Vec<String>,
    /// Routes are exchanged by BGP. Unset: they are static.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp: Option<Bgp>,
    /// The pre-shared key of both ends: 8 to 64 letters, digits, dots and underscores, not beginning with 0. Unset: emnify makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psk_secret_ref: Option<SecretKeyRef>,
    /// Secret to write what emnify shows of the tunnels to once they are up: `tunnel-1-psk`, `tunnel-1-outside-address`, `tunnel-1-inside-cidr`,
    /// `tunnel-1-public-ip`, `tunnel-1-asn`, and the same of the second one. It must not exist, or belong to this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_secret: Option<OutputSecret>,
}

/// Your end of BGP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(cel)]
pub struct Bgp {
    /// Number of your autonomous system.
    #[schemars(range(min = 1, max = 4_294_967_294_i64))]
    pub asn: i64,
    /// Networks within the tunnels, each a `/30`. Unset: emnify chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3), inner(regex(pattern = SMALL_NETWORK), length(max = 18)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub inside_cidrs: Option<Vec<String>>,
}

/// A Secret that the operator writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputSecret {
    /// Its name.
    pub name: ObjectName,
}

/// What emnify shows of the attachment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudConnectStatus {
    /// How it is, in emnify's words, such as `Active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Its type, in emnify's words.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Region of AWS that it ends in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What one of its type costs in a month, as of the last look at the prices (once a day).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_price: Option<String>,
    /// Until when the share of a transit gateway has to be accepted, while it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_before: Option<Date>,
    /// What AWS calls it: the id of the attachment or of the VPN connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment_id: Option<String>,
    /// The ends that emnify offers, once it is active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tunnels: Vec<TunnelStatus>,
    /// Fields of every kind.
    #[serde(flatten)]
    pub common: CommonStatus,
}

/// One end that emnify offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TunnelStatus {
    /// Where it can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_address: Option<String>,
    /// Whether it is up, in emnify's words, as of the last look (every 10 minutes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

emnify_engine::kind!(CloudConnect, CloudConnectStatus);
