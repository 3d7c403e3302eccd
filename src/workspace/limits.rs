//! What a workspace's spec asks for besides the login, checked.

use std::time::Duration;

use emnify::Ledger;
use emnify_engine::{kind::Invalid, session::guard::GuardLimit};

use super::spec::{Access, WorkspaceStatus};

/// Limits and rhythm of a workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Most devices that may be disturbed, and in which time.
    pub guard: GuardLimit,
    /// Percent of the organisation's monthly quota, 1 to 100.
    pub budget_percent: u8,
    /// Overrides the kinds' own sweep cadence.
    pub sweep: Option<Duration>,
    /// How often people want to know what each device has used.
    pub usage: Option<Duration>,
    /// Organisation the credentials must belong to: the one in the spec, else that of the first login.
    pub pinned: Option<i64>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { guard: GuardLimit::default(), budget_percent: 100, sweep: None, usage: None, pinned: None }
    }
}

const SHORTEST_SWEEP: Duration = Duration::from_secs(10);
const SHORTEST_USAGE: Duration = Duration::from_secs(3_600);
const GUARD_WINDOW: Duration = Duration::from_secs(3600);

impl Access {
    /// The terms, given what earlier logins taught.
    pub fn terms(&self, status: Option<&WorkspaceStatus>) -> Result<Terms, Invalid> {
        let known =
            status.and_then(|status| status.organisation.as_ref()).and_then(|found| found.id.parse().ok());
        let switch_to = self.credentials.user.as_ref().and_then(|user| user.switch_to.as_ref());
        let pinned = match (&self.organisation_id, switch_to) {
            (Some(id), _) => Some(id.int("spec.organisationId")?),
            (None, Some(id)) => Some(id.int("spec.credentials.user.switchTo")?),
            (None, None) => known,
        };
        let (guard, sweep, usage) = (self.guarded()?, self.sweep()?, self.usage()?);
        Ok(Terms { guard, budget_percent: self.share()?, sweep, usage, pinned })
    }

    /// Percent of the monthly quota.
    pub(super) fn share(&self) -> Result<u8, Invalid> {
        let percent = self.budget_percent.unwrap_or(100);
        let percent = u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent));
        percent.ok_or_else(|| Invalid::new("spec.budgetPercent", "write a number from 1 to 100"))
    }

    fn guarded(&self) -> Result<GuardLimit, Invalid> {
        let Some(guard) = &self.guard else { return Ok(GuardLimit::default()) };
        let most = u64::try_from(guard.max_devices).ok().filter(|most| *most > 0);
        let devices =
            most.ok_or_else(|| Invalid::new("spec.guard.maxDevices", "write a number of at least 1"))?;
        let window =
            guard.window.as_ref().map_or(Ok(GUARD_WINDOW), |window| window.get("spec.guard.window"))?;
        if window.is_zero() {
            return Err(Invalid::new("spec.guard.window", "write a duration such as 1h"));
        }
        Ok(GuardLimit { devices, window })
    }

    fn usage(&self) -> Result<Option<Duration>, Invalid> {
        let path = "spec.deviceUsage.interval";
        let interval = self.device_usage.as_ref().map(|usage| usage.interval.get(path)).transpose()?;
        match interval {
            Some(short) if short < SHORTEST_USAGE => {
                Err(Invalid::new(path, "write at least 1h, such as 24h"))
            }
            other => Ok(other),
        }
    }

    fn sweep(&self) -> Result<Option<Duration>, Invalid> {
        let path = "spec.sweepInterval";
        let sweep = self.sweep_interval.as_ref().map(|interval| interval.get(path)).transpose()?;
        match sweep {
            Some(short) if short < SHORTEST_SWEEP => {
                Err(Invalid::new(path, "write at least 10s, or listings use up the request budget"))
            }
            other => Ok(other),
        }
    }
}

/// A month of thirty days.
const MONTH_SECONDS: u64 = 30 * 24 * 3_600;
/// Intervals are told in such steps, so that a device more or less moves none.
const STEP: u64 = 600;

/// How often so many devices are asked for what they use: as people want it, or as often as a tenth of the month's requests that the workspace may make allows.
pub(super) fn usage_every(asked: Duration, devices: usize, percent: u8) -> Duration {
    let requests = Ledger::MONTHLY_LIMIT / 100 * u64::from(percent.max(1)) / 10;
    let devices = u64::try_from(devices).unwrap_or(u64::MAX);
    let shortest = devices.saturating_mul(MONTH_SECONDS).div_ceil(requests);
    asked.max(Duration::from_secs(shortest.div_ceil(STEP).saturating_mul(STEP)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::workspace::spec::Organisation;

    fn terms(mut spec: Value, known: Option<&str>) -> Result<Terms, Invalid> {
        spec["credentials"] = json!({"applicationTokenSecretRef": {"name": "emnify", "key": "token"}});
        let access: Access = serde_json::from_value(spec).unwrap();
        let organisation =
            known.map(|id| Organisation { id: id.into(), name: "Example".into(), ..Organisation::default() });
        access.terms(Some(&WorkspaceStatus { organisation, ..WorkspaceStatus::default() }))
    }

    #[test]
    fn the_spec_pins_the_organisation_before_the_first_login_does() {
        assert_eq!(terms(json!({}), None).unwrap().pinned, None);
        assert_eq!(terms(json!({}), Some("42")).unwrap().pinned, Some(42), "pinned by the first login");
        assert_eq!(
            terms(json!({"organisationId": "43"}), Some("42")).unwrap().pinned,
            Some(43),
            "the spec decides"
        );
    }

    #[test]
    fn a_workspace_to_switch_to_is_the_one_that_is_pinned() {
        let person =
            json!({"username": "a@b.c", "passwordSecretRef": {"name": "s", "key": "p"}, "switchTo": "44"});
        let access: Access = serde_json::from_value(json!({"credentials": {"user": person}})).unwrap();
        let organisation =
            Some(Organisation { id: "42".into(), name: "Own".into(), ..Organisation::default() });
        let status = WorkspaceStatus { organisation, ..WorkspaceStatus::default() };
        assert_eq!(access.terms(Some(&status)).unwrap().pinned, Some(44), "whatever the login before was to");
    }

    #[test]
    fn unset_limits_have_safe_defaults() {
        let terms = terms(json!({"guard": {"maxDevices": 5}}), None).unwrap();
        let guard = GuardLimit { devices: 5, window: Duration::from_secs(3600) };
        assert_eq!(terms, Terms { guard, ..Terms::default() });
    }

    #[test]
    fn devices_are_asked_as_often_as_a_tenth_of_the_months_requests_allows() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(usage_every(hour, 0, 100), hour);
        assert_eq!(usage_every(hour, 1_000, 100), hour, "a thousand requests an hour are less than a tenth");
        let every = usage_every(hour, 100_000, 100);
        assert_eq!(every, hour * 72, "a hundred thousand devices in three days");
        let requests = 100_000 * MONTH_SECONDS / every.as_secs();
        assert_eq!(requests, Ledger::MONTHLY_LIMIT / 10);
        assert_eq!(usage_every(hour, 100_000, 50), hour * 144, "with half of the month's requests");
        assert_eq!(usage_every(hour * 100, 100_000, 100), hour * 100, "and more rarely where people ask so");
        assert_eq!(usage_every(hour, 100_001, 100), hour * 72 + Duration::from_secs(STEP), "in steps");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (spec, path) in [
            (json!({"guard": {"maxDevices": 0}}), "spec.guard.maxDevices"),
            (json!({"guard": {"maxDevices": 1, "window": "0s"}}), "spec.guard.window"),
            (json!({"sweepInterval": "5s"}), "spec.sweepInterval"),
            (json!({"budgetPercent": 0}), "spec.budgetPercent"),
            (json!({"deviceUsage": {"interval": "59m"}}), "spec.deviceUsage.interval"),
            (json!({"budgetPercent": 101}), "spec.budgetPercent"),
        ] {
            assert_eq!(terms(spec.clone(), None).unwrap_err().path, path, "{spec}");
        }
        let terms = terms(json!({"sweepInterval": "10s"}), None).unwrap();
        assert_eq!(terms.sweep, Some(Duration::from_secs(10)), "the shortest that is allowed");
    }
}
