//! What is done: the actions, and what each is told.

use emnify_engine::kind::spec::WorkspaceRef;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Date, Duration, ExternalReference, Iccid, NumericId, OperatorReference, SecretKeyRef, Volume},
    kinds::sim::state::{SimState, status},
};

/// What is done. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("(has(self.sendSms) ? 1 : 0) + (has(self.cancelSms) ? 1 : 0) + (has(self.resetConnectivity) ? 1 : 0) + (has(self.blockCurrentOperator) ? 1 : 0) + (has(self.unblockOperators) ? 1 : 0) + (has(self.setState) ? 1 : 0) + (has(self.extendTrafficLimit) ? 1 : 0) + (has(self.endTrafficLimitExtensions) ? 1 : 0) + (has(self.deleteSims) ? 1 : 0) + (has(self.migrateSims) ? 1 : 0) + (has(self.simOperation) ? 1 : 0) + (has(self.euicc) ? 1 : 0) + (has(self.restartDataStream) ? 1 : 0) + (has(self.retryCloudConnect) ? 1 : 0) + (has(self.removeQuotas) ? 1 : 0) + (has(self.resetMfa) ? 1 : 0) + (has(self.assignInclusiveVolume) ? 1 : 0) + (has(self.verifyRecipient) ? 1 : 0) == 1")
        .message("set exactly one action")
)]
pub struct Action {
    /// Sends a message to each device. Each is billed. After a crash emnify's list of messages tells which were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_sms: Option<SendSms>,
    /// Ends the data session of each device, its registration in the network, or both; the device begins them anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_connectivity: Option<ResetConnectivity>,
    /// Takes back the messages that wait for each device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_sms: Option<CancelSms>,
    /// Forbids each device the network that it is in. Left alone where a manifest sets `operatorBlocklist`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_current_operator: Option<BlockCurrentOperator>,
    /// Allows each device networks again. Left alone where a manifest sets `operatorBlocklist`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unblock_operators: Option<UnblockOperators>,
    /// Enables or disables each device, or sets the state of its SIM. Left alone where a manifest sets the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_state: Option<SetState>,
    /// Gives each device more traffic this month. It is billed. After a crash emnify's list of extensions tells which were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extend_traffic_limit: Option<ExtendTrafficLimit>,
    /// Ends the extensions of each device, which may block it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_traffic_limit_extensions: Option<EndTrafficLimitExtensions>,
    /// Deletes each SIM for good, out of the device that holds it. Left alone where a manifest wants the SIM. Needs `confirm.targets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_sims: Option<DeleteSims>,
    /// Moves each SIM to another workspace, suspended if it was activated. The workspace has to log in as a person (`credentials.user`) who is
    /// an Administrator of both. Left alone where a manifest wants the SIM. Needs `confirm.targets`, but for a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate_sims: Option<MigrateSims>,
    /// An operation of emnify on each SIM or eUICC, such as linking a profile that was bought; followed to its end. Needs `confirm.targets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim_operation: Option<SimOperation>,
    /// Tells each eUICC to do something at its next poll, which may take a day; followed to its end. `DownloadProfile` and `DeleteProfile` need
    /// `confirm.targets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub euicc: Option<EuiccOperation>,
    /// Restarts `target.dataStream`, from the first record that its application did not take; done when it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_data_stream: Option<RestartDataStream>,
    /// Has the share of the transit gateway `target.cloudConnect` offered again that was not accepted in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_cloud_connect: Option<RetryCloudConnect>,
    /// Takes the quotas from all devices of `target.serviceProfile`, while the profile does not apply them. Left alone where a manifest gives
    /// one of the devices a quota. Needs `confirm.targets: 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_quotas: Option<RemoveQuotas>,
    /// Takes second factor and trusted devices from `target.user`, who then logs in with the password alone. Needs `confirm.targets: 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_mfa: Option<ResetMfa>,
    /// Buys a volume for the organisation, billed every month; it can only be raised. Without `target`. Needs `confirm.targets: 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign_inclusive_volume: Option<AssignInclusiveVolume>,
    /// Says that an address may get mails of automations, with the token that emnify mailed there. Without `target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_recipient: Option<VerifyRecipient>,
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
    validation = Rule::new("has(self.payload) != has(self.payloadSecretRef)").message("set exactly one of payload, payloadSecretRef"),
    validation = Rule::new("!has(self.payload) || !has(self.dataCoding) || self.dataCoding != 'Ucs2' || has(self.udh) || size(self.payload) <= 70")
        .message("a message in Ucs2 has at most 70 characters")
)]
pub struct SendSms {
    /// Its text, at most 160 characters when it is sent. `{iccid}`, `{imsi}`, `{name}` and `{address}` stand for what the device has, `{{` for
    /// a brace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 160))]
    #[x_kube(
        validation = Rule::new("self.matches('^([^{]|[{][{]|[{](iccid|imsi|name|address)[}])+$')")
            .message("use {iccid}, {imsi}, {name} and {address}, and {{ for a brace")
    )]
    pub payload: Option<String>,
    /// Its text from a Secret, for what others must not read, such as the password of an APN. It is written as `payload` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_secret_ref: Option<SecretKeyRef>,
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
    /// `true`: a target is done when the device has the message, and has failed when it will not get it. Unset: when emnify has taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for_delivery: Option<bool>,
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

/// Takes back messages that wait for a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelSms {}

/// Forbids the network that a device is in now, or was in last as far as emnify tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockCurrentOperator {
    /// `true`: its registration in the network is ended too, so that it looks for another at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reattach: Option<bool>,
    /// `true` consents to ending Factory Test, and so to activation and billing, by `reattach`. Without it, SIMs in Factory Test are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_factory_test_end: Option<bool>,
}

/// Allows networks again. Exactly one of `operators` and `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.operators) != has(self.all)").message("set exactly one of operators, all")
)]
pub struct UnblockOperators {
    /// These.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub operators: Option<Vec<OperatorReference>>,
    /// `true`: all that are blocked for the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self").message("all can only be true; name operators instead"))]
    pub all: Option<bool>,
}

/// States of a device and its SIM. At least one of `enabled` and `sim`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.enabled) || has(self.sim)").message("set enabled, sim, or both")
)]
pub struct SetState {
    /// Whether the device may use the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// State of its SIM: `Activated` (billed from then on), `Suspended` (from `Activated` only) or `FactoryTest` (from `Issued` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim: Option<SimState>,
    /// `true` consents to ending Factory Test, and so to activation and billing. Without it, SIMs in Factory Test are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_factory_test_end: Option<bool>,
}

/// More traffic for each device, until the end of the month. It is billed, and added to earlier extensions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtendTrafficLimit {
    /// How much more, such as `100M`.
    pub volume: Volume,
    /// Id of the limit in the service profile. Unset: the only one for data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_limit: Option<NumericId>,
}

/// Ends every extension of the traffic limits of a device, which may block it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndTrafficLimitExtensions {}

/// Deletes SIMs for good. It needs `confirm.targets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteSims {}

/// Moves SIMs to another workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrateSims {
    /// Whereto.
    pub target_workspace: TargetWorkspace,
    /// SIMs in another state than these are refused. Unset: any state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_states: Option<Vec<MovableState>>,
    /// `true`: devices let go of them. Unset: SIMs that are in a device are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detach_devices: Option<bool>,
    /// `true`: nothing is moved, and each target tells whether it could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A workspace of emnify. Exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.id) != has(self.workspaceRef)").message("set exactly one of id, workspaceRef")
)]
pub struct TargetWorkspace {
    /// Id of its organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<NumericId>,
    /// A `Workspace` of this namespace, or a `ClusterWorkspace` that may be used from here: its organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_ref: Option<WorkspaceRef>,
}

/// States in which a SIM may be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MovableState {
    /// Never used.
    Issued,
    /// In service.
    Activated,
    /// Out of service.
    Suspended,
    /// In service, for tests.
    FactoryTest,
}

impl MovableState {
    /// Status id in the API. [S]
    pub(super) fn id(self) -> i64 {
        match self {
            Self::Issued => status::ISSUED,
            Self::Activated => status::ACTIVATED,
            Self::Suspended => status::SUSPENDED,
            Self::FactoryTest => status::FACTORY_TEST,
        }
    }
}

/// An operation of emnify on SIMs or eUICCs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimOperation {
    /// What is done, as emnify calls it.
    #[schemars(length(min = 1, max = 100))]
    pub action: String,
    /// The product of which a profile is linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ExternalReference>,
}

/// Something that eUICCs are told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("has(self.profile) || self.action == 'Audit' || (self.action == 'DownloadProfile' && has(self.activationCodeSecretRef))")
        .message("set profile; only Audit, and DownloadProfile with activationCodeSecretRef, go without"),
    validation = Rule::new("self.action == 'DownloadProfile' || (!has(self.activationCodeSecretRef) && !has(self.enable))")
        .message("activationCodeSecretRef and enable are for DownloadProfile")
)]
pub struct EuiccOperation {
    /// What is done.
    pub action: EuiccAction,
    /// ICCID of the profile that it is about, quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Iccid>,
    /// Activation code of a profile of somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation_code_secret_ref: Option<SecretKeyRef>,
    /// `true`: a downloaded profile is enabled at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable: Option<bool>,
    /// `true`: a switch is taken back if the device is not heard of with the new profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<bool>,
    /// It is not carried out later than so many seconds after it was sent. Unset: a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub validity_seconds: Option<i32>,
}

/// What an eUICC can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EuiccAction {
    /// To load a profile.
    DownloadProfile,
    /// To use a profile.
    EnableProfile,
    /// Not to use it.
    DisableProfile,
    /// To delete it, for good.
    DeleteProfile,
    /// To use it where the other finds no network.
    SetFallback,
    /// Not to.
    UnsetFallback,
    /// To say what is on it.
    #[default]
    Audit,
}

/// Restarts a data stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestartDataStream {}

/// Has an expired share of a transit gateway offered again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryCloudConnect {}

/// Takes quotas from all devices of a service profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoveQuotas {
    /// Which.
    pub kind: QuotaKind,
}

/// What a quota is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum QuotaKind {
    /// Data.
    Data,
    /// Messages.
    Sms,
}

/// Takes second factor and trusted devices from a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResetMfa {}

/// A volume that is bought for the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssignInclusiveVolume {
    /// Its id in emnify.
    pub id: NumericId,
    /// From when on. Unset: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Date>,
    /// Until when. Unset: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Date>,
    /// Whether devices share it. Unset: they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooled: Option<bool>,
}

/// Verifies the address of a recipient of mails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyRecipient {
    /// The token that emnify mailed to the address.
    pub token_secret_ref: SecretKeyRef,
}
