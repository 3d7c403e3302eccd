//! Limits of one process towards one host, and the granter that hands out turns.
//!
//! All clients of a host share one [`HostLimits`]. A request takes a *turn*: one token of the IP window, one of its
//! organisation's class where its operation has one, and one of its organisation's requests of the month. Turns go strictly
//! by [`Lane`], first come first served within a lane, and lanes of low urgency leave a reserve of the burst untouched.
//! After a 429 or 503 nobody gets a turn for a while.

mod breaker;
mod bucket;
mod class;
mod ledger;
mod month;
mod queue;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub use self::bucket::Bucket;
pub(crate) use self::class::Class;
pub use self::ledger::Ledger;
pub use self::month::{MonthSnapshot, Pace};
pub(crate) use self::queue::Ask;
use self::queue::{Place, Queue};
pub use self::snapshot::{LimitsSnapshot, WindowSnapshot};
use crate::counters::Counters;
use crate::lane::Lane;

/// What one process may ask of one host, shared by all clients of that host.
#[derive(Debug)]
pub struct HostLimits {
    queue: Mutex<Queue>,
    changed: Notify,
    counters: Arc<Counters>,
}

impl HostLimits {
    /// Limits of a process that may use `ip_share` (0 to 1) of its source address's window: a burst of 200 and 5.5
    /// requests/s in all, within the 2,000 per 5 minutes [D], and 100 logins per 5 minutes [D].
    pub fn new(ip_share: f64) -> Arc<Self> {
        let share = ip_share.clamp(0.01, 1.0);
        let queue = Mutex::new(Queue::new(share, Instant::now()));
        Arc::new(Self { queue, changed: Notify::new(), counters: Arc::default() })
    }

    /// Requests to the host so far.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// How the limits stand now.
    pub fn snapshot(&self) -> LimitsSnapshot {
        self.lock().snapshot(Instant::now())
    }

    /// Waits for a turn. Dropping the future gives the place up; dropping an unused [`Turn`] gives the token back.
    pub(crate) async fn turn(self: &Arc<Self>, lane: Lane, ask: Ask) -> Turn {
        let (grant, granted) = oneshot::channel();
        let (place, serve) = {
            let mut queue = self.lock();
            if let Some(organisation) = ask.month {
                queue.month(organisation, Instant::now());
            }
            let place = queue.push(lane, ask, grant);
            (place, queue.grant(Instant::now()).is_some() && queue.start_serving())
        };
        let mut pending = Pending { limits: self, ask, place, granted };
        if serve {
            tokio::spawn(serve_waiters(Arc::clone(self)));
        } else {
            self.changed.notify_one();
        }
        let at = (&mut pending.granted)
            .await
            .expect("the queue keeps a waiter until it is granted, unless granting panicked");
        Turn { limits: Arc::clone(self), lane, ask, at, used: false }
    }

    fn put_back(&self, lane: Lane, ask: Ask) {
        self.lock().put_back(lane, ask);
        self.changed.notify_one();
    }

    /// An answer to a request granted at `granted` was not a pause.
    pub(crate) fn served(&self, granted: Instant) {
        self.lock().breaker.served(granted);
    }

    /// The host asked for a pause.
    pub(crate) fn throttled(&self, granted: Instant, retry_after: Option<Duration>) {
        self.lock().throttled(granted, retry_after, Instant::now());
        self.changed.notify_one();
    }

    /// The server's time: its last `Date`, moved on; this machine's clock before the first answer.
    pub(crate) fn server_now(&self) -> Timestamp {
        self.lock().server_now(Instant::now())
    }

    pub(crate) fn set_clock(&self, date: Timestamp) {
        self.lock().set_clock(date, Instant::now());
    }

    pub(crate) fn ledger(&self, organisation: i64) -> Ledger {
        self.lock().month(organisation, Instant::now()).ledger().clone()
    }

    /// Counts a request whose organisation was not known when its turn came: a login.
    pub(crate) fn charge(&self, organisation: i64, lane: Lane) {
        self.lock().month(organisation, Instant::now()).take(lane);
    }

    pub(crate) fn restore_ledger(&self, organisation: i64, earlier: &Ledger) {
        self.lock().month(organisation, Instant::now()).restore(earlier);
        self.changed.notify_one();
    }

    pub(crate) fn set_month_share(&self, organisation: i64, percent: u8) {
        self.lock().month(organisation, Instant::now()).set_percent(percent);
        self.changed.notify_one();
    }

    pub(crate) fn pace(&self, organisation: i64) -> Pace {
        self.lock().month(organisation, Instant::now()).pace()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock()
    }
}

/// Grants turns until nobody waits.
async fn serve_waiters(limits: Arc<HostLimits>) {
    let mut serving = Serving { limits: &limits, over: false };
    loop {
        let next = {
            let mut queue = limits.lock();
            let Some(next) = queue.grant(Instant::now()) else {
                serving.over = true;
                return queue.stop_serving();
            };
            next
        };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = limits.changed.notified() => {}
        }
    }
}

/// Somebody serves the waiters. If that ends otherwise than for want of them the next who asks for a turn begins anew, and
/// after a panic those who wait hear of it: nobody waits for ever.
struct Serving<'a> {
    limits: &'a HostLimits,
    over: bool,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.limits.lock().abandon(std::thread::panicking());
        }
    }
}

/// A place in the queue, left when nobody waits for it any more. A grant that came too late is given back.
struct Pending<'a> {
    limits: &'a HostLimits,
    ask: Ask,
    place: Place,
    granted: oneshot::Receiver<Instant>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.limits.lock().leave(self.place);
        self.granted.close();
        if self.granted.try_recv().is_ok() {
            self.limits.put_back(self.place.0, self.ask);
        }
    }
}

/// The right to send one request.
#[derive(Debug)]
pub(crate) struct Turn {
    limits: Arc<HostLimits>,
    lane: Lane,
    ask: Ask,
    at: Instant,
    used: bool,
}

impl Turn {
    /// The organisation whose month the request counts towards.
    pub(crate) fn month(&self) -> Option<i64> {
        self.ask.month
    }

    /// Uses the turn up; returns when it was granted.
    pub(crate) fn spend(mut self) -> Instant {
        self.used = true;
        self.at
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.used {
            self.limits.put_back(self.lane, self.ask);
        }
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
