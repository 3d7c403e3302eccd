//! Who waits, and who may go: pure but for the channels it answers on.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::bucket::Bucket;
use super::class::Class;
use super::month::{Month, MonthSnapshot};
use super::snapshot::{LimitsSnapshot, WindowSnapshot};
use crate::lane::Lane;

/// The part of the IP window that one process may use at once, and per second.
const IP: (f64, f64) = (200.0, 5.5);
/// Logins: 10 at once and 0.3 per second make 100 per 5 minutes.
const LOGIN: (f64, f64) = (10.0, 0.3);
/// How often the queue is looked at while nothing is foreseen to change.
const IDLE: Duration = Duration::from_secs(60);

/// What a turn consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    /// A token of the IP window.
    pub(crate) ip: bool,
    /// A token of the login window.
    pub(crate) login: bool,
    /// A token of an organisation's class.
    pub(crate) class: Option<(i64, Class)>,
    /// One of an organisation's requests of the month.
    pub(crate) month: Option<i64>,
}

impl Ask {
    pub(crate) const NOTHING: Ask = Ask { ip: false, login: false, class: None, month: None };
    pub(crate) const REQUEST: Ask = Ask { ip: true, ..Ask::NOTHING };
    pub(crate) const LOGIN: Ask = Ask { ip: true, login: true, ..Ask::NOTHING };
}

/// A place in the queue: more urgent, then earlier first.
pub(super) type Place = (Lane, u64);

#[derive(Debug)]
struct Waiter {
    ask: Ask,
    grant: oneshot::Sender<Instant>,
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) breaker: Breaker,
    ip: Bucket,
    login: Bucket,
    classes: HashMap<(i64, Class), Bucket>,
    months: BTreeMap<i64, Month>,
    /// What the server's clock showed, and when.
    clock: Option<(Timestamp, Instant)>,
    waiting: BTreeMap<Place, Waiter>,
    /// How many of those need no token of the IP window.
    windowless: usize,
    arrivals: u64,
    serving: bool,
}

impl Queue {
    pub(super) fn new(share: f64, now: Instant) -> Self {
        Self {
            breaker: Breaker::open(now),
            ip: Bucket::full((IP.0 * share).max(1.0), IP.1 * share, now),
            login: Bucket::full((LOGIN.0 * share).max(1.0), LOGIN.1 * share, now),
            classes: HashMap::new(),
            months: BTreeMap::new(),
            clock: None,
            waiting: BTreeMap::new(),
            windowless: 0,
            arrivals: 0,
            serving: false,
        }
    }

    pub(super) fn push(&mut self, lane: Lane, ask: Ask, grant: oneshot::Sender<Instant>) -> Place {
        self.arrivals += 1;
        let place = (lane, self.arrivals);
        self.windowless += usize::from(!ask.ip);
        self.waiting.insert(place, Waiter { ask, grant });
        place
    }

    /// Gives a place up, if it is still held.
    pub(super) fn leave(&mut self, place: Place) {
        self.remove(place);
    }

    fn remove(&mut self, place: Place) -> Option<Waiter> {
        let waiter = self.waiting.remove(&place)?;
        self.windowless -= usize::from(!waiter.ask.ip);
        Some(waiter)
    }

    /// True if the caller has to start the task that serves the waiters.
    pub(super) fn start_serving(&mut self) -> bool {
        !std::mem::replace(&mut self.serving, true)
    }

    /// The serving task ends.
    pub(super) fn stop_serving(&mut self) {
        self.serving = false;
    }

    /// The serving task is gone; after a panic nobody is kept waiting.
    pub(super) fn abandon(&mut self, panicked: bool) {
        self.serving = false;
        if panicked {
            self.waiting.clear();
            self.windowless = 0;
        }
    }

    /// Grants what can be granted. Returns when to look again; `None` when nobody waits.
    pub(super) fn grant(&mut self, now: Instant) -> Option<Instant> {
        let next =
            if self.breaker.open_at() > now { self.breaker.open_at() } else { self.grant_by_lane(now) };
        (!self.waiting.is_empty()).then_some(next)
    }

    /// In order of urgency. A waiter held by the IP window holds everyone behind it who needs that window too;
    /// one held by its own class, by the month of its organisation or by the login window holds nobody.
    fn grant_by_lane(&mut self, now: Instant) -> Instant {
        self.settle_months(now);
        let mut next = now + IDLE;
        let mut granted = Vec::new();
        let mut window_held = false;
        for (&place, waiter) in &self.waiting {
            if window_held && self.windowless == 0 {
                break;
            }
            if waiter.ask.ip {
                if window_held {
                    continue;
                }
                let ready = self.ip.ready_at(reserve(place.0, &self.ip), now);
                if ready > now {
                    next = next.min(ready);
                    window_held = true;
                    continue;
                }
            }
            let mut ready = now;
            if waiter.ask.login {
                ready = ready.max(self.login.ready_at(0.0, now));
            }
            if let Some(key) = waiter.ask.class {
                ready = ready.max(class_bucket(&mut self.classes, key, now).ready_at(0.0, now));
            }
            if let Some(month) = waiter.ask.month.and_then(|organisation| self.months.get(&organisation)) {
                ready = ready.max(month.ready_at(place.0));
            }
            if ready > now {
                next = next.min(ready);
                continue;
            }
            if waiter.ask.ip {
                self.ip.take();
            }
            if waiter.ask.login {
                self.login.take();
            }
            if let Some(key) = waiter.ask.class {
                class_bucket(&mut self.classes, key, now).take();
            }
            if let Some(month) = waiter.ask.month.and_then(|organisation| self.months.get_mut(&organisation))
            {
                month.take(place.0);
            }
            granted.push(place);
        }
        for place in granted {
            let Some(waiter) = self.remove(place) else { continue };
            if waiter.grant.send(now).is_err() {
                self.put_back(place.0, waiter.ask);
                next = now;
            }
        }
        next
    }

    fn settle_months(&mut self, now: Instant) {
        let wall = self.server_now(now);
        self.months.values_mut().for_each(|month| month.settle(now, wall));
    }

    /// The month of an organisation, as it stands now.
    pub(super) fn month(&mut self, organisation: i64, now: Instant) -> &mut Month {
        let wall = self.server_now(now);
        let month = self.months.entry(organisation).or_insert_with(|| Month::new(now, wall));
        month.settle(now, wall);
        month
    }

    /// The server's time: what it last showed, moved on; this machine's clock before the first answer.
    pub(super) fn server_now(&self, now: Instant) -> Timestamp {
        self.clock
            .and_then(|(date, at)| {
                let passed = SignedDuration::try_from(now.saturating_duration_since(at)).ok()?;
                date.checked_add(passed).ok()
            })
            .unwrap_or_else(Timestamp::now)
    }

    pub(super) fn set_clock(&mut self, date: Timestamp, now: Instant) {
        self.clock = Some((date, now));
    }

    pub(super) fn put_back(&mut self, lane: Lane, ask: Ask) {
        if let Some(month) = ask.month.and_then(|organisation| self.months.get_mut(&organisation)) {
            month.put_back(lane);
        }
        if ask.ip {
            self.ip.put_back();
        }
        if ask.login {
            self.login.put_back();
        }
        if let Some(bucket) = ask.class.and_then(|key| self.classes.get_mut(&key)) {
            bucket.put_back();
        }
    }

    /// The host counts more than we do, so no burst is left when the door opens.
    pub(super) fn throttled(&mut self, granted: Instant, retry_after: Option<Duration>, now: Instant) {
        self.breaker.throttled(granted, retry_after, now);
        self.ip.drain(self.breaker.open_at());
    }

    pub(super) fn snapshot(&mut self, now: Instant) -> LimitsSnapshot {
        self.settle_months(now);
        let mut waiting = [0; 7];
        for (lane, _) in self.waiting.keys() {
            waiting[*lane as usize] += 1;
        }
        let classes = self
            .classes
            .iter_mut()
            .map(|((organisation, class), bucket)| window(class.as_str(), Some(*organisation), bucket, now));
        let mut windows: Vec<_> = classes.collect();
        windows.extend([window("ip", None, &mut self.ip, now), window("login", None, &mut self.login, now)]);
        windows.sort_by_key(|window| (window.organisation, window.name));
        let months = self.months.iter().map(|(organisation, month)| MonthSnapshot {
            organisation: *organisation,
            ledger: month.ledger().clone(),
            limit: month.limit(),
            pace: month.pace(),
        });
        LimitsSnapshot {
            available: self.ip.level(now).max(0.0),
            burst: self.ip.burst(),
            closed_for: self.breaker.open_at().saturating_duration_since(now),
            waiting,
            windows,
            months: months.collect(),
        }
    }
}

fn window(
    name: &'static str,
    organisation: Option<i64>,
    bucket: &mut Bucket,
    now: Instant,
) -> WindowSnapshot {
    WindowSnapshot { name, organisation, available: bucket.level(now).max(0.0), burst: bucket.burst() }
}

fn reserve(lane: Lane, ip: &Bucket) -> f64 {
    // A burst of one token would leave nothing to take, and so starve every lane with a reserve.
    (ip.burst() * f64::from(lane.reserve_percent()) / 100.0).min(ip.burst() - 1.0)
}

fn class_bucket(classes: &mut HashMap<(i64, Class), Bucket>, key: (i64, Class), now: Instant) -> &mut Bucket {
    classes.entry(key).or_insert_with(|| {
        let (burst, rate) = key.1.burst_and_rate();
        Bucket::full(burst, rate, now)
    })
}
