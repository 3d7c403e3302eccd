//! Corrections that emnify accepted and that did not stay: it trims a value, answers and does nothing, or somebody else
//! sets it back. The same correction is not sent for ever.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use jiff::Timestamp;

use crate::{kind::Change, session::pause};

/// Needed again within this time, a correction was undone; later, it is another story. Longer than two listings are apart:
/// what was never carried out is found by nothing else.
const ROW: Duration = Duration::from_secs(1_800);
/// Undone so often in a row, it is sent again only rarely.
const TIMES: u32 = 3;

/// One correction of one object, accepted at least once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    times: u32,
    /// Seconds since 1970, as the next; nothing is sent before.
    until: i64,
    /// Needed again after this, it begins a row of its own.
    over: i64,
}

impl Accepted {
    /// Accepted now, after what is remembered of it.
    pub(crate) fn again(before: Option<Self>, now: Timestamp) -> Self {
        let before = before.filter(|before| !before.is_over(now));
        let times = before.map_or(1, |before| before.times.saturating_add(1));
        let rest = times.checked_sub(TIMES).map_or(Duration::ZERO, |more| pause::slow_net(more + 1));
        let until = pause::after(now, rest);
        Self { times, until: until.as_second(), over: pause::after(until, rest.max(ROW)).as_second() }
    }

    /// Until when it is not sent again, if it was undone too often.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = Timestamp::from_second(self.until).ok()?;
        (self.times >= TIMES && until > now).then_some(until)
    }

    /// It stayed for long enough.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        now.as_second() >= self.over
    }
}

/// Which correction it is: what it sets, whatever was there before.
pub(crate) fn correction<C: Change>(change: &C) -> u64 {
    let mut hasher = DefaultHasher::new();
    change.request().hash(&mut hasher);
    hasher.finish()
}

/// What people are told of it.
pub(crate) fn message<C: Change>(change: &C) -> String {
    let fields: Vec<String> = change
        .fields()
        .iter()
        .map(|f| format!("{}: emnify accepted \"{}\" and shows \"{}\"", f.path, f.new, f.old))
        .collect();
    let what = if fields.is_empty() { format!("{change}: emnify accepted it") } else { fields.join("; ") };
    format!(
        "{what}, {TIMES} times in a row; write the value as emnify shows it, find out who sets it back, or add the field \
         to ignoreFields"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::ToyChange;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn the_third_time_in_a_row_is_the_last_for_a_while() {
        let first = Accepted::again(None, at(0));
        let second = Accepted::again(Some(first), at(50));
        assert_eq!(
            (first.until(at(1)), second.until(at(51))),
            (None, None),
            "it may have been somebody's slip"
        );
        let third = Accepted::again(Some(second), at(100));
        let rest = third.until(at(101)).unwrap().as_second() - 100;
        assert!((540..=660).contains(&rest), "tried again after ten minutes, not {rest} s");
        let fourth = Accepted::again(Some(third), at(800));
        assert!(fourth.until(at(801)).unwrap().as_second() - 800 > 1_000, "and after twenty");
    }

    #[test]
    fn what_stayed_for_long_begins_anew() {
        let twice = Accepted::again(Some(Accepted::again(None, at(0))), at(50));
        assert_eq!(
            Accepted::again(Some(twice), at(4_000)).times,
            1,
            "drift once a day is corrected for ever"
        );
    }

    #[test]
    fn it_is_the_same_correction_whatever_was_there_before() {
        let rename = |old: &str, new: &str| correction(&ToyChange::Rename(old.into(), new.into()));
        assert_eq!(rename("a", "c"), rename("b", "c"));
        assert_ne!(rename("a", "c"), rename("a", "d"));
        assert_ne!(correction(&ToyChange::Tag(1)), correction(&ToyChange::Tag(2)));
    }
}
