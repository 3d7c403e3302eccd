//! What the simulated platform remembers: plain data, the same in a seed file and in memory.
//!
//! A seed file is this state written down (`GET /simulator/state` prints one). All fields are optional unless they say
//! otherwise; unknown ones are refused.

mod attaching;
mod automation;
mod automation_runs;
mod callback;
mod calling_back;
pub mod cloud_connect;
pub mod data_stream;
mod device;
pub mod euicc;
mod euicc_runs;
mod event;
mod event_log;
mod integration;
mod login;
mod messages;
mod network;
mod next_ids;
mod organisation;
mod people;
mod plan;
mod platform;
mod policy;
mod profile;
pub mod rules;
mod sim;
pub mod sim_operation;
mod sim_operation_runs;
mod streaming;
pub(crate) mod table;
mod time;
pub mod traffic;

pub use automation::{
    ActionLog, Automation, ConfiguredAction, CustomEvent, Property, Recipient, Switch, Trigger,
};
pub use callback::Callback;
pub use cloud_connect::Attachment;
pub use data_stream::DataStream;
pub use device::{
    Connectivity, Endpoint, LimitExtension, Location, PdpContext, Quota, Sim, SimBatch, SimState, Sms,
    SmsState, Usage,
};
pub use euicc::{Euicc, EuiccOperation, EuiccProfile};
pub use event::{Draft, Event, EventEndpoint, EventImsi, EventSim, EventUser};
pub use integration::{ApiCallback, ApiSecret};
pub use next_ids::NextIds;
pub use organisation::{ApplicationToken, CallLedger, Dns, Indexes, IpAddressSpace, Organisation, Tag};
pub use people::{Lockout, Membership, MfaKey, TrustedDevice, User};
pub use plan::{HeldVolume, TariffPlan};
pub use platform::State;
pub use profile::{
    BlockedOperator, DataLimit, InclusiveVolume, ProfileService, RateZone, ServiceProfile, Tariff,
    TariffProfile,
};
pub use sim::Actor;
pub use sim_operation::{EsimProduct, SimOperation, SimTarget};
pub use table::{Row, Table};
