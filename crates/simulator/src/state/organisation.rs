//! One workspace and what belongs to it.

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::{Table, rows};
use super::{
    ActionLog, ApiCallback, ApiSecret, Attachment, Automation, Callback, CustomEvent, DataStream, Endpoint,
    EsimProduct, Euicc, Event, HeldVolume, NextIds, Recipient, ServiceProfile, Sim, SimOperation, Switch,
    TariffPlan, TariffProfile,
};

rows!(
    Organisation => organisation, ApplicationToken => application_token, IpAddressSpace => ip_address_space,
    Dns => dns, Tag => tag,
);

/// An organisation, also called a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Seconds a JWT lives. [R] 14400 and 604800 were seen.
    #[serde(default = "four_hours")]
    pub token_lifetime: u64,
    /// Whether activation leads to Factory Test first.
    #[serde(default)]
    pub factory_test: bool,
    /// Calls of the running month.
    #[serde(default)]
    pub calls: CallLedger,
    /// What it has bought.
    #[serde(default)]
    pub tariff_plan: TariffPlan,
    /// Id of its own tariff.
    #[serde(default)]
    pub tariff: Option<u64>,
    /// Inclusive volumes it holds.
    #[serde(default)]
    pub inclusive_volumes: Vec<HeldVolume>,
    /// Application tokens, revoked ones included.
    #[serde(default)]
    pub application_tokens: Table<ApplicationToken>,
    /// Address spaces.
    #[serde(default)]
    pub ip_address_spaces: Table<IpAddressSpace>,
    /// DNS configurations.
    #[serde(default)]
    pub dns: Table<Dns>,
    /// Tags (v2).
    #[serde(default)]
    pub tags: Table<Tag>,
    /// URLs that callbacks go to.
    #[serde(default)]
    pub api_callbacks: Table<ApiCallback>,
    /// Calls to them that wait to be delivered.
    #[serde(default)]
    pub callbacks: Table<Callback>,
    /// Keys that sign callbacks.
    #[serde(default)]
    pub api_secrets: Table<ApiSecret>,
    /// Whether it takes part in the beta of automations.
    #[serde(default)]
    pub automation_beta: Switch,
    /// Events of its own.
    #[serde(default)]
    pub custom_events: Table<CustomEvent>,
    /// Automations.
    #[serde(default)]
    pub automations: Table<Automation>,
    /// What automations did.
    #[serde(default)]
    pub action_logs: Table<ActionLog>,
    /// Who gets mail by automations.
    #[serde(default)]
    pub recipients: Table<Recipient>,
    /// Cloud Connect attachments.
    #[serde(default)]
    pub attachments: Table<Attachment>,
    /// Seconds that an attachment stays in each state that ends by itself; by its type unless set.
    #[serde(default)]
    pub attachment_step: Option<u32>,
    /// Data streams.
    #[serde(default)]
    pub data_streams: Table<DataStream>,
    /// Service profiles.
    #[serde(default)]
    pub service_profiles: Table<ServiceProfile>,
    /// Tariff profiles.
    #[serde(default)]
    pub tariff_profiles: Table<TariffProfile>,
    /// SIMs.
    #[serde(default)]
    pub sims: Table<Sim>,
    /// eUICCs.
    #[serde(default)]
    pub euiccs: Table<Euicc>,
    /// Profiles that were bought and are on no eUICC yet.
    #[serde(default)]
    pub esim_products: Table<EsimProduct>,
    /// What SIMs and eUICCs were told to do.
    #[serde(default)]
    pub sim_operations: Table<SimOperation>,
    /// Devices.
    #[serde(default)]
    pub endpoints: Table<Endpoint>,
    /// The event log.
    #[serde(default)]
    pub events: Table<Event>,
    /// Kept beside the data, never written down.
    #[serde(skip)]
    pub indexes: Indexes,
}

impl Organisation {
    /// Id of the country that every organisation is in: Germany.
    pub const COUNTRY: u64 = 74;
}

fn four_hours() -> u64 {
    14_400
}

/// Calls counted against the monthly limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallLedger {
    /// `YYYY-MM`.
    pub month: String,
    /// Calls so far.
    pub count: u64,
}

/// An application token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationToken {
    /// Its id, the JWTs' `esc.app`.
    #[serde(default)]
    pub id: u64,
    /// The secret.
    pub token: String,
    /// Free text.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether it is refused for ever.
    #[serde(default)]
    pub revoked: bool,
    /// When it was made.
    #[serde(default)]
    pub created: Timestamp,
    /// Refused from then on.
    #[serde(default)]
    pub expiry_date: Option<Timestamp>,
    /// Source addresses it is accepted from (CIDR).
    #[serde(default)]
    pub ip: Option<String>,
    /// Id of the person who made it.
    #[serde(default)]
    pub creator: Option<u64>,
    /// Roles it acts with; those of its creator.
    #[serde(default = "administrator")]
    pub roles: Vec<u64>,
}

fn administrator() -> Vec<u64> {
    vec![1]
}

/// A range of device addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpAddressSpace {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// CIDR.
    pub ip_address_space: String,
    /// 4.
    #[serde(default = "four")]
    pub ip_address_version: u64,
}

fn four() -> u64 {
    4
}

/// A pair of resolvers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct Dns {
    #[serde(default)]
    pub id: u64,
    pub primary: String,
    pub secondary: String,
    #[serde(default = "four")]
    pub ip_address_version: u64,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// Unique in the organisation.
    pub name: String,
    /// Id of its colour.
    #[serde(default = "first")]
    pub color: u64,
}

fn first() -> u64 {
    1
}

/// Ways to find rows without reading them all.
#[derive(Debug, Clone, Default)]
pub struct Indexes {
    /// SIM ids by ICCID of 19 digits.
    pub sim_by_iccid: HashMap<String, u64>,
    /// Endpoint ids by SIM id.
    pub endpoint_by_sim: HashMap<u64, u64>,
    /// Addresses in use.
    pub addresses: HashSet<Ipv4Addr>,
    /// Nothing about quotas and messages falls due before then; none: not known.
    pub settled: Option<jiff::Timestamp>,
    /// Lowest address of a space that may be free.
    pub lowest_free: HashMap<u64, Ipv4Addr>,
}

impl PartialEq for Indexes {
    /// Indexes follow from the data, so they never make two states differ.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Organisation {
    pub(super) fn raise(&self, next: &mut NextIds) {
        self.application_tokens.raise(next);
        self.ip_address_spaces.raise(next);
        self.dns.raise(next);
        self.tags.raise(next);
        self.api_callbacks.raise(next);
        self.api_secrets.raise(next);
        self.callbacks.raise(next);
        self.custom_events.raise(next);
        self.automations.raise(next);
        self.action_logs.raise(next);
        self.recipients.raise(next);
        self.attachments.raise(next);
        self.data_streams.raise(next);
        self.service_profiles.raise(next);
        self.tariff_profiles.raise(next);
        self.sims.raise(next);
        self.endpoints.raise(next);
        self.euiccs.raise(next);
        self.esim_products.raise(next);
        self.sim_operations.raise(next);
        self.events.raise(next);
        for profile in self.service_profiles.values() {
            profile.data_limits.raise(next);
        }
        for euicc in self.euiccs.values() {
            euicc.operations.raise(next);
        }
        for endpoint in self.endpoints.values() {
            endpoint.sms.raise(next);
            endpoint.limit_extensions.raise(next);
        }
    }

    pub(super) fn number(&mut self, next: &mut NextIds) {
        self.application_tokens.number(next);
        self.ip_address_spaces.number(next);
        self.dns.number(next);
        self.tags.number(next);
        self.api_callbacks.number(next);
        self.api_secrets.number(next);
        self.callbacks.number(next);
        self.custom_events.number(next);
        self.automations.number(next);
        self.action_logs.number(next);
        self.recipients.number(next);
        self.attachments.number(next);
        self.data_streams.number(next);
        self.service_profiles.number(next);
        self.tariff_profiles.number(next);
        self.sims.number(next);
        self.endpoints.number(next);
        self.euiccs.number(next);
        self.esim_products.number(next);
        self.sim_operations.number(next);
        self.events.number(next);
        for profile in self.service_profiles.values_mut() {
            profile.data_limits.number(next);
        }
        for euicc in self.euiccs.values_mut() {
            euicc.operations.number(next);
        }
        for endpoint in self.endpoints.values_mut() {
            endpoint.sms.number(next);
            endpoint.limit_extensions.number(next);
        }
    }
}
