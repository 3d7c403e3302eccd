//! The engine at work: one process with a toy kind, an API server and an emnify in memory, paused time.

#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it says")]

mod batches;
mod callers;
mod cluster_refusals;
mod counts;
mod crashes;
mod fleets;
mod guard;
mod hints;
mod hosts;
mod leaving;
mod life;
mod listings;
mod moves;
mod namespaces;
mod ownership;
mod panics;
mod phases;
mod quiet;
mod refusals;
mod repeats;
mod replicas;
mod roles;
mod scrub;
mod secret_inputs;
mod support;
