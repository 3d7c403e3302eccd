//! Counts of durations by size: the exposition library keeps no histograms that are only read.

use std::time::Duration;

/// Upper bounds in seconds of what takes moments: a look, a decision.
pub const MOMENTS: &[f64] = &[0.001, 0.005, 0.025, 0.1, 0.5, 2.0, 10.0];
/// Upper bounds in seconds of what may wait its turn behind a fleet.
pub const WAITS: &[f64] = &[0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// How many durations fell between which bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than there are bounds: the last is beyond all of them.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    /// Nothing yet.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Adds one.
    pub fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[at] += 1;
        self.sum += seconds;
    }

    /// Upper bounds with the number of durations up to each and above the one before; the last bound is infinite.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        self.bounds.iter().copied().chain([f64::MAX]).zip(self.counts.iter().copied()).collect()
    }

    /// All durations together, in seconds.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::new(&[1.0, 5.0]);
        for millis in [500, 1_000, 1_001, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        assert_eq!(histogram.buckets(), [(1.0, 2), (5.0, 1), (f64::MAX, 1)], "a bound belongs to its bucket");
        assert_eq!((histogram.count(), histogram.sum()), (4, 62.501));
    }
}
