//! What SIMs and EIDs were told to do, and profiles that wait for an eUICC. [S]

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::rows;

rows!(SimOperation => sim_operation, EsimProduct => esim_product);

/// What can be done. The numbers are ours. [?]
pub mod action {
    /// A profile of a product is put at the disposal of an EID.
    pub const LINK: u64 = 1;
    /// The network forgets the SIM, which registers anew.
    pub const RESET: u64 = 2;
}

/// States. The numbers are ours. [?]
#[allow(missing_docs, reason = "each is named after the state")]
pub mod status {
    pub const SCHEDULED: u64 = 1;
    pub const IN_PROGRESS: u64 = 2;
    pub const COMPLETED: u64 = 3;
}

/// A product of which profiles were bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EsimProduct {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Profiles that are on no eUICC yet.
    #[serde(default)]
    pub quantity: u64,
}

/// An operation on SIMs and EIDs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimOperation {
    /// Its number; the API shows a UUID.
    #[serde(default)]
    pub id: u64,
    /// One of [`action`].
    pub action: u64,
    /// One of [`status`].
    pub status: u64,
    /// Id of the product.
    #[serde(default)]
    pub product: Option<u64>,
    /// On what.
    pub targets: Vec<SimTarget>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub finalized: Option<Timestamp>,
    /// What went wrong, by EID.
    #[serde(default)]
    pub errors: Vec<(String, String)>,
}

/// What an operation is on: a SIM, an eUICC, or a SIM on one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimTarget {
    /// Id of the SIM.
    #[serde(default)]
    pub sim: Option<u64>,
    /// 32 digits.
    #[serde(default)]
    pub eid: Option<String>,
}
