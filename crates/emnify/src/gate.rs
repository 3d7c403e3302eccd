//! Whether this process may start requests: what a lease means for those who send.
//!
//! Whoever sends asks just before each request, and again whenever a request under way goes on, so that a process that
//! was frozen past its lease and wakes up starts nothing: its clocks have moved on even if its timers have not run yet.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::{Duration, SystemTime},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::error::Error;

/// A moment on two clocks. The steady one goes on while a process is stopped by a signal, but not while the machine
/// sleeps; the wall clock shows that too. A deadline is over when either says so: a wall clock that was set forward costs
/// a restart, a sleep that nobody noticed could cost a duplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// `CLOCK_MONOTONIC`, or paused time in tests.
    pub steady: Instant,
    /// `CLOCK_REALTIME`.
    pub wall: SystemTime,
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// So much later on both clocks.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self { steady: self.steady + time, wall: self.wall + time }
    }

    /// It is over, as one of the clocks shows.
    pub fn is_over(self, now: Moment) -> bool {
        now.steady >= self.steady || now.wall >= self.wall
    }
}

/// Why a request may not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// None may.
    Closed,
    /// What must not be done twice may, after this time.
    Later(Duration),
}

impl From<Refused> for Error {
    /// Nothing was sent, so trying again is harmless.
    fn from(refused: Refused) -> Self {
        let message = match refused {
            Refused::Closed => "this process does not lead, so it sends nothing",
            Refused::Later(_) => "creates wait until those of the former leader have ended",
        };
        Error::Unavailable { message: message.into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breaker {
    /// Nobody else can lead.
    Open,
    /// Until the lease ends.
    Until(Moment),
    Shut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    breaker: Breaker,
    /// What is under way may end, nothing new may start.
    draining: bool,
    /// What must not be done twice may be done from here on.
    creates_from: Option<Instant>,
}

impl State {
    /// Requests under way may go on.
    fn lives(&self, now: Moment) -> bool {
        match self.breaker {
            Breaker::Open => true,
            Breaker::Until(end) => !end.is_over(now),
            Breaker::Shut => false,
        }
    }

    /// Whether a request may be started now.
    fn ask(&self, now: Moment, repeatable: bool) -> Result<(), Refused> {
        if self.draining || !self.lives(now) {
            return Err(Refused::Closed);
        }
        match self.held(now) {
            Some(rest) if !repeatable => Err(Refused::Later(rest)),
            _ => Ok(()),
        }
    }

    fn held(&self, now: Moment) -> Option<Duration> {
        let rest = self.creates_from?.saturating_duration_since(now.steady);
        Some(rest).filter(|rest| !rest.is_zero())
    }
}

/// Asked before every request. It may stand within another one, which has to be open too.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    within: Option<Arc<Gate>>,
    /// Requests under way that must not be done twice.
    creating: AtomicUsize,
}

impl Gate {
    /// Always open: nobody else can lead.
    pub fn open() -> Arc<Self> {
        Self::new(Breaker::Open, None)
    }

    /// Shut until a lease is won.
    pub fn shut() -> Arc<Self> {
        Self::new(Breaker::Shut, None)
    }

    /// Shut as well, and never open while this one is not.
    pub fn shut_within(self: &Arc<Self>) -> Arc<Self> {
        Self::new(Breaker::Shut, Some(self.clone()))
    }

    fn new(breaker: Breaker, within: Option<Arc<Gate>>) -> Arc<Self> {
        let state = State { breaker, draining: false, creates_from: None };
        Arc::new(Self { state: Mutex::new(state), within, creating: AtomicUsize::new(0) })
    }

    /// The lease was won or renewed and is ours until then.
    pub fn open_until(&self, end: Moment) {
        self.state().breaker = Breaker::Until(end);
    }

    /// What must not be done twice waits so long, for what the former leader may have under way.
    pub fn hold_creates(&self, time: Duration) {
        self.state().creates_from = Some(Instant::now() + time);
    }

    /// Nothing new may start; what is under way may end.
    pub fn drain(&self) {
        self.state().draining = true;
    }

    /// Nothing may start or go on.
    pub fn close(&self) {
        self.state().breaker = Breaker::Shut;
    }

    /// What is under way may go on now.
    pub fn lives(&self) -> bool {
        self.chain(|state| state.lives(Moment::now()).then_some(()).ok_or(())).is_ok()
    }

    /// How long creates still have to wait, if they have to.
    pub fn creates_held(&self) -> Option<Duration> {
        let own = self.state().held(Moment::now());
        own.max(self.within.as_ref().and_then(|within| within.creates_held()))
    }

    /// From when on creates may be sent again, past or to come; `None` where no former leader is waited for.
    pub fn creates_from(&self) -> Option<Instant> {
        let own = self.state().creates_from;
        own.max(self.within.as_ref().and_then(|within| within.creates_from()))
    }

    /// Whether requests that must not be done twice are under way.
    pub fn is_creating(&self) -> bool {
        self.creating.load(Ordering::SeqCst) > 0
    }

    /// Begins a request, unless it may not be started now.
    pub fn begin(self: &Arc<Self>, repeatable: bool) -> Result<UnderWay, Refused> {
        let under_way = UnderWay::new(self.clone(), repeatable);
        // counted first: whoever closes and then counts misses none
        self.chain(|state| state.ask(Moment::now(), repeatable))?;
        Ok(under_way)
    }

    /// Drives `work`, a write elsewhere than to emnify, as long as the gate is open; `None` if it is not.
    pub async fn through<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if !self.lives() {
                return Poll::Ready(None);
            }
            work.as_mut().poll(context).map(Some)
        })
        .await
    }

    /// Asks this gate and those around it.
    fn chain<E>(&self, ask: impl Fn(&State) -> Result<(), E>) -> Result<(), E> {
        let mut gate = Some(self);
        while let Some(this) = gate {
            ask(&this.state())?;
            gate = this.within.as_deref();
        }
        Ok(())
    }

    fn count(&self, change: impl Fn(&AtomicUsize) -> usize) {
        let mut gate = Some(self);
        while let Some(this) = gate {
            change(&this.creating);
            gate = this.within.as_deref();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A request that was begun.
#[derive(Debug)]
pub struct UnderWay {
    gate: Arc<Gate>,
    repeatable: bool,
}

impl UnderWay {
    fn new(gate: Arc<Gate>, repeatable: bool) -> Self {
        if !repeatable {
            gate.count(|creating| creating.fetch_add(1, Ordering::SeqCst));
        }
        Self { gate, repeatable }
    }

    /// Drives the request as long as the gate is open; `None` if it closed meanwhile.
    pub async fn follow<T>(&self, request: impl Future<Output = T>) -> Option<T> {
        self.gate.through(request).await
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.repeatable {
            self.gate.count(|creating| creating.fetch_sub(1, Ordering::SeqCst));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{advance, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn leading(seconds: u32) -> Arc<Gate> {
        let gate = Gate::shut();
        gate.open_until(Moment::now().after(SECOND * seconds));
        gate
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_starts_without_a_lease_or_after_it() {
        assert!(Gate::open().begin(false).is_ok(), "a process that nobody stands by for always may");
        assert_eq!(Gate::shut().begin(true).unwrap_err(), Refused::Closed, "a standby sends nothing");
        let gate = leading(10);
        advance(SECOND * 9).await;
        assert!(gate.begin(false).is_ok());
        advance(SECOND).await;
        assert_eq!(
            gate.begin(true).unwrap_err(),
            Refused::Closed,
            "the lease is over, whether renewed by others or not"
        );
        gate.open_until(Moment::now().after(SECOND));
        assert!(gate.begin(true).is_ok(), "a renewal that arrived in time would have opened it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_slept_is_seen_by_the_wall_clock() {
        let now = Moment::now();
        let end = now.after(SECOND * 10);
        let woken = Moment { steady: now.steady + SECOND, wall: now.wall + SECOND * 60 };
        assert!(end.is_over(woken), "the steady clock stood still, the lease did not");
        let stopped = Moment { steady: now.steady + SECOND * 60, wall: now.wall };
        assert!(end.is_over(stopped), "a wall clock that was set back hides nothing");
        assert!(!end.is_over(now.after(SECOND * 9)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_dropped_when_it_would_go_on_too_late() {
        let gate = leading(10);
        let under_way = gate.begin(true).expect("the lease is ours");
        let slow = under_way.follow(async {
            sleep(SECOND * 11).await;
            panic!("what comes after the lease is never reached");
        });
        assert_eq!(slow.await, None::<()>);
        assert_eq!(gate.through(async { 1 }).await, None, "no other write passes either");
        assert_eq!(leading(10).through(async { 1 }).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_expired_lease_only_what_may_be_repeated_is_sent() {
        let gate = leading(1000);
        gate.hold_creates(SECOND * 60);
        assert!(gate.begin(true).is_ok(), "reads, edits and logins go on at once");
        assert_eq!(gate.begin(false).unwrap_err(), Refused::Later(SECOND * 60));
        assert_eq!(gate.creates_held(), Some(SECOND * 60));
        advance(SECOND * 60).await;
        assert!(gate.begin(false).is_ok(), "no request of the former leader can be under way any more");
        assert_eq!(gate.creates_held(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_lets_end_what_was_begun() {
        let gate = leading(10);
        let under_way = gate.begin(false).expect("the lease is ours");
        gate.drain();
        assert_eq!(gate.begin(true).unwrap_err(), Refused::Closed, "nothing new is started");
        assert_eq!(under_way.follow(async { 7 }).await, Some(7), "what was begun gets its answer");
        assert!(gate.is_creating());
        drop(under_way);
        assert!(!gate.is_creating(), "a request that is over no longer counts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_gate_within_another_needs_both() {
        let outer = leading(10);
        let inner = outer.shut_within();
        assert!(inner.begin(true).is_err());
        inner.open_until(Moment::now().after(SECOND * 100));
        let under_way = inner.begin(false).expect("both are open");
        assert!(outer.is_creating() && inner.is_creating(), "both know of it");
        assert!(outer.begin(true).is_ok());
        advance(SECOND * 10).await;
        assert!(inner.begin(true).is_err(), "the outer lease is over");
        assert_eq!(under_way.follow(pending::<()>()).await, None);
    }
}
