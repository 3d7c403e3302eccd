//! What is done: the actions, and what each is told.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Duration;

/// What is done. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.sendSms) ? 1 : 0) + (has(self.resetConnectivity) ? 1 : 0) == 1")
        .message("set exactly one of sendSms, resetConnectivity")
)]
pub struct Action {
    /// Sends a message to each device. Each is billed. After a crash emnify's list of messages tells which were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_sms: Option<SendSms>,
    /// Ends the data session of each device, its registration in the network, or both; the device begins them anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_connectivity: Option<ResetConnectivity>,
}

/// Ends what connects a device. At least one is `true`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.data) && self.data) || (has(self.network) && self.network)")
        .message("set data: true to end the data session, network: true to end the registration, or both")
)]
pub struct ResetConnectivity {
    /// Ends the data session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<bool>,
    /// Ends the registration in the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<bool>,
    /// `true` consents to ending Factory Test, and so to activation and billing. Without it, SIMs in Factory Test are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_factory_test_end: Option<bool>,
}

/// A message to each device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("!has(self.sourceAddressType) || self.sourceAddressType != 'Alphanumeric' || (has(self.sourceAddress) && size(self.sourceAddress) <= 11)")
        .message("an alphanumeric sourceAddress has 1 to 11 characters"),
    validation = Rule::new("!has(self.dataCoding) || self.dataCoding != 'Ucs2' || has(self.udh) || size(self.payload) <= 70")
        .message("a message in Ucs2 has at most 70 characters")
)]
pub struct SendSms {
    /// Its text, at most 160 characters when it is sent. `{iccid}`, `{imsi}`, `{name}` and `{address}` stand for what the device has, `{{` for
    /// a brace.
    #[schemars(length(min = 1, max = 160))]
    #[x_kube(
        validation = Rule::new("self.matches('^([^{]|[{][{]|[{](iccid|imsi|name|address)[}])+$')")
            .message("use {iccid}, {imsi}, {name} and {address}, and {{ for a brace")
    )]
    pub payload: String,
    /// Whom it comes from: a number, or with `sourceAddressType: Alphanumeric` a name of at most 11 characters. Unset: as emnify has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub source_address: Option<String>,
    /// What `sourceAddress` is: `International`, `National` or `Alphanumeric`. Unset: emnify tells by its look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address_type: Option<SourceAddressType>,
    /// What the device is told to be its own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub dest_address: Option<String>,
    /// `Gsm7` or `Ucs2`. Unset: `Gsm7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_coding: Option<DataCoding>,
    /// User data header, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^([0-9A-Fa-f]{2})+$"), length(max = 280))]
    pub udh: Option<String>,
    /// How long it is kept for a device that is away, such as `1h`. Unset: as emnify has it, a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Duration>,
    /// `true` consents to ending Factory Test, and so to activation and billing. Without it, SIMs in Factory Test are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_factory_test_end: Option<bool>,
}

/// What the sender of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceAddressType {
    /// A number with country code.
    International,
    /// A number.
    National,
    /// A name.
    Alphanumeric,
}

/// The alphabet of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DataCoding {
    /// That of GSM.
    Gsm7,
    /// UCS-2.
    Ucs2,
}
