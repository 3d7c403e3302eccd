//! The door: closed for everyone after the server asked for a pause.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// What is asked for beyond this is not believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Pure: it is told what time it is.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    open_at: Instant,
    closed_at: Instant,
    pause: Duration,
}

impl Breaker {
    pub(super) fn open(now: Instant) -> Self {
        Self { open_at: now, closed_at: now, pause: Duration::ZERO }
    }

    pub(super) fn open_at(&self) -> Instant {
        self.open_at
    }

    /// A request granted at `granted` was throttled. Answers to requests from before the last closing say nothing new,
    /// unless they name a pause.
    pub(super) fn throttled(&mut self, granted: Instant, retry_after: Option<Duration>, now: Instant) {
        if let Some(wait) = retry_after {
            self.open_at = self.open_at.max(now + wait.min(LONGEST_RETRY_AFTER));
        } else if granted >= self.open_at {
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.open_at = now + self.pause;
        } else {
            return;
        }
        self.closed_at = now;
    }

    /// A request granted at `granted` was served.
    pub(super) fn served(&mut self, granted: Instant) {
        if granted > self.closed_at {
            self.pause = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_a_success_resets_them() {
        let start = Instant::now();
        let mut breaker = Breaker::open(start);
        breaker.throttled(start, None, start);
        assert_eq!(breaker.open_at() - start, Duration::from_secs(5));
        breaker.throttled(start, None, start);
        assert_eq!(breaker.open_at() - start, Duration::from_secs(5), "one burst of answers is one strike");
        let second = breaker.open_at();
        breaker.throttled(second, None, second);
        assert_eq!(breaker.open_at() - second, Duration::from_secs(10), "the next strike doubles");
        breaker.served(start);
        let third = breaker.open_at();
        breaker.throttled(third, None, third);
        assert_eq!(breaker.open_at() - third, Duration::from_secs(20), "an old success resets nothing");
        let fourth = breaker.open_at();
        breaker.served(fourth);
        breaker.throttled(fourth, None, fourth);
        assert_eq!(breaker.open_at() - fourth, Duration::from_secs(5), "a new one does");
    }

    #[test]
    fn retry_after_is_obeyed_and_pauses_have_an_end() {
        let start = Instant::now();
        let mut breaker = Breaker::open(start);
        breaker.throttled(start, Some(Duration::from_secs(90)), start);
        assert_eq!(breaker.open_at() - start, Duration::from_secs(90));
        breaker.throttled(start, Some(Duration::from_secs(30)), start);
        assert_eq!(breaker.open_at() - start, Duration::from_secs(90), "the longest pause holds");
        breaker.throttled(start, Some(Duration::MAX), start);
        assert_eq!(breaker.open_at() - start, LONGEST_RETRY_AFTER, "an absurd pause is cut");
        for _ in 0..20 {
            let now = breaker.open_at();
            breaker.throttled(now, None, now);
            assert!(breaker.open_at() - now <= LONGEST_PAUSE, "a pause is at most five minutes");
        }
    }
}
