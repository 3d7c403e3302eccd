//! People and their log-ins.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::table::{Table, rows};

rows!(User => user, MfaKey => mfa_key, TrustedDevice => trusted_device);

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Their id.
    #[serde(default)]
    pub id: u64,
    /// E-mail address, unique everywhere.
    pub username: String,
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// Lower-case hex SHA-1 of the clear password.
    pub password_sha1: String,
    /// 0 activation pending, 1 active, 2 suspended.
    #[serde(default = "active")]
    pub status: u64,
    /// When they were created.
    #[serde(default)]
    pub created: Timestamp,
    /// Where they belong, the default one first in use.
    pub workspaces: Vec<Membership>,
    /// Second factors.
    #[serde(default)]
    pub mfa_keys: Table<MfaKey>,
    /// Devices that skip the second factor.
    #[serde(default)]
    pub trusted_devices: Table<TrustedDevice>,
    /// Failed attempts.
    #[serde(default)]
    pub lockout: Lockout,
}

fn active() -> u64 {
    1
}

/// A person in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// Id of the organisation.
    pub organisation: u64,
    /// 1 Administrator, 2 User, 3 Observer.
    pub roles: Vec<u64>,
    /// 0 activation pending, 1 active, 2 suspended.
    #[serde(default = "active")]
    pub status: u64,
    /// Whether a log-in lands here.
    #[serde(default)]
    pub default: bool,
}

/// A TOTP key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfaKey {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// 0 activation pending, 1 active.
    #[serde(default = "active")]
    pub status: u64,
    /// Base32 key.
    pub secret_key: String,
    /// When it was made.
    #[serde(default)]
    pub creation_date: Timestamp,
}

/// A device that skips the second factor for 90 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the API's own words")]
pub struct TrustedDevice {
    #[serde(default)]
    pub id: u64,
    pub fingerprint: String,
    #[serde(default)]
    pub operating_system: String,
    #[serde(default)]
    pub browser: String,
    #[serde(default)]
    pub name: Option<String>,
    pub activation_date: Timestamp,
}

/// Failed log-ins in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lockout {
    /// How many since the last success.
    pub failures: u64,
    /// Locked until then.
    pub until: Option<Timestamp>,
}
