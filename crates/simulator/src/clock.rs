//! Simulated time: a base that can be moved, carried on by tokio's clock, so that paused tests stay paused.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The simulator's clock.
#[derive(Debug, Clone)]
pub struct Clock {
    base: Timestamp,
    since: Instant,
}

impl Clock {
    /// A clock that shows `base` now.
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, since: Instant::now() }
    }

    /// The simulated time.
    pub fn now(&self) -> Timestamp {
        self.base + SignedDuration::try_from(self.since.elapsed()).unwrap_or(SignedDuration::MAX)
    }

    /// Moves the clock forward.
    pub fn advance(&mut self, by: Duration) {
        self.base += SignedDuration::try_from(by).unwrap_or(SignedDuration::ZERO);
    }

    /// Sets the clock, forward or back.
    pub fn set(&mut self, to: Timestamp) {
        *self = Self::starting_at(to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_paused_time_and_jumps_on_demand() {
        let start: Timestamp = "2026-03-01T00:00:00Z".parse().expect("a date");
        let mut clock = Clock::starting_at(start);
        assert_eq!(clock.now(), start, "paused time does not pass by itself");
        tokio::time::advance(Duration::from_secs(5)).await;
        clock.advance(Duration::from_secs(600));
        assert_eq!(clock.now(), start + SignedDuration::from_secs(605));
    }
}
