//! What was disturbed and when: by object while that matters, and by spans of a sixtieth of the window otherwise.

// the schema derive wraps each struct in a module of its own
#![allow(unreachable_pub)]

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Objects in the middle of what they do that are kept by name; of others a restart forgets that they are counted.
const BEGUN: usize = 100;
/// A status that says more devices than this is not believed: sums of such numbers would not fit.
const MOST: u64 = 1_000_000_000;
/// Spans of a window.
const SPANS: i64 = 60;

/// Before any window: an object in the middle of something that does not count any more.
const LONG_AGO: i64 = 0;

/// What a guard keeps across restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardState {
    /// Number of the last trip. An approval names it, so that it approves no later one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trip: i64,
    /// Changes wait for approval.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tripped: bool,
    /// Devices disturbed within the window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub done: Vec<Disturbed>,
    /// Objects that have begun something and take further calls for it, as digest, generation and devices: they are counted
    /// already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub begun: Vec<String>,
}

/// Devices disturbed in a sixtieth of the window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disturbed {
    /// When it began, RFC 3339.
    pub since: String,
    /// So many.
    pub devices: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(n: &i64) -> bool {
    *n == 0
}

impl GuardState {
    pub(super) fn trip(&self) -> u64 {
        u64::try_from(self.trip).unwrap_or_default()
    }

    /// Devices that it counts at that time, within a window of that length.
    pub fn counted(&self, window: Duration, now: Timestamp) -> u64 {
        Books::restore(self, window, now).done(now.as_second(), window)
    }
}

/// What one object did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    /// When it was sent, in seconds.
    pub(super) at: i64,
    /// Generation for which more calls follow; `None` once the object was in step again.
    pub(super) generation: Option<i64>,
    /// Devices that it disturbs.
    pub(super) devices: u64,
    /// Of these, disturbed by calls that were not refused.
    pub(super) sure: u64,
    /// Of those that are not sure, allowed by an approval.
    pub(super) approved: u64,
    /// Some were allowed by an approval, which says nothing of what another generation wants.
    pub(super) released: bool,
}

/// Everything that counts.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// By digest of the uid.
    objects: HashMap<u64, Done>,
    /// Devices by the beginning of their span, in seconds.
    spans: BTreeMap<i64, u64>,
}

impl Books {
    /// Devices disturbed within the window.
    pub(super) fn done(&self, now: i64, window: Duration) -> u64 {
        let objects = self.objects.values().filter(|done| !over(done.at, now, window));
        let spans = self.spans.iter().filter(|(at, _)| !span_over(**at, now, window));
        objects.map(|done| done.devices).sum::<u64>() + spans.map(|(_, n)| n).sum::<u64>()
    }

    /// Devices that are counted for an object, or were when it began what this generation says.
    pub(super) fn counted(&self, uid: &str, generation: i64, now: i64, window: Duration) -> u64 {
        let counts = |done: &&Done| {
            done.generation == Some(generation) || (!done.released && !over(done.at, now, window))
        };
        self.objects.get(&digest(uid)).filter(counts).map_or(0, |done| done.devices)
    }

    /// An object's call counts from now on; what was counted for it before does not count twice.
    pub(super) fn sent(&mut self, uid: &str, done: Done, window: Duration) {
        self.prune(done.at, window);
        let before = self.objects.get(&digest(uid)).copied();
        let before = before.filter(|b| !over(b.at, done.at, window) || b.generation == done.generation);
        let before = before.unwrap_or(Done { devices: 0, sure: 0, approved: 0, released: false, ..done });
        let approved = before.approved + done.approved;
        let devices = before.devices.max(done.devices);
        let released = done.approved > 0 || (before.released && before.generation == done.generation);
        self.objects.insert(digest(uid), Done { devices, sure: before.sure, approved, released, ..done });
    }

    pub(super) fn landed(&mut self, uid: &str) {
        if let Some(done) = self.objects.get_mut(&digest(uid)) {
            (done.sure, done.approved) = (done.devices, 0);
        }
    }

    /// Takes back what is not sure; returns how much of it was approved.
    pub(super) fn refund(&mut self, uid: &str) -> u64 {
        let key = digest(uid);
        let Some(done) = self.objects.get_mut(&key) else { return 0 };
        let approved = std::mem::take(&mut done.approved);
        done.devices = done.sure;
        if done.devices == 0 {
            self.objects.remove(&key);
        }
        approved
    }

    /// What the object had begun is done.
    pub(super) fn finish(&mut self, uid: &str, now: i64, window: Duration) {
        let key = digest(uid);
        let Some(done) = self.objects.get_mut(&key) else { return };
        done.generation = None;
        if over(done.at, now, window) {
            self.objects.remove(&key);
        }
    }

    /// So many devices more, of nobody in particular.
    pub(super) fn add(&mut self, now: i64, devices: u64, window: Duration) {
        self.prune(now, window);
        if devices > 0 {
            *self.spans.entry(span(now, window)).or_default() += devices;
        }
    }

    /// One device that was counted `at` that time is disturbed again.
    pub(super) fn move_on(&mut self, at: i64, now: i64, window: Duration) {
        let old = self.spans.get_mut(&span(at, window)).filter(|n| **n > 0);
        if let Some(n) = old {
            *n -= 1;
            self.add(now, 1, window);
        }
    }

    /// So many devices less, the latest first.
    pub(super) fn take_away(&mut self, mut devices: u64) {
        for n in self.spans.values_mut().rev() {
            let less = devices.min(*n);
            *n -= less;
            devices -= less;
        }
        self.spans.retain(|_, n| *n > 0);
    }

    fn prune(&mut self, now: i64, window: Duration) {
        self.objects.retain(|_, done| {
            let over = over(done.at, now, window);
            if over {
                done.at = LONG_AGO;
            }
            !over || done.generation.is_some()
        });
        self.spans.retain(|at, n| *n > 0 && !span_over(*at, now, window));
    }

    /// What is kept; `None` as long as there is nothing to tell. It moves with what is sent, not with time, until all of it
    /// is over.
    pub(super) fn state(&self, trip: u64, tripped: bool, now: i64, window: Duration) -> Option<GuardState> {
        let mut spans = self.spans.clone();
        for done in self.objects.values().filter(|done| done.at > LONG_AGO) {
            *spans.entry(span(done.at, window)).or_default() += done.devices;
        }
        spans.retain(|_, n| *n > 0);
        if spans.keys().all(|at| span_over(*at, now, window)) {
            spans.clear();
        }
        let mut begun: Vec<_> = self.objects.iter().filter(|(_, done)| done.generation.is_some()).collect();
        begun.sort_by_key(|(key, done)| (std::cmp::Reverse(done.at), **key));
        begun.truncate(BEGUN);
        let named = |(key, done): (&u64, &Done)| {
            format!("{key:016x}@{}={}", done.generation.unwrap_or_default(), done.devices)
        };
        let mut begun: Vec<_> = begun.into_iter().map(named).collect();
        begun.sort();
        let told = |(at, n): (i64, u64)| {
            let since = Timestamp::from_second(at).ok()?.to_string();
            Some(Disturbed { since, devices: i64::try_from(n).unwrap_or(i64::MAX) })
        };
        let state = GuardState {
            trip: i64::try_from(trip).unwrap_or(i64::MAX),
            tripped,
            done: spans.into_iter().filter_map(told).collect(),
            begun,
        };
        (state != GuardState::default()).then_some(state)
    }

    /// What somebody broke is left out; what lies in the future, because a clock was set back, counts as of now.
    pub(super) fn restore(state: &GuardState, window: Duration, now: Timestamp) -> Self {
        let mut books = Self::default();
        for Disturbed { since, devices } in &state.done {
            let Ok(at) = since.parse::<Timestamp>() else { continue };
            let at = at.min(now).as_second();
            let devices = u64::try_from(*devices).unwrap_or_default();
            *books.spans.entry(at).or_default() += devices.min(MOST);
        }
        for text in state.begun.iter().take(BEGUN) {
            let Some((key, generation, devices)) = parsed(text) else { continue };
            // it is among the counted ones, if they still count
            let of = books.spans.iter_mut().rev().find(|(_, n)| **n >= devices);
            let at = of.map_or(LONG_AGO, |(at, n)| {
                *n -= devices;
                *at
            });
            let done = Done {
                at,
                generation: Some(generation),
                devices,
                sure: devices,
                approved: 0,
                released: true,
            };
            books.objects.insert(key, done);
        }
        books.prune(now.as_second(), window);
        books
    }
}

fn parsed(text: &str) -> Option<(u64, i64, u64)> {
    let (key, rest) = text.split_once('@')?;
    let (generation, devices) = rest.split_once('=')?;
    let devices: u64 = devices.parse().ok()?;
    Some((u64::from_str_radix(key, 16).ok()?, generation.parse().ok()?, devices.min(MOST)))
}

fn digest(uid: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(uid).into();
    hash.into_iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(byte))
}

fn seconds(window: Duration) -> i64 {
    i64::try_from(window.as_secs()).unwrap_or(i64::MAX)
}

fn width(window: Duration) -> i64 {
    (seconds(window) / SPANS).max(1)
}

fn span(at: i64, window: Duration) -> i64 {
    at - at.rem_euclid(width(window))
}

fn over(at: i64, now: i64, window: Duration) -> bool {
    now.saturating_sub(at) > seconds(window)
}

/// A span counts until its end is.
fn span_over(at: i64, now: i64, window: Duration) -> bool {
    now.saturating_sub(at) >= seconds(window).saturating_add(width(window))
}
