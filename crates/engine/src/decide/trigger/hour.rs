//! How many devices a trigger may still have this hour. The hour slides, and is counted in parts, so that a status holds it.

use jiff::{SignedDuration, Timestamp};

use crate::kind::trigger::{PARTS, Recent};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How long a part is: an hour and the part that it begins in are never more than a status holds.
const PART: i64 = 6 * 60;

/// The part that `at` is in.
fn part(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(PART) * PART).unwrap_or(at)
}

/// When a part counts no more: an hour after the last device that may be in it.
fn over(recent: &Recent) -> Option<Timestamp> {
    let since: Timestamp = recent.since.parse().ok()?;
    since.checked_add(HOUR).ok()?.checked_add(SignedDuration::from_secs(PART)).ok()
}

/// Devices that may still have something done this hour.
pub(crate) fn room(recent: &[Recent], most: u64, now: Timestamp) -> u64 {
    let counts = recent.iter().filter(|part| over(part).is_some_and(|over| over > now));
    let used: i64 = counts.map(|part| part.targets).sum();
    most.saturating_sub(used.unsigned_abs())
}

/// Counts devices; what is over goes.
pub(crate) fn count(recent: &mut Vec<Recent>, targets: usize, now: Timestamp) {
    recent.retain(|part| over(part).is_some_and(|over| over > now));
    let since = part(now).to_string();
    let targets = i64::try_from(targets).unwrap_or(i64::MAX);
    match recent.iter_mut().find(|part| part.since == since) {
        Some(part) => part.targets = part.targets.saturating_add(targets),
        None if targets > 0 => recent.push(Recent { since, targets }),
        None => {}
    }
    // a clock that went back leaves parts of a time to come
    let more = recent.len().saturating_sub(PARTS);
    recent.drain(..more);
}

/// When there is room again, while there is none.
pub(crate) fn relief(recent: &[Recent], most: u64, now: Timestamp) -> Option<Timestamp> {
    if room(recent, most, now) > 0 {
        return None;
    }
    recent.iter().filter_map(over).filter(|over| *over > now).min()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn no_hour_has_more_than_the_limit_and_the_status_stays_small() {
        let mut random = StdRng::seed_from_u64(7);
        let (mut recent, mut all, mut now) = (Vec::new(), Vec::new(), 1_000_000);
        for _ in 0..2_000 {
            now += random.random_range(0..240);
            let wanted = random.random_range(0..30);
            let room = room(&recent, 100, at(now));
            let taken = wanted.min(room);
            count(&mut recent, usize::try_from(taken).unwrap(), at(now));
            all.push((now, taken));
            let hour: u64 = all.iter().filter(|(when, _)| *when > now - 3600).map(|(_, taken)| taken).sum();
            assert!(hour <= 100, "{hour} within an hour");
            assert!(recent.len() <= PARTS, "{recent:?}");
            // what is written down and read again is the same
            let text = serde_json::to_string(&recent).unwrap();
            recent = serde_json::from_str(&text).unwrap();
        }
        assert!(all.iter().map(|(_, taken)| taken).sum::<u64>() > 5_000, "it opens again and again");
    }

    #[test]
    fn there_is_room_again_an_hour_and_a_part_later() {
        let mut recent = Vec::new();
        count(&mut recent, 100, at(1_000_000));
        assert_eq!(room(&recent, 100, at(1_003_000)), 0);
        let relief = relief(&recent, 100, at(1_003_000)).unwrap();
        assert_eq!(room(&recent, 100, relief), 100);
        assert!(relief.as_second() <= 1_000_000 + 3600 + PART);
    }
}
