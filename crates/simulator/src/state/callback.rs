//! Calls to a customer's URL about messages: those of devices, and receipts. [D]

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::table::rows;

rows!(Callback => callback);

/// A call that waits to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Callback {
    /// Its number.
    #[serde(default)]
    pub id: u64,
    /// Where to.
    pub url: String,
    /// What signs it; without, it carries no token. [D]
    #[serde(default)]
    pub secret: Option<String>,
    /// POST for messages of devices, PATCH for receipts. [D]
    pub method: String,
    /// What it says.
    pub body: Value,
    /// How often it was not taken.
    #[serde(default)]
    pub failures: usize,
    /// No try before.
    #[serde(default)]
    pub retry_at: Option<Timestamp>,
}
