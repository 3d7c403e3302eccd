//! The client against the simulator, in memory and in paused time.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod collections;
mod faults;
mod login;
mod reading;
mod stage;
mod writing;
