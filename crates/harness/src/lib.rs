//! What stands on all other crates: [`stage`] for the demo and the end-to-end tests.

pub mod stage;
