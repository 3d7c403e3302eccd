//! eUICCs, the profiles on them, and what they were told to do. [S][D]

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::table::{Table, rows};

rows!(Euicc => euicc, EuiccOperation => euicc_operation);

/// The type of eUICC that takes operations: SGP.32. [D]
pub const IOT: u64 = 5;

/// States of a profile. Only the first number is published. [D][?]
pub mod profile {
    /// It can be downloaded.
    pub const AVAILABLE: u64 = 1;
    /// It is the one in use.
    pub const ENABLED: u64 = 2;
    /// It is on the eUICC and not in use.
    pub const DISABLED: u64 = 3;
}

/// What an eUICC can be told. The numbers are ours. [?]
#[allow(missing_docs, reason = "each is named after what it does")]
pub mod action {
    pub const DOWNLOAD: u64 = 1;
    pub const ENABLE: u64 = 2;
    pub const DISABLE: u64 = 3;
    pub const DELETE: u64 = 4;
    pub const SET_FALLBACK: u64 = 5;
    pub const UNSET_FALLBACK: u64 = 6;
    pub const AUDIT: u64 = 7;
}

/// States of an operation. The numbers are ours. [?]
#[allow(missing_docs, reason = "each is named after the state")]
pub mod status {
    pub const SCHEDULED: u64 = 1;
    pub const IN_PROGRESS: u64 = 2;
    pub const SUCCESSFUL: u64 = 3;
    pub const FAILED: u64 = 4;
    pub const EXPIRED: u64 = 5;
}

/// A device asks for operations so often, and whenever it starts. [D]
pub const POLL: SignedDuration = SignedDuration::from_hours(24);
/// A switch after which the device is not heard of is taken back after so long. [D]
pub const ROLLBACK: SignedDuration = SignedDuration::from_mins(7);

/// An eUICC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Euicc {
    /// Its id.
    #[serde(default)]
    pub id: u64,
    /// 32 digits.
    pub eid: String,
    /// Since when emnify knows it.
    #[serde(default)]
    pub created: Timestamp,
    /// The type of profiles that it takes; only [`IOT`] takes operations.
    #[serde(default = "iot")]
    pub supported_profile_type: u64,
    /// 1 active.
    #[serde(default = "active")]
    pub status: u64,
    /// When its profiles were last read.
    #[serde(default)]
    pub last_audited: Option<Timestamp>,
    /// When it last asked for operations.
    #[serde(default)]
    pub last_polled: Option<Timestamp>,
    /// What it may use.
    #[serde(default)]
    pub profiles: Vec<EuiccProfile>,
    /// What it was told to do.
    #[serde(default)]
    pub operations: Table<EuiccOperation>,
    /// Its device is not heard of after the next switch.
    #[serde(default)]
    pub unreachable: bool,
}

fn iot() -> u64 {
    IOT
}

fn active() -> u64 {
    1
}

/// A profile of an eUICC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EuiccProfile {
    /// 19 digits; that of a SIM, where emnify itself has one for it.
    pub iccid: String,
    /// One of [`profile`].
    #[serde(default = "available")]
    pub status: u64,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// It was there from the factory.
    #[serde(default)]
    pub preloaded: bool,
    /// It may be the fallback.
    #[serde(default)]
    pub fallback_allowed: bool,
    /// It is the fallback.
    #[serde(default)]
    pub fallback: bool,
}

fn available() -> u64 {
    profile::AVAILABLE
}

/// Something that an eUICC was told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EuiccOperation {
    /// Its number; the API shows a UUID.
    #[serde(default)]
    pub id: u64,
    /// One of [`action`].
    pub action: u64,
    /// One of [`status`].
    pub status: u64,
    /// The profile that it is about, 19 digits; none for an audit or a download by code alone.
    #[serde(default)]
    pub iccid: Option<String>,
    /// A downloaded profile is enabled at once.
    #[serde(default)]
    pub enable: bool,
    /// A switch is taken back if the device is not heard of.
    #[serde(default)]
    pub rollback: bool,
    /// When it was asked for.
    pub created: Timestamp,
    /// Not carried out from then on.
    pub expires: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub finalized: Option<Timestamp>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<EuiccError>,
    /// Who asked for it.
    #[serde(default)]
    pub user: Option<u64>,
    /// The profile that was in use before a switch whose end is open.
    #[serde(default)]
    pub before: Option<String>,
}

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EuiccError {
    /// A number, as SGP.32 has them. [?]
    pub reason: u64,
    /// In words.
    pub message: String,
}

impl EuiccError {
    /// The eUICC knows no such profile.
    pub(super) fn unknown() -> Self {
        Self { reason: 1, message: "The eUICC has no such profile".to_owned() }
    }

    /// The profile is in another state.
    pub(super) fn state(wanted: &str) -> Self {
        Self { reason: 2, message: format!("The profile is not {wanted}") }
    }

    /// The device was not heard of after a switch.
    pub(super) fn rolled_back() -> Self {
        Self {
            reason: 127,
            message: "The device did not come back, the profile before is enabled again".to_owned(),
        }
    }
}

impl Euicc {
    /// A profile by its ICCID of 19 digits.
    pub(super) fn profile(&mut self, iccid: Option<&str>) -> Result<&mut EuiccProfile, EuiccError> {
        let found = self.profiles.iter_mut().find(|profile| Some(profile.iccid.as_str()) == iccid);
        found.ok_or_else(EuiccError::unknown)
    }

    /// The profile in use.
    pub fn enabled(&self) -> Option<&EuiccProfile> {
        self.profiles.iter().find(|profile| profile.status == profile::ENABLED)
    }

    /// Uses another profile, or none; the one before is left on the eUICC.
    pub(super) fn switch(&mut self, to: Option<&str>) {
        for profile in self.profiles.iter_mut().filter(|profile| profile.status != profile::AVAILABLE) {
            let used = Some(profile.iccid.as_str()) == to;
            profile.status = if used { profile::ENABLED } else { profile::DISABLED };
        }
    }

    /// When it asks for operations by itself, for the first time after one was scheduled.
    pub(super) fn polls_after(&self, scheduled: Timestamp) -> Timestamp {
        let last = self.last_polled.unwrap_or(scheduled);
        let days = scheduled.duration_since(last).as_secs().max(0) / POLL.as_secs();
        let passed = last + SignedDuration::from_secs(days * POLL.as_secs());
        if passed < scheduled || passed == last { passed + POLL } else { passed }
    }
}

impl EuiccOperation {
    /// Ends it.
    pub(super) fn end(&mut self, status: u64, error: Option<EuiccError>, at: Timestamp) {
        (self.status, self.error, self.updated, self.finalized) = (status, error, at, Some(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_euicc_polls_every_24_hours_after_the_last_time() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let mut euicc: Euicc = serde_json::from_value(serde_json::json!({"eid": "1"})).expect("an eUICC");
        let scheduled = at("2026-03-03T12:00:00Z");
        assert_eq!(euicc.polls_after(scheduled), at("2026-03-04T12:00:00Z"), "nothing is known of its polls");
        euicc.last_polled = Some(at("2026-03-01T08:00:00Z"));
        assert_eq!(euicc.polls_after(scheduled), at("2026-03-04T08:00:00Z"));
        assert_eq!(euicc.polls_after(at("2026-03-01T08:00:00Z")), at("2026-03-02T08:00:00Z"));
    }
}
