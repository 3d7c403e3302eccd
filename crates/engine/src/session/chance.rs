//! What is left to chance: how far pauses are spread, so that those who failed at one time do not come back at one time.
//! One door, so that a test can repeat what it saw.

use std::{cell::RefCell, ops::Range};

use rand::{Rng, SeedableRng, rngs::StdRng};

thread_local! {
    static SEEDED: RefCell<Option<StdRng>> = const { RefCell::new(None) };
}

/// Whatever this thread draws from now on follows from the seed: for tests, whose runtimes have one thread.
pub fn follow(seed: u64) {
    SEEDED.set(Some(StdRng::seed_from_u64(seed)));
}

/// A number in the range.
pub(crate) fn between(range: Range<f64>) -> f64 {
    SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(rng) => rng.random_range(range),
        None => rand::rng().random_range(range),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_what_was_drawn() {
        let drawn = |seed| {
            follow(seed);
            [between(0.0..1.0), between(0.0..1.0)]
        };
        assert_eq!(drawn(7).map(f64::to_bits), drawn(7).map(f64::to_bits));
        assert_ne!(drawn(7).map(f64::to_bits), drawn(8).map(f64::to_bits));
    }
}
