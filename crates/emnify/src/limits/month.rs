//! The month's quota of one organisation: counts what is granted, and lets lanes that can wait wait, so that it lasts.
//!
//! What is left of the month divided by the time left is the *pace*. Every grant draws on an allowance of one hour at that
//! pace, refilled at the pace. While requests come slower than the pace, over about an hour, the allowance is full and
//! nobody waits. When they come faster it shrinks: below half of it Scrub waits, below a quarter Sweep, near its end Hints.
//! The other lanes never wait for the pace. When nothing is left of the month, everybody waits for the next one.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::ledger::{Ledger, month_end};
use crate::lane::Lane;

/// Requests ahead of the pace are tolerated for this long.
const AHEAD: f64 = 3_600.0;
/// Enough for every lane to take one with its reserve left over.
const LEAST_ALLOWANCE: f64 = 4.0;
const EPSILON: f64 = 1e-9;

/// Whether the month's quota holds anybody up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// It does not.
    #[default]
    Free,
    /// Lanes that can wait are slowed down.
    Slowed,
    /// Nothing is left: everybody waits for the next month, or for a larger share.
    Spent,
}

/// How the month of one organisation stands.
#[derive(Debug, Clone, PartialEq)]
pub struct MonthSnapshot {
    /// Id of the organisation.
    pub organisation: i64,
    /// Requests so far.
    pub ledger: Ledger,
    /// Requests that may be made in the month, its share applied.
    pub limit: u64,
    /// Whether anybody is held up.
    pub pace: Pace,
}

/// Pure: it is told what time it is.
#[derive(Debug)]
pub(super) struct Month {
    ledger: Ledger,
    percent: u8,
    /// What is left of the allowance; negative never.
    level: f64,
    /// Requests per second that use the month up exactly at its end.
    rate: f64,
    as_of: Instant,
    ends: Instant,
}

impl Month {
    pub(super) fn new(now: Instant, wall: Timestamp) -> Self {
        let mut month = Self {
            ledger: Ledger::default(),
            percent: 100,
            level: f64::MAX,
            rate: 0.0,
            as_of: now,
            ends: now,
        };
        month.settle(now, wall);
        month
    }

    /// Brings allowance and pace up to date.
    pub(super) fn settle(&mut self, now: Instant, wall: Timestamp) {
        let passed = now.saturating_duration_since(self.as_of).as_secs_f64();
        self.as_of = self.as_of.max(now);
        self.ledger.turn_over(wall);
        let left = Duration::try_from(month_end(wall).duration_since(wall)).unwrap_or_default();
        let left = left.max(Duration::from_secs(1));
        self.ends = now + left;
        self.rate = to_f64(self.remaining()) / left.as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.allowance());
    }

    pub(super) fn limit(&self) -> u64 {
        Ledger::MONTHLY_LIMIT / 100 * u64::from(self.percent)
    }

    fn remaining(&self) -> u64 {
        self.limit().saturating_sub(self.ledger.used)
    }

    fn allowance(&self) -> f64 {
        (self.rate * AHEAD).max(LEAST_ALLOWANCE)
    }

    /// When `lane` may take one; at or before the last settling means at once.
    pub(super) fn ready_at(&self, lane: Lane) -> Instant {
        if self.remaining() == 0 {
            return self.ends;
        }
        let Some(reserve) = reserve(lane) else { return self.as_of };
        let missing = 1.0 + reserve * self.allowance() - self.level;
        if missing <= EPSILON {
            return self.as_of;
        }
        let wait = (missing / self.rate).min(AHEAD);
        self.ends.min(self.as_of + Duration::from_secs_f64(wait) + Duration::from_millis(1))
    }

    pub(super) fn take(&mut self, lane: Lane) {
        self.ledger.add(lane);
        self.level = (self.level - 1.0).max(0.0);
    }

    pub(super) fn put_back(&mut self, lane: Lane) {
        self.ledger.remove(lane);
        self.level = (self.level + 1.0).min(self.allowance());
    }

    pub(super) fn restore(&mut self, earlier: &Ledger) {
        self.ledger.restore(earlier);
    }

    pub(super) fn set_percent(&mut self, percent: u8) {
        self.percent = percent.clamp(1, 100);
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Slowed lanes hover at their reserve, so a little above it still counts as slowed.
    pub(super) fn pace(&self) -> Pace {
        match reserve(Lane::Scrub).unwrap_or_default() * 1.1 * self.allowance() {
            _ if self.remaining() == 0 => Pace::Spent,
            slow if self.level < slow => Pace::Slowed,
            _ => Pace::Free,
        }
    }
}

/// The part of the allowance that a lane leaves to more urgent ones; `None`: it never waits for the pace.
fn reserve(lane: Lane) -> Option<f64> {
    match lane {
        Lane::Safety | Lane::Interactive | Lane::Create | Lane::Repair => None,
        Lane::Hints => Some(0.05),
        Lane::Sweep => Some(0.25),
        Lane::Scrub => Some(0.5),
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A month of 30 days, and how far it has come.
    struct Calendar {
        month: Month,
        now: Instant,
        wall: Timestamp,
    }

    impl Calendar {
        fn new(percent: u8, used: u64) -> Self {
            let (now, wall) = (Instant::now(), "2026-11-01T00:00:00Z".parse().unwrap());
            let mut month = Month::new(now, wall);
            month.set_percent(percent);
            month.restore(&Ledger { month: "2026-11".into(), used, ..Ledger::default() });
            let mut calendar = Self { month, now, wall };
            calendar.pass(0);
            calendar
        }

        fn pass(&mut self, seconds: u64) {
            let by = Duration::from_secs(seconds);
            self.now += by;
            self.wall = self.wall.checked_add(jiff::SignedDuration::try_from(by).unwrap()).unwrap();
            self.month.settle(self.now, self.wall);
        }

        fn free(&self, lane: Lane) -> bool {
            self.month.ready_at(lane) <= self.now
        }

        /// Takes turns in `lane` for `hours`, as fast as it may, one a second at most.
        fn run(&mut self, lane: Lane, hours: u64) -> u64 {
            let mut taken = 0;
            for _ in 0..hours * 3_600 {
                if self.free(lane) {
                    self.month.take(lane);
                    taken += 1;
                }
                self.pass(1);
            }
            taken
        }
    }

    #[test]
    fn a_month_that_lasts_slows_nobody() {
        let mut calendar = Calendar::new(100, 0);
        assert_eq!(calendar.run(Lane::Scrub, 3), 3 * 3_600, "a request a second is far below 3.8");
        assert_eq!(calendar.month.pace(), Pace::Free);
    }

    #[test]
    fn lanes_that_can_wait_are_slowed_to_the_pace_least_urgent_first() {
        // 0.04 requests a second are left
        let mut calendar = Calendar::new(1, 0);
        let allowance = calendar.month.allowance();
        assert!((allowance - 138.9).abs() < 0.1, "an hour at the pace: {allowance}");
        let mut order = Vec::new();
        for _ in 0..140 {
            calendar.month.take(Lane::Interactive);
            for lane in [Lane::Scrub, Lane::Sweep, Lane::Hints] {
                if !calendar.free(lane) && !order.contains(&lane) {
                    order.push(lane);
                }
            }
        }
        assert_eq!(order, [Lane::Scrub, Lane::Sweep, Lane::Hints], "the least urgent is slowed first");
        assert_eq!(calendar.month.pace(), Pace::Slowed);
        for lane in [Lane::Safety, Lane::Interactive, Lane::Create, Lane::Repair] {
            assert!(calendar.free(lane), "{lane} never waits for the pace");
        }
        let taken = calendar.run(Lane::Sweep, 24);
        assert!(
            (3_000..3_600).contains(&taken),
            "slowed to the pace, not stopped: {taken} a day at 0.0385/s"
        );
    }

    #[test]
    fn a_share_is_kept_to_the_request_and_the_next_month_is_free() {
        let mut calendar = Calendar::new(50, 4_999_999);
        assert_eq!(calendar.month.limit(), 5_000_000);
        assert!(calendar.free(Lane::Create), "until the limit itself urgent lanes go on");
        calendar.month.take(Lane::Create);
        for lane in Lane::ALL {
            assert!(!calendar.free(lane), "{lane} waits when nothing is left");
        }
        assert_eq!(calendar.month.pace(), Pace::Spent);
        calendar.month.put_back(Lane::Create);
        assert!(calendar.free(Lane::Create), "an unused turn is not counted");
        calendar.month.take(Lane::Create);
        calendar.month.set_percent(51);
        calendar.pass(0);
        assert!(calendar.free(Lane::Create), "a larger share is used at once");
        calendar.month.set_percent(50);
        calendar.pass(30 * 86_400);
        assert!(calendar.free(Lane::Scrub), "a new month");
        assert_eq!(calendar.month.ledger().used, 0);
    }
}
