//! How many changes share a call, and who may share one after a call failed.

use std::time::Duration;

/// A call should take about this long while people edit: an edit waits for the call under way, whatever that carries.
pub(crate) const AIM: Duration = Duration::from_millis(500);
/// The same while nobody edits: fewer calls, whatever the machine and the API take for each.
const CALM_AIM: Duration = Duration::from_secs(2);
/// Smaller batches would not make a call faster: the way there and back takes its time.
const LEAST: usize = 50;
/// What is tried first, before anything was measured.
const FIRST: usize = 1000;

/// The size of batches, from how long the last ones took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    edited: usize,
    calm: usize,
    most: usize,
}

impl Pace {
    /// A pace for calls that may carry `most` changes.
    pub(crate) fn new(most: usize) -> Self {
        let first = FIRST.clamp(1, most.max(1));
        Self { edited: first, calm: first, most: most.max(1) }
    }

    /// Changes for the next call, while people edit or not.
    pub(crate) fn size(self, edits: bool) -> usize {
        if edits { self.edited } else { self.calm }
    }

    /// A call of `items` changes took `time`.
    pub(crate) fn took(&mut self, items: usize, time: Duration) {
        for (size, aim) in [(&mut self.edited, AIM), (&mut self.calm, CALM_AIM)] {
            *size = next(*size, self.most, aim, (items, time));
        }
    }
}

/// A call much smaller than the size tells nothing of what a full one would take, unless it was too slow already. Growth is
/// at most twofold, so that one lucky call is not believed.
fn next(size: usize, most: usize, aim: Duration, (items, time): (usize, Duration)) -> usize {
    if items == 0 || (items * 2 < size && time <= aim) {
        return size;
    }
    let fit = if time.is_zero() { most } else { scaled(items, time, aim) };
    fit.clamp(LEAST, size.saturating_mul(2).max(LEAST)).min(most)
}

/// How many changes would have taken `aim`, if `items` took `time`.
fn scaled(items: usize, time: Duration, aim: Duration) -> usize {
    let items = u128::try_from(items).unwrap_or(u128::MAX);
    usize::try_from(items.saturating_mul(aim.as_nanos()) / time.as_nanos().max(1)).unwrap_or(usize::MAX)
}

/// Who shares a call with whom after one failed for what may be the fault of a single item: the batch is halved until
/// the culprit is alone, and everyone else gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryGroup(u64);

impl std::fmt::Display for RetryGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Hands out retry groups.
#[derive(Debug, Default)]
pub struct RetryGroups(std::sync::atomic::AtomicU64);

impl RetryGroups {
    /// The retry group of each of `items` items of a failed batch, in order: two halves, or one that stays alone.
    pub fn halve(&self, items: usize) -> Vec<RetryGroup> {
        let (first, second) = (self.next(), self.next());
        let middle = items.div_ceil(2);
        (0..items).map(|i| if i < middle { first } else { second }).collect()
    }

    /// [`RetryGroups::halve`] where the error may as well be about all of them: so many go alone and find out.
    pub(crate) fn halve_behind(&self, scouts: usize, items: usize) -> Vec<RetryGroup> {
        let scouts = scouts.min(items.saturating_sub(2));
        let mut all: Vec<RetryGroup> = (0..scouts).map(|_| self.next()).collect();
        all.extend(self.halve(items - scouts));
        all
    }

    fn next(&self) -> RetryGroup {
        RetryGroup(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn batches_grow_until_a_call_takes_half_a_second_and_shrink_when_it_takes_longer() {
        let mut pace = Pace::new(2000);
        assert_eq!(pace.size(true), 1000, "nothing is known yet");
        pace.took(1000, Duration::from_millis(20));
        assert_eq!(pace.size(true), 2000, "at most twofold");
        pace.took(2000, Duration::from_millis(200));
        assert_eq!(pace.size(true), 2000, "never more than the API takes");
        pace.took(2000, Duration::from_secs(2));
        assert_eq!(pace.size(true), 500, "one millisecond each");
        pace.took(400, Duration::from_secs(60));
        assert_eq!(pace.size(true), LEAST, "smaller ones are not faster");
        assert_eq!(Pace::new(10).size(true), 10, "a kind that takes less gets less");
    }

    #[test]
    fn a_small_call_tells_nothing_of_a_full_one() {
        let mut pace = Pace::new(2000);
        pace.took(1, Duration::from_millis(200));
        assert_eq!(pace.size(true), 1000, "the way there and back is most of it");
        pace.took(100, Duration::from_secs(1));
        assert_eq!(pace.size(true), 50, "but slow is slow");
    }

    #[test]
    fn while_nobody_edits_a_slow_machine_makes_no_more_calls() {
        let mut pace = Pace::new(2000);
        pace.took(1000, Duration::from_secs(1));
        assert_eq!((pace.size(true), pace.size(false)), (500, 2000), "half a second, two seconds");
        pace.took(2000, Duration::from_secs(8));
        assert_eq!((pace.size(true), pace.size(false)), (125, 500), "nothing takes for ever");
    }

    #[test]
    fn halving_finds_the_culprits_and_lets_everyone_else_through() {
        let retry_groups = RetryGroups::default();
        let bad = [17, 400, 999];
        let (mut through, mut culprits, mut calls) = (0, Vec::new(), 0);
        let mut open: Vec<Vec<usize>> = vec![(0..1000).collect()];
        while let Some(batch) = open.pop() {
            calls += 1;
            if !batch.iter().any(|i| bad.contains(i)) {
                through += batch.len();
            } else if batch.len() == 1 {
                culprits.extend(batch);
            } else {
                let mut parts: HashMap<RetryGroup, Vec<usize>> = HashMap::new();
                for (item, retry_group) in batch.iter().zip(retry_groups.halve(batch.len())) {
                    parts.entry(retry_group).or_default().push(*item);
                }
                assert_eq!(parts.len(), 2, "always smaller");
                open.extend(parts.into_values());
            }
        }
        culprits.sort_unstable();
        assert_eq!((through, culprits.as_slice()), (997, bad.as_slice()));
        assert!(calls < 60, "{calls} calls for three culprits among a thousand");
    }
}
