//! A limit on how many devices may be disturbed in a window of time.
//!
//! One object counts once, for as many devices as the largest of its changes touches, however many calls it takes. The
//! type knows nothing of sessions or clusters: whoever owns it gives it what was kept ([`Guard::restore`]), keeps what
//! it says ([`Guard::state`]) and says so ([`Guard::kept`]). While somebody keeps its books, a call that disturbs is sent only
//! after it was written down ([`Guard::written`]), so that a process that dies again and again has the same limit.

mod books;

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use sha2::{Digest, Sha256};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use self::books::{Books, Done};
pub use self::books::{Disturbed, GuardState};

/// What a workspace allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardLimit {
    /// Devices that may be deleted, disabled, suspended, activated, cut off or re-priced.
    pub devices: u64,
    /// In this time.
    pub window: Duration,
}

impl Default for GuardLimit {
    fn default() -> Self {
        Self { devices: 100, window: Duration::from_secs(600) }
    }
}

/// What one object wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wish {
    /// Generation of the object that wants it: another edit is another wish, and so is a deletion.
    generation: i64,
    /// Devices that it disturbs, beyond those that are counted for it.
    devices: u64,
    /// What the object was told would be disturbed in all, when it was first held back.
    told: Option<u64>,
}

/// What is left of an approval.
#[derive(Clone, Copy, Debug)]
struct Release {
    generation: i64,
    left: u64,
    granted: u64,
}

/// The guard allows no change of the object now. Prints itself for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tripped {
    /// Devices that would be disturbed within the window.
    pub total: u64,
    /// Those of them that are the object's.
    pub more: u64,
    /// What the workspace allows.
    pub limit: GuardLimit,
    /// The workspace, for people; empty where nobody said.
    pub whose: String,
}

#[cfg(test)]
impl Tripped {
    /// One that keeps back three devices.
    pub(crate) fn of_three() -> Self {
        Self { total: 101, more: 3, limit: GuardLimit::default(), whose: "Workspace fleet/a".into() }
    }
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GuardLimit { devices, window } = self.limit;
        let (total, more) = (count(self.total), count(self.more));
        let whose = if self.whose.is_empty() { "the workspace" } else { &self.whose };
        write!(
            f,
            "{total} would be disturbed within {}, {more} of them by this object, and maxDevices of {whose} is {devices}; its \
             condition GuardTripped says how to approve",
            humane(window)
        )
    }
}

/// Why a tripped guard holds changes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// Names what waits, and this trip; `None` after a restart, until somebody asked again.
    pub hash: Option<String>,
    /// Devices disturbed within the window when it tripped.
    pub done: u64,
    /// Devices that would be disturbed by what waits.
    pub asked: u64,
    /// Objects that wait.
    pub objects: usize,
    /// The limit.
    pub limit: GuardLimit,
}

#[derive(Debug, Default)]
struct Inner {
    limit: GuardLimit,
    /// The workspace it belongs to, for people.
    whose: String,
    books: Books,
    pending: BTreeMap<String, Wish>,
    released: BTreeMap<String, Release>,
    /// Number of the last trip.
    trip: u64,
    /// All that is pending waits for approval; it holds what was done when it tripped.
    tripped: Option<u64>,
    /// It had tripped before this process began: until then those that were held back may not have asked again.
    recalled: Option<Instant>,
    /// Wall clock and process clock when the first was looked at: from then on only the second counts.
    started: Option<(Timestamp, Instant)>,
    /// Moves with everything that is to be kept.
    version: u64,
    /// What has to be kept before anything else is sent.
    needed: u64,
    keeps: bool,
}

/// Who was held back before a restart asks again within this time.
const RECALL: Duration = Duration::from_secs(600);
/// A call waits so long for what it does to be written down.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts disturbances of one workspace's objects: those asked for plus those done within the window.
#[derive(Debug)]
pub struct Guard {
    inner: Mutex<Inner>,
    kept: watch::Sender<u64>,
    moved: watch::Sender<u64>,
    /// Held from [`Guard::state`] until that state is kept: an older one never overwrites a later one.
    pub pen: tokio::sync::Mutex<()>,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            kept: watch::Sender::new(0),
            moved: watch::Sender::new(0),
            pen: tokio::sync::Mutex::default(),
        }
    }
}

impl Guard {
    /// Changes the limit. `whose`: the workspace whose limit it is, for people.
    pub fn set_limit(&self, limit: GuardLimit, whose: &str) {
        let mut inner = self.lock();
        inner.limit = limit;
        whose.clone_into(&mut inner.whose);
    }

    /// Goes on from what was kept, unless it has begun already. From now on nothing is sent before it was kept.
    pub fn restore(&self, state: Option<&GuardState>, now: Timestamp) {
        let mut inner = self.lock();
        inner.keeps = true;
        if inner.started.is_some() {
            return;
        }
        inner.started = Some((now, Instant::now()));
        let Some(state) = state else { return };
        let limit = inner.limit;
        inner.books = Books::restore(state, limit.window, now);
        inner.trip = state.trip();
        if state.tripped {
            inner.tripped = Some(inner.books.done(now.as_second(), limit.window));
            inner.recalled = Some(Instant::now());
        }
    }

    /// May the object disturb `devices` now, for what its `generation` says? Otherwise the text for people. `devices` is
    /// the most that one of its changes touches.
    pub fn ask(&self, uid: &str, generation: i64, devices: u64) -> Result<(), Tripped> {
        let mut inner = self.lock();
        let counted = inner.counted(uid, generation);
        self.grant(&mut inner, uid, generation, devices.saturating_sub(counted))
    }

    /// The same for an object that stands for many devices and knows which of them are counted: `more` are not.
    pub fn ask_more(&self, uid: &str, generation: i64, more: u64) -> Result<(), Tripped> {
        let mut inner = self.lock();
        if more == 0 {
            // it wants nothing any more, so it holds up nobody else either
            self.drop_wish(&mut inner, uid);
        }
        self.grant(&mut inner, uid, generation, more)
    }

    fn grant(&self, inner: &mut Inner, uid: &str, generation: i64, more: u64) -> Result<(), Tripped> {
        if more == 0 {
            return Ok(());
        }
        let covers = |r: &Release| r.generation == generation && r.left >= more;
        if inner.released.get(uid).is_some_and(covers) {
            return Ok(());
        }
        inner.forget_recalled();
        let done = inner.done();
        let before = inner.pending.get(uid).copied();
        let told = before.filter(|w| (w.generation, w.devices) == (generation, more)).and_then(|w| w.told);
        let wish = Wish { generation, devices: more, told };
        inner.pending.insert(uid.to_owned(), wish);
        let total = done + inner.asked();
        if total <= inner.limit.devices && inner.tripped.is_none() {
            return Ok(());
        }
        if inner.tripped.is_none() {
            inner.trip += 1;
            inner.tripped = Some(done);
        }
        if before != inner.pending.get(uid).copied() || told.is_none() {
            inner.version += 1;
            self.moved.send_replace(inner.version);
        }
        let total = told.unwrap_or(total);
        if let Some(wish) = inner.pending.get_mut(uid) {
            wish.told = Some(total);
        }
        Err(Tripped { total, more, limit: inner.limit, whose: inner.whose.clone() })
    }

    /// A call that disturbs so many devices of the object is about to be sent. It counts until [`Guard::refund`] says that it
    /// certainly did nothing.
    pub fn sent(&self, uid: &str, generation: i64, devices: u64) {
        if devices == 0 {
            return;
        }
        let mut inner = self.lock();
        let more = devices.saturating_sub(inner.counted(uid, generation));
        let approved = self.take(&mut inner, uid, generation, more);
        let (now, window) = (inner.now(), inner.limit.window);
        inner.books.sent(
            uid,
            Done {
                at: now,
                generation: Some(generation),
                devices,
                sure: 0,
                approved,
                released: approved > 0,
            },
            window,
        );
        self.spent(&mut inner, more, approved);
    }

    /// The same for an object that stands for many devices: `more` are new, and others were counted at these times. True if
    /// an approval allowed some of them, which says nothing of what another generation wants.
    pub fn sent_more(&self, uid: &str, generation: i64, more: u64, again: &[Timestamp]) -> bool {
        if more == 0 && again.is_empty() {
            return false;
        }
        let mut inner = self.lock();
        let approved = self.take(&mut inner, uid, generation, more);
        let (now, window) = (inner.now(), inner.limit.window);
        for at in again {
            inner.books.move_on(at.as_second(), now, window);
        }
        inner.books.add(now, more, window);
        self.spent(&mut inner, more, approved);
        approved > 0
    }

    /// The call took effect, or nobody knows: it counts.
    pub fn landed(&self, uid: &str) {
        self.lock().books.landed(uid);
    }

    /// The call certainly did nothing, and neither did an earlier one that was not sure.
    pub fn refund(&self, uid: &str) {
        let mut inner = self.lock();
        let approved = inner.books.refund(uid);
        inner.give_back(uid, approved);
        inner.version += 1;
    }

    /// The same for an object that stands for many devices: so many of them were not disturbed after all.
    pub fn refund_more(&self, uid: &str, devices: u64) {
        let mut inner = self.lock();
        inner.books.take_away(devices);
        inner.give_back(uid, devices);
        inner.version += 1;
    }

    /// Waits until what was sent is written down where a restart finds it; false if that takes too long. What was approved
    /// needs no limit, and does not wait.
    pub async fn written(&self) -> bool {
        let needed = {
            let inner = self.lock();
            if !inner.keeps {
                return true;
            }
            inner.needed
        };
        let mut kept = self.kept.subscribe();
        // the sender lives as long as the guard
        timeout(PATIENCE, kept.wait_for(|version| *version >= needed)).await.is_ok_and(|kept| kept.is_ok())
    }

    /// The object does not want it any more; what it has begun still counts as begun.
    pub fn withdraw(&self, uid: &str) {
        self.drop_wish(&mut self.lock(), uid);
    }

    /// The object waits for something else. It holds up nobody meanwhile, but what is held back for approval stays so: or
    /// a moment in which nothing can be said of it would end the trip.
    pub fn pause(&self, uid: &str, generation: i64) {
        let mut inner = self.lock();
        let waits = inner.pending.get(uid).is_some_and(|wish| wish.generation == generation);
        if inner.tripped.is_none() || !waits {
            self.drop_wish(&mut inner, uid);
        }
    }

    /// The object is in step, or gone: whatever it wants later is another wish.
    pub fn finish(&self, uid: &str) {
        let mut inner = self.lock();
        self.drop_wish(&mut inner, uid);
        inner.released.remove(uid);
        let (now, window) = (inner.now(), inner.limit.window);
        inner.books.finish(uid, now, window);
    }

    /// Releases what waits, once, if `approval` names it; true if it did.
    pub fn approve(&self, approval: &str) -> bool {
        let mut inner = self.lock();
        if inner.hash().is_none_or(|hash| hash != approval) {
            return false;
        }
        let waiting = std::mem::take(&mut inner.pending);
        let release = |(uid, Wish { generation, devices, .. }): (String, Wish)| {
            (uid, Release { generation, left: devices, granted: devices })
        };
        inner.released.extend(waiting.into_iter().map(release));
        self.reset(&mut inner);
        true
    }

    /// Why changes are held back, while they are.
    pub fn tripped(&self) -> Option<Trip> {
        let inner = self.lock();
        let done = inner.tripped?;
        let (asked, objects) = (inner.asked(), inner.pending.len());
        Some(Trip { hash: inner.hash(), done, asked, objects, limit: inner.limit })
    }

    /// What has to outlive the process, and the version to name when it was [kept](Guard::kept).
    pub fn state(&self) -> (Option<GuardState>, u64) {
        let mut inner = self.lock();
        inner.forget_recalled();
        let (now, window) = (inner.now(), inner.limit.window);
        let state = inner.books.state(inner.trip, inner.tripped.is_some(), now, window);
        (state, inner.version)
    }

    /// The state of this version is where a restart finds it.
    pub fn kept(&self, version: u64) {
        self.kept.send_if_modified(|kept| std::mem::replace(kept, version.max(*kept)) < version);
    }

    /// Follows what is to be kept soon, or shown: calls that wait to be written down, and trips.
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Length of its window.
    pub fn window(&self) -> Duration {
        self.lock().limit.window
    }

    /// What the wish no longer asks for, because it is sent; returns how much of it was approved.
    fn take(&self, inner: &mut Inner, uid: &str, generation: i64, more: u64) -> u64 {
        let mut approved = 0;
        if let Some(release) = inner.released.get_mut(uid).filter(|r| r.generation == generation) {
            approved = release.left.min(more);
            release.left -= approved;
        }
        if let Some(wish) = inner.pending.get_mut(uid) {
            wish.devices = wish.devices.saturating_sub(more);
            if wish.devices == 0 {
                self.drop_wish(inner, uid);
            }
        }
        approved
    }

    fn spent(&self, inner: &mut Inner, more: u64, approved: u64) {
        inner.version += 1;
        if more > approved {
            inner.needed = inner.version;
            self.moved.send_replace(inner.version);
        }
    }

    fn drop_wish(&self, inner: &mut Inner, uid: &str) {
        let dropped = inner.pending.remove(uid).is_some();
        if dropped && inner.tripped.is_some() {
            if inner.pending.is_empty() {
                return self.reset(inner);
            }
            inner.version += 1;
            self.moved.send_replace(inner.version);
        }
    }

    fn reset(&self, inner: &mut Inner) {
        (inner.tripped, inner.recalled) = (None, None);
        inner.version += 1;
        self.moved.send_replace(inner.version);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    /// Seconds of the wall clock as it stood at the start, moved on by the process clock: setting the clock moves no window.
    fn now(&mut self) -> i64 {
        let (wall, start) = *self.started.get_or_insert_with(|| (Timestamp::now(), Instant::now()));
        let passed = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::MAX);
        wall.saturating_add(passed).unwrap_or(wall).as_second()
    }

    fn done(&mut self) -> u64 {
        let now = self.now();
        self.books.done(now, self.limit.window)
    }

    fn asked(&self) -> u64 {
        self.pending.values().map(|wish| wish.devices).sum()
    }

    /// Devices that are counted for the object, or were when it began what it is at.
    fn counted(&mut self, uid: &str, generation: i64) -> u64 {
        let now = self.now();
        self.books.counted(uid, generation, now, self.limit.window)
    }

    fn give_back(&mut self, uid: &str, devices: u64) {
        if let Some(release) = self.released.get_mut(uid) {
            release.left = (release.left + devices).min(release.granted);
        }
    }

    /// After a restart nobody asked again for what was held back.
    fn forget_recalled(&mut self) {
        let over = self.recalled.is_some_and(|at| at.elapsed() >= RECALL);
        if over && self.pending.is_empty() {
            (self.tripped, self.recalled) = (None, None);
            self.version += 1;
        }
    }

    fn hash(&self) -> Option<String> {
        self.tripped.filter(|_| !self.pending.is_empty())?;
        let mut text = format!("trip {}\n", self.trip);
        for (uid, Wish { generation, devices, .. }) in &self.pending {
            // writing to a string cannot fail
            let _ok = writeln!(text, "{uid}@{generation}={devices}");
        }
        Some(data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..6]))
    }
}

fn count(devices: u64) -> String {
    format!("{devices} {}", if devices == 1 { "device" } else { "devices" })
}

/// A duration as specs write it.
pub fn humane(window: Duration) -> String {
    match window.as_secs() {
        s if s > 0 && s % 3600 == 0 => format!("{}h", s / 3600),
        s if s > 0 && s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests;
