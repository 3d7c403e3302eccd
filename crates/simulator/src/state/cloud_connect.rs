//! Cloud Connect attachments: private ways from the network of emnify into that of a customer.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::table::rows;

rows!(Attachment => attachment);

/// Types. [S]
#[allow(missing_docs, reason = "the API's own words")]
pub mod kind {
    pub const TGW: u64 = 1;
    pub const VPN: u64 = 2;
    pub const VPN_BGP: u64 = 3;
    pub const TGW_CLASSIC: u64 = 7;
    pub const VPN_CLASSIC: u64 = 8;
}

/// States. [S]
#[allow(missing_docs, reason = "the API's own words")]
pub mod status {
    pub const PENDING_CUSTOMER: u64 = 1;
    pub const PENDING_AWS: u64 = 2;
    pub const PENDING_EGN: u64 = 3;
    pub const PENDING_CRG: u64 = 4;
    pub const ACTIVE: u64 = 5;
    pub const DEACTIVATING: u64 = 6;
    pub const DEACTIVATED: u64 = 7;
    pub const ROLLING_BACK: u64 = 8;
}

/// How long a customer has for accepting the share of a transit gateway. [S]
pub const ACCEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct Attachment {
    #[serde(default)]
    pub id: u64,
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// One of [`kind`].
    #[serde(rename = "type")]
    pub kind: u64,
    /// One of [`status`].
    pub status: u64,
    /// Since when it is in that state.
    #[serde(default)]
    pub since: Timestamp,
    pub region: String,
    #[serde(default)]
    pub created: Timestamp,
    /// Until when the customer may accept a share.
    #[serde(default)]
    pub accept_by: Option<Timestamp>,
    #[serde(default)]
    pub terminated: Option<Timestamp>,
    #[serde(default)]
    pub user: Option<u64>,
    #[serde(default)]
    pub vpc_cidr: Vec<String>,
    #[serde(default)]
    pub aws_account_id: Option<String>,
    #[serde(default)]
    pub public_ip: Option<String>,
    /// The pre-shared key, given or made.
    #[serde(default)]
    pub psk: Option<String>,
    #[serde(default)]
    pub asn: Option<u64>,
    #[serde(default)]
    pub on_prem_cidr: Vec<String>,
    #[serde(default)]
    pub inside_cidr: Vec<String>,
}

impl Attachment {
    /// How long it stays in its state by itself, `step` seconds unless by its type, and what comes then.
    pub(super) fn next(&self, step: Option<u32>) -> Option<(SignedDuration, u64)> {
        let usual = if self.kind == kind::TGW { 60 } else { 90 };
        let (usual, to) = match self.status {
            status::PENDING_EGN => (usual, status::PENDING_CRG),
            status::PENDING_CRG => (usual, status::ACTIVE),
            status::DEACTIVATING => (60, status::DEACTIVATED),
            _ => return None,
        };
        Some((SignedDuration::from_secs(step.unwrap_or(usual).into()), to))
    }

    /// The customer did not accept it in time.
    pub fn expired(&self, now: Timestamp) -> bool {
        let open = matches!(self.status, status::PENDING_CUSTOMER | status::PENDING_AWS);
        open && self.accept_by.is_some_and(|by| by < now)
    }
}
