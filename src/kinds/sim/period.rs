//! When the contract of a SIM runs: it begins and ends at a date, with nobody at the keyboard.

use emnify_engine::kind::{Dates, Invalid};
use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::Date;

/// The rule of every spec with a period, and what is said to who breaks it.
pub const RULE: &str =
    "!has(self.activeFrom) && !has(self.activeUntil) || has(self.state) && self.state == 'Activated'";
/// See [`RULE`].
pub const RULE_MESSAGE: &str =
    "activeFrom and activeUntil say when state: Activated holds: set it, or remove them";

/// From when, and until when, a wanted state `Activated` holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivePeriod {
    /// The SIM is activated at this date, and suspended if it is active before; one that was never activated stays as it is
    /// until then. Only with `state: Activated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_from: Option<Date>,
    /// The SIM is suspended at this date, and billing ends with the month. Only with `state: Activated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_until: Option<Date>,
}

impl ActivePeriod {
    /// The period; `path` is that of the object that holds its fields, with a dot behind it if there is one.
    ///
    /// # Errors
    /// A date that is none, or an end that is not after the beginning.
    pub fn read(&self, path: &str) -> Result<Period, Invalid> {
        let date = |name: &str, date: &Option<Date>| {
            date.as_ref().map(|date| date.get(&format!("{path}{name}"))).transpose()
        };
        let (from, until) =
            (date("activeFrom", &self.active_from)?, date("activeUntil", &self.active_until)?);
        if from.zip(until).is_some_and(|(from, until)| until <= from) {
            return Err(Invalid::new(format!("{path}activeUntil"), "it has to be after activeFrom"));
        }
        Ok(Period { from, until })
    }

    /// Its dates around `now`; those of a period that cannot be read are nobody's.
    pub fn dates(&self, now: Timestamp) -> Dates {
        let period = self.read("").unwrap_or_default();
        Dates::around(period.from.into_iter().chain(period.until), now)
    }
}

/// A time span that may be open at either end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// Its beginning is part of it.
    pub from: Option<Timestamp>,
    /// Its end is not.
    pub until: Option<Timestamp>,
}

impl Period {
    /// Whether it holds at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }

    /// Whether it always holds.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn active(from: Option<&str>, until: Option<&str>) -> ActivePeriod {
        ActivePeriod { active_from: from.map(Into::into), active_until: until.map(Into::into) }
    }

    #[test]
    fn it_holds_from_its_first_moment_and_no_longer_at_its_end() {
        let period =
            active(Some("2027-01-01T00:00:00+01:00"), Some("2027-02-01T00:00:00Z")).read("").unwrap();
        assert!(!period.holds(at("2026-12-31T22:59:59Z")) && period.holds(at("2026-12-31T23:00:00Z")));
        assert!(period.holds(at("2027-01-31T23:59:59Z")) && !period.holds(at("2027-02-01T00:00:00Z")));
        assert!(Period::default().holds(at("2027-02-01T00:00:00Z")), "without dates it always holds");
    }

    #[test]
    fn an_end_before_the_beginning_is_named_with_the_mend() {
        let wrong =
            active(Some("2027-02-01T00:00:00Z"), Some("2027-02-01T00:00:00Z")).read("sim.").unwrap_err();
        assert!(
            wrong.to_string().contains("sim.activeUntil") && wrong.to_string().contains("after activeFrom")
        );
        let wrong = active(Some("2027-02-30T00:00:00Z"), None).read("sim.").unwrap_err();
        assert!(wrong.to_string().contains("sim.activeFrom"), "{wrong}");
    }

    #[test]
    fn the_dates_around_a_moment_are_what_was_passed_and_what_comes() {
        let period = active(Some("2027-01-01T00:00:00Z"), Some("2027-02-01T00:00:00Z"));
        let (begin, end) = (at("2027-01-01T00:00:00Z"), at("2027-02-01T00:00:00Z"));
        assert_eq!(period.dates(at("2026-06-01T00:00:00Z")), Dates { passed: None, next: Some(begin) });
        assert_eq!(period.dates(begin), Dates { passed: Some(begin), next: Some(end) });
        assert_eq!(period.dates(end), Dates { passed: Some(end), next: None }, "also after a long downtime");
    }
}
