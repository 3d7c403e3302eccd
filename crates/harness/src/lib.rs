//! What stands on all other crates: [`stage`] (control plane, simulator and operator together) for the end-to-end
//! tests, the [`demo`] that plays on it, and the [`bench`] that measures on it.

pub mod bench;
pub mod cli;
pub mod demo;
mod devices;
pub mod seed;
pub mod stage;
