//! The time of day of a test: a fixed start, moved on by tokio's paused clock.

use std::cell::OnceCell;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio::time::Instant;

const START: &str = "2026-05-01T12:00:00Z";

thread_local! {
    // a test runs on one thread of its own, and so does its paused clock
    static STARTED: OnceCell<Instant> = const { OnceCell::new() };
}

/// Now.
pub(crate) fn now() -> Timestamp {
    let started = STARTED.with(|cell| *cell.get_or_init(Instant::now));
    let start: Timestamp = START.parse().unwrap();
    start.saturating_add(SignedDuration::try_from(started.elapsed()).unwrap()).unwrap()
}

/// Now, as a `Date` header.
pub(crate) fn http_date() -> String {
    http_date_before(SignedDuration::ZERO)
}

/// The `Date` header of a clock that is so far behind.
pub(crate) fn http_date_before(behind: SignedDuration) -> String {
    let now = now().saturating_sub(behind).unwrap();
    now.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
