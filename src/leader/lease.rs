//! What a `Lease` says, and what is written into it: pure.
//!
//! The rules are those of client-go: a lease has expired when it did not change for its duration as seen on our own
//! clock; times written by others are never compared with it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use tokio::time::Instant;

/// Annotation of a lease that was released while requests that must not be repeated were still under way.
pub const UNFINISHED: &str = "emnify.io/unfinished";

/// How a lease came to be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nobody held it before.
    Nobody,
    /// We hold it already, as far as the API server knows.
    Ourselves,
    /// Its holder let go of it with nothing under way.
    Released,
    /// Its holder let go of it with requests under way.
    Unfinished,
    /// Its holder was not heard of for its duration, and may not have noticed.
    Expired,
}

/// How a lease stands for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be taken.
    Free(Before),
    /// Somebody else holds it; unless it changes, no longer than this.
    Held(Duration),
}

/// Watches one lease on our own clock.
#[derive(Debug, Default)]
pub struct Observer(Option<(LeaseSpec, Instant)>);

impl Observer {
    /// How the lease stands, as just read. `fallback` is the duration of a lease that names none.
    pub fn look(&mut self, lease: &Lease, me: &str, fallback: Duration, now: Instant) -> Standing {
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = holder(lease);
        if holder == Some(me) {
            return Standing::Free(Before::Ourselves);
        }
        if holder.is_none() {
            let unfinished =
                lease.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(UNFINISHED));
            return Standing::Free(if unfinished { Before::Unfinished } else { Before::Released });
        }
        let duration = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let duration = duration.map_or(fallback, Duration::from_secs);
        let since = match &self.0 {
            Some((seen, since)) if *seen == spec => *since,
            _ => self.0.insert((spec, now)).1,
        };
        match duration.saturating_sub(now.duration_since(since)) {
            Duration::ZERO => Standing::Free(Before::Expired),
            rest => Standing::Held(rest),
        }
    }
}

/// Who holds a lease; a released one names nobody.
pub fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// The lease held by us, taken or renewed. Everything else about it stays, so that its version guards the write.
pub fn held(mut lease: Lease, me: &str, duration: Duration, now: Timestamp) -> Lease {
    let ours = holder(&lease) == Some(me);
    let spec = lease.spec.get_or_insert_default();
    spec.lease_duration_seconds = Some(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX));
    spec.renew_time = Some(MicroTime(now));
    if !ours {
        // a lease that nobody ever held has no transitions yet
        spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |n| n.saturating_add(1)));
        spec.holder_identity = Some(me.to_owned());
        spec.acquire_time = Some(MicroTime(now));
        if let Some(annotations) = &mut lease.metadata.annotations {
            annotations.remove(UNFINISHED);
        }
    }
    lease
}

/// The lease let go of.
pub fn released(mut lease: Lease, unfinished: bool, now: Timestamp) -> Lease {
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
    lease.spec = Some(LeaseSpec {
        lease_duration_seconds: Some(1),
        lease_transitions: transitions,
        renew_time: Some(MicroTime(now)),
        ..LeaseSpec::default()
    });
    if unfinished {
        let annotations = lease.metadata.annotations.get_or_insert_default();
        annotations.insert(UNFINISHED.to_owned(), "true".to_owned());
    }
    lease
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(15);
    const SECOND: Duration = Duration::from_secs(1);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a second of this century")
    }

    fn lease_of(who: &str) -> Lease {
        held(Lease::default(), who, DURATION, at(0))
    }

    #[test]
    fn a_lease_expires_when_it_did_not_change_on_our_own_clock() {
        let start = Instant::now();
        let mut observer = Observer::default();
        let mut look = |lease: &Lease, after: u32| observer.look(lease, "b", SECOND, start + SECOND * after);
        let first = lease_of("a");
        assert_eq!(look(&first, 0), Standing::Held(DURATION), "its times, long past, are not looked at");
        assert_eq!(look(&first, 14), Standing::Held(SECOND));
        let renewed = held(first, "a", DURATION, at(1));
        assert_eq!(look(&renewed, 14), Standing::Held(DURATION), "any change starts the time anew");
        assert_eq!(look(&renewed, 28), Standing::Held(SECOND));
        assert_eq!(look(&renewed, 29), Standing::Free(Before::Expired));
    }

    #[test]
    fn the_holders_duration_counts_not_ours() {
        let mut observer = Observer::default();
        let lease = held(Lease::default(), "a", DURATION * 2, at(0));
        let standing = observer.look(&lease, "b", SECOND, Instant::now());
        assert_eq!(
            standing,
            Standing::Held(DURATION * 2),
            "an operator with other flags is waited for as it expects"
        );
    }

    #[test]
    fn a_released_lease_is_free_at_once_and_says_what_was_left() {
        let mut observer = Observer::default();
        let mut look = |lease: &Lease| observer.look(lease, "b", DURATION, Instant::now());
        let clean = released(lease_of("a"), false, at(9));
        assert_eq!(look(&clean), Standing::Free(Before::Released));
        let cut_short = released(lease_of("a"), true, at(9));
        assert_eq!(look(&cut_short), Standing::Free(Before::Unfinished));
        let taken = held(cut_short, "b", DURATION, at(10));
        let taken = released(taken, false, at(11));
        assert_eq!(look(&taken), Standing::Free(Before::Released), "the note goes with the next holder");
        assert_eq!(look(&lease_of("b")), Standing::Free(Before::Ourselves));
    }

    #[test]
    fn transitions_count_holders_not_renewals() {
        let transitions = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        let first = lease_of("a");
        assert_eq!(transitions(&first), Some(0));
        let renewed = held(first, "a", DURATION, at(1));
        assert_eq!(transitions(&renewed), Some(0));
        let acquired = renewed.spec.as_ref().and_then(|spec| spec.acquire_time.clone());
        assert_eq!(acquired, Some(MicroTime(at(0))), "a renewal keeps the time of the beginning");
        let second = held(released(renewed, false, at(2)), "b", DURATION, at(3));
        assert_eq!(transitions(&second), Some(1));
        assert_eq!(holder(&second), Some("b"));
    }
}
