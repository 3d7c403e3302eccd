//! The engine at work: one process with a toy kind, an API server and an emnify in memory, paused time.

#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it says")]

mod batches;
mod crashes;
mod fleets;
mod hints;
mod life;
mod listings;
mod ownership;
mod refusals;
mod repeats;
mod replicas;
mod scrub;
mod support;
