//! Requests of the calendar month.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::lane::Lane;

/// Requests granted to one organisation in one calendar month (UTC). The API allows 10,000,000 [D].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// `2026-11`; empty before the first request.
    pub month: String,
    /// Requests so far.
    pub used: u64,
    /// The same by lane, in the order of [`Lane::ALL`].
    pub lanes: [u64; 7],
}

impl Ledger {
    /// Requests an organisation may make per calendar month [D].
    pub const MONTHLY_LIMIT: u64 = 10_000_000;

    /// Counts of `month`, such as `2026-11`, given how many percent of them were made in which lane.
    pub fn of_shares(month: String, used: u64, percent: impl IntoIterator<Item = (Lane, u64)>) -> Self {
        let mut ledger = Self { month, used, lanes: [0; 7] };
        for (lane, percent) in percent {
            ledger.lanes[lane as usize] = used / 100 * percent;
        }
        ledger
    }

    pub(super) fn add(&mut self, lane: Lane) {
        self.used += 1;
        self.lanes[lane as usize] += 1;
    }

    pub(super) fn remove(&mut self, lane: Lane) {
        self.used = self.used.saturating_sub(1);
        let count = &mut self.lanes[lane as usize];
        *count = count.saturating_sub(1);
    }

    /// Begins a new ledger if the month is over.
    pub(super) fn turn_over(&mut self, now: Timestamp) {
        let month = month(now);
        if month > self.month {
            *self = Ledger { month, ..Ledger::default() };
        }
    }

    /// Takes over what was counted before a restart; may be repeated, since the larger count wins.
    pub(super) fn restore(&mut self, earlier: &Ledger) {
        if earlier.month > self.month {
            *self = earlier.clone();
        } else if earlier.month == self.month {
            self.used = self.used.max(earlier.used);
            for (now, earlier) in self.lanes.iter_mut().zip(earlier.lanes) {
                *now = (*now).max(earlier);
            }
        }
    }
}

fn month(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
}

/// When the month of `now` ends.
pub(super) fn month_end(now: Timestamp) -> Timestamp {
    let next: Option<Date> = now.to_zoned(TimeZone::UTC).date().first_of_month().checked_add(1.month()).ok();
    next.and_then(|date| date.to_zoned(TimeZone::UTC).ok()).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_start_anew_each_month_and_survive_a_restart() {
        let november: Timestamp = "2026-11-30T23:59:59Z".parse().unwrap();
        let december: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(month_end(november), december);
        assert_eq!(month_end(december), "2027-01-01T00:00:00Z".parse().unwrap());
        let mut ledger = Ledger::default();
        ledger.turn_over(november);
        ledger.add(Lane::Create);
        let saved = Ledger::of_shares("2026-11".into(), 4_000, [(Lane::Create, 25)]);
        ledger.restore(&saved);
        ledger.add(Lane::Create);
        assert_eq!(
            (ledger.used, ledger.lanes[Lane::Create as usize]),
            (4_001, 1_001),
            "the saved count goes on"
        );
        ledger.restore(&saved);
        assert_eq!(ledger.used, 4_001, "restoring twice counts once");
        ledger.restore(&Ledger { month: "2026-10".into(), used: 9_000, ..Ledger::default() });
        assert_eq!(ledger.used, 4_001, "an older month does not count");
        ledger.turn_over(december);
        assert_eq!(
            ledger,
            Ledger { month: "2026-12".into(), ..Ledger::default() },
            "a new month starts at zero"
        );
    }
}
