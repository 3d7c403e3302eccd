//! A token bucket: pure, it is told what time it is.

use std::time::Duration;

use tokio::time::Instant;

/// `burst` tokens at most, `rate` new ones per second.
#[derive(Debug, Clone)]
pub struct Bucket {
    burst: f64,
    rate: f64,
    level: f64,
    as_of: Instant,
}

/// Smaller than any part of a token that matters, larger than rounding.
const EPSILON: f64 = 1e-9;

impl Bucket {
    /// A full one: `burst` tokens at once, then `rate` a second.
    pub fn full(burst: f64, rate: f64, now: Instant) -> Self {
        Self { burst, rate, level: burst, as_of: now }
    }

    pub(super) fn level(&mut self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.as_of).as_secs_f64();
        self.level = (self.level + passed * self.rate).min(self.burst);
        self.as_of = self.as_of.max(now);
        self.level
    }

    /// When one token can be taken with `reserve` left over; `now` or earlier means at once.
    pub fn ready_at(&mut self, reserve: f64, now: Instant) -> Instant {
        let missing = 1.0 + reserve - self.level(now);
        if missing <= EPSILON {
            return now;
        }
        // Rounded up, so that the token is there when the timer fires.
        now + Duration::from_secs_f64(missing / self.rate) + Duration::from_millis(1)
    }

    /// Takes one token, which [`Bucket::ready_at`] said is there.
    pub fn take(&mut self) {
        self.level -= 1.0;
    }

    pub(super) fn put_back(&mut self) {
        self.level = (self.level + 1.0).min(self.burst);
    }

    /// Empty, and not filled again before `until`.
    pub(super) fn drain(&mut self, until: Instant) {
        self.level = self.level.min(0.0);
        self.as_of = self.as_of.max(until);
    }

    pub(super) fn burst(&self) -> f64 {
        self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_burst_plus_rate_times_window() {
        let start = Instant::now();
        let mut bucket = Bucket::full(200.0, 5.5, start);
        let end = start + Duration::from_secs(300);
        let (mut now, mut taken) = (start, 0_u32);
        while now <= end {
            let ready = bucket.ready_at(0.0, now);
            if ready <= now {
                bucket.take();
                taken += 1;
            } else {
                now = ready;
            }
        }
        assert!(taken <= 1_850, "burst 200 and 5.5/s fit the 2,000 of the window, took {taken}");
        assert!(taken >= 1_840, "what is allowed can be used, took {taken}");
    }

    #[test]
    fn a_reserve_is_left_for_others() {
        let now = Instant::now();
        let mut bucket = Bucket::full(10.0, 1.0, now);
        for _ in 0..5 {
            assert_eq!(bucket.ready_at(5.0, now), now, "tokens above the reserve are free to take");
            bucket.take();
        }
        assert!(bucket.ready_at(5.0, now) > now, "the reserve is not");
        assert_eq!(bucket.ready_at(0.0, now), now, "but it is for those without one");
    }
}
