//! The wire: how values look in JSON, and the operations of each family as methods of [`Api`](crate::Api).
//!
//! What is read is decoded leniently and holds `None` for what the answer does not show: list, detail and embedded forms of an
//! object differ. What is written holds only what the caller set.

pub mod application_token;
pub mod automation;
pub mod blocklist;
pub mod cloud_connect;
mod collection;
mod common;
pub mod connectivity;
pub mod custom_event;
pub mod data_stream;
pub mod endpoint;
pub mod endpoint_bulk;
pub mod euicc;
pub mod euicc_operation;
pub mod event;
mod id;
pub mod integration;
pub(crate) mod lenient;
pub mod limit_extension;
mod listing;
pub mod lookup;
pub mod organisation;
pub mod quota;
pub mod reading;
pub(crate) mod record;
pub mod service_profile;
pub mod sim;
pub mod sim_batch;
pub mod sim_operation;
pub mod sms;
pub mod tag;
pub mod tariff_profile;
pub mod traffic_limit;
pub mod usage;
pub mod user;

pub use self::collection::{Collection, Entry};
pub use self::common::{Named, Nullable, Ref, Reference, TextRef};
pub use self::id::EntryId;
pub use self::listing::Listing;

/// A whole number, in whatever spelling emnify shows it: of ids there are three.
pub fn integer(value: &serde_json::Value) -> Option<i64> {
    lenient::as_integer(value)
}
