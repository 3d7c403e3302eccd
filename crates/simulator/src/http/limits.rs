//! The limits of the dossier's section 1.6, on the simulated clock.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use jiff::{Timestamp, tz::TimeZone};

use crate::resources::route::Class;
use crate::state::CallLedger;

/// Length of the windows, in seconds. [D]
const WINDOW: i64 = 300;
/// Requests of a source address per window. [D]
const REQUESTS_PER_WINDOW: u64 = 2_000;
/// Log-ins of a source address per window. [D]
const LOGINS_PER_WINDOW: u64 = 100;
/// Calls of an organisation per calendar month. [D]
const CALLS_PER_MONTH: u64 = 10_000_000;

/// Counts calls and says which are too many. What is refused counts too: the average must fall.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    requests: HashMap<IpAddr, Window>,
    logins: HashMap<IpAddr, Window>,
    classes: HashMap<(u64, &'static str), Bucket>,
}

impl Limiter {
    /// Counts a request of a source address, whatever workspace it is for.
    pub(crate) fn admit_source(&mut self, source: IpAddr, now: Timestamp) -> bool {
        self.requests.entry(source).or_default().count(now) <= REQUESTS_PER_WINDOW
    }

    /// Counts a log-in of a source address.
    pub(crate) fn admit_login(&mut self, source: IpAddr, now: Timestamp) -> bool {
        self.logins.entry(source).or_default().count(now) <= LOGINS_PER_WINDOW
    }

    /// Takes a token of an organisation's bucket for one operation.
    pub(crate) fn admit_class(
        &mut self,
        organisation: u64,
        operation: &'static str,
        class: Class,
        now: Timestamp,
    ) -> bool {
        let (rate, burst) = match class {
            Class::Unlimited | Class::Login => return true,
            Class::Ten => (10.0, 5.0),
            Class::Fifty => (50.0, 25.0),
            Class::Hundred => (100.0, 50.0),
        };
        self.classes
            .entry((organisation, operation))
            .or_insert(Bucket { tokens: burst, filled: now })
            .take(rate, burst, now)
    }
}

/// Counts a call against the calendar month of its organisation.
pub(crate) fn admit_month(ledger: &mut CallLedger, now: Timestamp) -> bool {
    let month = now.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string();
    if ledger.month != month {
        *ledger = CallLedger { month, count: 0 };
    }
    ledger.count += 1;
    ledger.count <= CALLS_PER_MONTH
}

/// Requests of the last five minutes, by second.
#[derive(Debug, Default)]
struct Window {
    seconds: VecDeque<(i64, u64)>,
    total: u64,
}

impl Window {
    fn count(&mut self, now: Timestamp) -> u64 {
        let second = now.as_second();
        while let Some((oldest, count)) = self.seconds.front().copied()
            && oldest <= second - WINDOW
        {
            self.seconds.pop_front();
            self.total -= count;
        }
        match self.seconds.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => self.seconds.push_back((second, 1)),
        }
        self.total += 1;
        self.total
    }
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

impl Bucket {
    fn take(&mut self, rate: f64, burst: f64, now: Timestamp) -> bool {
        let passed = now.duration_since(self.filled).as_secs_f64().max(0.0);
        self.tokens = (self.tokens + passed * rate).min(burst);
        self.filled = now;
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use jiff::SignedDuration;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn start() -> Timestamp {
        "2026-03-31T23:59:00Z".parse().expect("a date")
    }

    #[test]
    fn a_source_has_2000_requests_in_any_five_minutes() {
        let mut limiter = Limiter::default();
        for _ in 0..2_000 {
            assert!(limiter.admit_source(HERE, start()));
        }
        assert!(!limiter.admit_source(HERE, start()), "the 2001st is too many");
        let later = start() + SignedDuration::from_secs(WINDOW);
        assert!(limiter.admit_source(HERE, later), "the window moves on");
    }

    #[test]
    fn a_class_refills_at_its_rate_up_to_its_burst() {
        let mut limiter = Limiter::default();
        let mut admitted = |organisation, at| limiter.admit_class(organisation, "list", Class::Ten, at);
        assert_eq!((0..9).filter(|_| admitted(1, start())).count(), 5, "the burst");
        assert!(admitted(2, start()), "another organisation has its own");
        let later = start() + SignedDuration::from_millis(100);
        assert!(admitted(1, later), "ten a second");
        assert!(!admitted(1, later));
    }

    #[test]
    fn the_month_starts_anew() {
        let mut ledger = CallLedger { month: "2026-03".to_owned(), count: CALLS_PER_MONTH - 1 };
        assert!(admit_month(&mut ledger, start()));
        assert!(!admit_month(&mut ledger, start()), "the ledger is full");
        assert!(admit_month(&mut ledger, start() + SignedDuration::from_secs(60)));
    }
}
