//! Where callbacks go, and what signs them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::rows;

rows!(ApiCallback => api_callback, ApiSecret => api_secret);

/// A URL that SMS callbacks go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiCallback {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// Where to.
    pub url: String,
    /// What for.
    #[serde(default)]
    pub purpose: String,
    /// When it was made.
    #[serde(default)]
    pub created: Timestamp,
}

/// A key that signs callbacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSecret {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// The key itself, which no answer shows.
    #[serde(default)]
    pub secret: String,
    /// What for.
    #[serde(default)]
    pub purpose: String,
}
