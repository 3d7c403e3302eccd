//! Where random tests begin.

use rand::{SeedableRng as _, rngs::StdRng};

/// The environment variable that repeats a run of a random test.
pub const SEED: &str = "EMNIFY_TEST_SEED";

/// A generator for the test of this name, and its seed: that of [`SEED`], or else a new one. It is printed, which shows
/// when the test fails; put it into the test's messages as well.
///
/// # Panics
///
/// If [`SEED`] is no whole number.
pub fn seeded(test: &str) -> (u64, StdRng) {
    let given = std::env::var(SEED).ok();
    let seed =
        given.map_or_else(rand::random, |seed| seed.parse().expect("EMNIFY_TEST_SEED is a whole number"));
    println!("{test}: {SEED}={seed} repeats this run");
    (seed, StdRng::seed_from_u64(seed))
}

/// [`seeded`] for the test of this thread.
pub fn of_this_test() -> u64 {
    seeded(std::thread::current().name().unwrap_or("test")).0
}
