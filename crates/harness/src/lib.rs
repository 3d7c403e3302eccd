//! What stands on all other crates: [`stage`] (control plane, simulator and operator together) for the end-to-end
//! tests, and the [`demo`] that plays on it.

pub mod cli;
pub mod demo;
pub mod stage;
