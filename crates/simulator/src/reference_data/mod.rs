//! The platform's fixed lookups, as data. What the public material does not state (ids of services, limits, colours,
//! regions, currencies, periods, states and actions of eUICC and SIM operations; ids of operators from 2001, of countries that were not recorded and of event types
//! from 9001) is ours: consistent, but not emnify's. [?]

pub mod automations;
mod events;
mod lookups;
mod network;
mod service;
mod uuids;

pub use events::{EVENT_TYPES, EventType};
pub use lookups::{describe, learn, row, rows};
pub use network::{Country, Operator};
pub use service::{Service, SmsLimit};
pub use uuids::{Family, number, uuid};
