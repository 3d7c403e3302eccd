//! An API server in memory: lists, watches, patches with their preconditions, finalizers, and what goes wrong with them.
//!
//! It is what the engine needs of one and no more: nothing is validated or defaulted, a list is of one kind, and a selector is one pair.
//! Every request takes five milliseconds of tokio's time. `crates/devenv` starts a real one.

mod cluster;
mod objects;
mod path;
mod reply;

pub use cluster::{Cluster, Wrote};
pub use reply::Reply;
