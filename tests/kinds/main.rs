//! The operator's own kinds in the engine, between an API server in memory and the simulator, under a paused clock.

#![allow(clippy::unwrap_used, reason = "a test fails where something is not as it says")]

mod attachments;
mod batches;
mod bulk;
mod callbacks;
mod cases;
#[path = "../../crates/engine/tests/engine/support/clock.rs"]
#[allow(dead_code, reason = "shared with the engine's own tests")]
mod clock;
mod crashes;
mod deeds;
mod euiccs;
mod exports;
mod extras;
mod keys;
mod lists;
mod masses;
mod mortal;
mod moves;
mod networks;
mod operations;
mod receipts;
mod refused;
mod rehearsals;
mod repeats;
mod rotation;
mod stage;
mod tables;
mod takeovers;
mod tokens;
mod triggers;
mod upgrade;
mod wire;
mod work;

/// The operator's: with that of glibc a quarter of what these tests compute is allocation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
