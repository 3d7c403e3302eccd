//! Requests of the calendar month.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Requests sent for one organisation in one calendar month (UTC). The API allows 10,000,000 [D].
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Ledger {
    /// `2026-11`; empty before the first request.
    pub month: String,
    /// Requests so far.
    pub used: u64,
}

impl Ledger {
    /// Requests an organisation may make per calendar month [D].
    pub const MONTHLY_LIMIT: u64 = 10_000_000;

    /// What is left of the month.
    pub fn remaining(&self) -> u64 {
        Self::MONTHLY_LIMIT.saturating_sub(self.used)
    }

    pub(crate) fn count(&mut self, now: Timestamp) {
        let month = month(now);
        if month > self.month {
            *self = Ledger { month, used: 0 };
        }
        self.used += 1;
    }

    /// Takes over what was counted before a restart.
    pub(crate) fn restore(&mut self, earlier: &Ledger) {
        if earlier.month == self.month {
            self.used = self.used.max(earlier.used);
        } else if earlier.month > self.month {
            *self = earlier.clone();
        }
    }
}

fn month(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_start_anew_each_month_and_survive_a_restart() {
        let november: Timestamp = "2026-11-30T23:59:59Z".parse().unwrap();
        let december: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let mut ledger = Ledger::default();
        ledger.count(november);
        ledger.restore(&Ledger { month: "2026-11".into(), used: 40 });
        ledger.count(november);
        assert_eq!(ledger, Ledger { month: "2026-11".into(), used: 41 }, "the saved count is continued");
        ledger.restore(&Ledger { month: "2026-10".into(), used: 9_000 });
        assert_eq!(ledger.used, 41, "an older month does not count");
        ledger.count(december);
        assert_eq!(ledger, Ledger { month: "2026-12".into(), used: 1 }, "a new month starts at zero");
        assert_eq!(ledger.remaining(), 9_999_999);
    }
}
