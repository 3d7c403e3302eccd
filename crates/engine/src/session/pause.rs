//! How long to wait before something is tried again: the same for objects, members of sets and listings.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::chance;

/// First pause after a failure.
const BASE: Duration = Duration::from_secs(1);
/// First pause before a refused request is sent once more.
const REFUSED: Duration = Duration::from_secs(600);
/// Looked at again after this time even if nothing happened: the net under everything else.
const SAFETY_NET: Duration = Duration::from_secs(36_000);
/// Nothing waits longer than this for what is certain to come.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// The pause after so many failures in a row: `first`, doubling up to `most`.
pub(crate) fn doubling(first: Duration, failures: u32, most: Duration) -> Duration {
    first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(most)
}

/// [`doubling`] from one second.
pub(crate) fn growing(failures: u32, most: Duration) -> Duration {
    doubling(BASE, failures, most)
}

/// The pause before a request that emnify has refused `tries` times, or has not carried out, is sent once more: ten
/// minutes, doubling to ten hours, and a tenth more or less.
pub(crate) fn slow_net(tries: u32) -> Duration {
    doubling(REFUSED, tries, SAFETY_NET).mul_f64(chance::between(0.9..1.1))
}

/// A fifth more or less, so that those who failed at one time do not come back at one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread(f64);

impl Spread {
    /// One for all who shared a call: they may share the next.
    pub(crate) fn draw() -> Self {
        Self(chance::between(0.8..1.2))
    }

    /// The pause, spread.
    pub(crate) fn of(self, pause: Duration) -> Duration {
        pause.mul_f64(self.0)
    }
}

/// The pause, a fifth more or less.
pub(crate) fn spread(pause: Duration) -> Duration {
    Spread::draw().of(pause)
}

/// A minute at most, for whoever waits for something that is certain to come.
pub(crate) fn a_minute() -> Duration {
    MINUTE.mul_f64(chance::between(0.8..1.0))
}

/// When a success is looked at again: ten hours, and a tenth more or less.
pub(crate) fn safety_net() -> Duration {
    SAFETY_NET.mul_f64(chance::between(0.9..1.1))
}

/// How long until the next look at what is due after `due`: not at once, and never without the net, however far that is.
pub(crate) fn until_look(due: Option<Duration>) -> Duration {
    let net = safety_net();
    due.map_or(net, |due| due.clamp(Duration::from_millis(100), net))
}

/// How long it is from `now` to a time that may have passed.
pub(crate) fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

/// The end of a pause that begins `now`.
pub(crate) fn after(now: Timestamp, pause: Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_limit() {
        let pauses: Vec<u64> = (1..=5).map(|n| growing(n, Duration::from_secs(10)).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10]);
        assert_eq!(growing(u32::MAX, MINUTE), MINUTE, "however often it failed");
    }

    #[test]
    fn a_refused_request_is_tried_after_ten_minutes_and_at_last_every_ten_hours() {
        for (tries, minutes) in [(1, 10.0), (2, 20.0), (3, 40.0), (20, 600.0)] {
            let pause = slow_net(tries).as_secs_f64() / 60.0;
            assert!((minutes * 0.89..minutes * 1.11).contains(&pause), "{pause} min after {tries} refusals");
        }
    }

    #[test]
    fn the_net_is_a_tenth_longer_or_shorter_for_each() {
        let nets: Vec<f64> = (0..100).map(|_| until_look(None).as_secs_f64()).collect();
        let (least, most) =
            nets.iter().fold((f64::MAX, 0.0_f64), |(least, most), net| (least.min(*net), most.max(*net)));
        assert!(least >= 32_400.0 && most <= 39_600.0, "{least} to {most}");
        assert!(most - least > 3_600.0, "those who started together do not come back together");
    }

    #[test]
    fn whatever_is_due_in_years_the_net_comes_first() {
        let years = until_look(Some(Duration::from_secs(73 * 365 * 86_400)));
        assert!(
            years <= SAFETY_NET.mul_f64(1.1),
            "a contract that begins in 2099 is looked at today: {years:?}"
        );
        assert_eq!(until_look(Some(MINUTE)), MINUTE);
        assert!(!until_look(Some(Duration::ZERO)).is_zero(), "what is over is not looked at in a circle");
    }
}
