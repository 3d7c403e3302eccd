//! Reconciles Kubernetes objects against an HTTP API: mirror, plan, dispatch.
//!
//! A kind says what differs between kinds ([`kind::Managed`]); everything else is here, once. [`plan::next_step`]
//! decides from what is known, purely. A [`controller`] carries out the Kubernetes side of the step and queues the
//! emnify side in its [`session`], whose senders plan the object again when its turn has come, send one call and feed
//! the [`mirror`]. Listings keep the mirror; reads of single objects only settle doubts.

#[cfg(test)]
extern crate self as emnify_engine;

#[cfg(test)]
#[path = "../tests/engine/support/toy.rs"]
mod toy;

#[cfg(test)]
#[path = "../tests/engine/support/herd.rs"]
mod herd;

mod answer;
pub mod batch;
pub mod caller;
pub mod chance;
pub mod claims;
pub mod conditions;
pub mod controller;
mod counts;
pub mod decoded;
pub mod directory;
pub mod engine;
pub mod events;
pub mod fleet;
pub mod guard;
pub mod hints;
pub mod kind;
pub mod mark;
pub mod meters;
pub mod mirror;
mod pause;
pub mod plan;
pub mod queue;
pub mod reason;
pub mod refs;
pub mod refusal;
mod rejected;
mod role;
pub mod scrub;
pub mod secrets;
pub mod session;
pub mod settle;
pub mod shared;
pub mod snapshot;
pub mod spec;
pub mod status;
pub mod tables;
mod taken;
pub mod tasks;
pub mod unserved;
pub mod verdict;
