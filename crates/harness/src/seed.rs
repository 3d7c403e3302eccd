//! Where random tests begin.

use std::{
    env,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use rand::{SeedableRng as _, rngs::StdRng};

/// The environment variable that repeats a run of a random test, or with `random` begins at another place each time.
pub const SEED: &str = "EMNIFY_TEST_SEED";

/// A generator for the test of this name, and its seed: that of [`SEED`], or else the test's own, so that a change is
/// refused for what it does and not by chance. It is printed, which shows when the test fails; put it into the test's
/// messages as well.
///
/// # Panics
///
/// If [`SEED`] is neither a whole number nor `random`.
pub fn seeded(test: &str) -> (u64, StdRng) {
    let seed = match env::var(SEED) {
        Ok(given) if given == "random" => rand::random(),
        Ok(given) => given.parse().expect("EMNIFY_TEST_SEED is a whole number or `random`"),
        Err(_) => own(test),
    };
    println!("{test}: {SEED}={seed} repeats this run");
    (seed, StdRng::seed_from_u64(seed))
}

/// Another one for each test, and the same each time.
fn own(test: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    test.hash(&mut hasher);
    hasher.finish()
}

/// [`seeded`] for the test of this thread.
pub fn of_this_test() -> u64 {
    seeded(std::thread::current().name().unwrap_or("test")).0
}
