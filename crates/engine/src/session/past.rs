//! What an earlier process, or an earlier call, may still have under way, and what it made: the same for objects and
//! sets.
//!
//! Two clocks are told apart. Listings and sends are timed by this machine; what emnify made is dated by emnify, and an
//! intent is dated as emnify would date what it makes.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{KindState, Session, caller::Caller};
use crate::kind::{Managed, spec::Intent};

/// A create that got no answer is accounted for only by a listing that began this long after it was sent: the
/// request timeout and the gateway's own.
const SEND_DEADLINE: SignedDuration = SignedDuration::from_secs(90);
/// emnify may round `created` by a second, and what is known of its clock is as old as its last answer.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// A listing that is needed is looked for again after this time.
const LISTING: SignedDuration = SignedDuration::from_secs(5);

/// What is told of changes that wait for a former leader's.
pub(crate) const FORMER_LEADER: &str = "waits until the requests of the former leader have ended";

/// A create sent at this time is accounted for by a listing begun after that.
pub(crate) fn proof(sent: Timestamp) -> Timestamp {
    sent.saturating_add(SEND_DEADLINE).unwrap_or(sent)
}

/// What a create made that was set out on at this time appeared then or later; both times are emnify's.
pub(crate) fn appeared(since: Timestamp) -> Timestamp {
    since.saturating_sub(SKEW).unwrap_or(since)
}

/// A time of this machine, by emnify's clock.
pub(crate) fn by_emnify(session: &Session, at: Timestamp, now: Timestamp) -> Timestamp {
    let ahead = session.server_time().duration_since(now);
    at.saturating_add(ahead).unwrap_or(at)
}

/// When this process, which reconciles since `opened`, began to act in the session. Whatever intent it inherited was sent before, however long after it was
/// recorded.
pub(crate) fn acts_since(opened: Option<Instant>, session: &Session, now: Timestamp) -> Timestamp {
    let opened = opened.unwrap_or_else(Instant::now);
    let since = opened.max(session.began);
    now.saturating_sub(SignedDuration::try_from(since.elapsed()).unwrap_or_default()).unwrap_or(now)
}

/// Until when changes that must not be done twice have to wait for what a former leader may have under way. A create
/// also needs a listing begun after that: what was made meanwhile is in no earlier one.
pub(crate) fn blocked_until<K: Managed>(
    caller: &Caller,
    kind_state: &KindState<K>,
    creates: bool,
    now: Timestamp,
) -> Option<Timestamp> {
    let from = caller.client.creates_from()?;
    let rest = from.saturating_duration_since(Instant::now());
    if !rest.is_zero() {
        return now.checked_add(SignedDuration::try_from(rest).ok()?).ok();
    }
    let over = SignedDuration::try_from(from.elapsed()).ok()?;
    let end = now.saturating_sub(over).unwrap_or(now);
    if !creates || kind_state.mirror.complete_since().is_some_and(|listed| listed >= end) {
        return None;
    }
    kind_state.sweep.notify_one();
    now.checked_add(LISTING).ok()
}

/// From when on a reading that shows no trace of what an earlier process may have sent is believed: by then its requests have ended,
/// and took effect or did not.
pub(crate) fn believed_from(
    opened: Option<Instant>,
    session: &Session,
    caller: &Caller,
    now: Timestamp,
) -> Timestamp {
    let began = proof(acts_since(opened, session, now));
    let rest = caller.client.creates_from().map(|from| from.saturating_duration_since(Instant::now()));
    let rest = rest.filter(|rest| !rest.is_zero()).and_then(|rest| SignedDuration::try_from(rest).ok());
    rest.and_then(|rest| now.checked_add(rest).ok()).map_or(began, |ended| began.max(ended))
}

/// An intent for a create that is about to be sent, dated by emnify's clock.
pub(crate) fn new_intent(session: &Session) -> Intent {
    let nonce = data_encoding::BASE32_NOPAD.encode(&rand::random::<[u8; 10]>()).to_lowercase();
    let now = session.server_time();
    let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Intent { nonce, since: since.to_string() }
}
