//! Reconciles Kubernetes objects against an HTTP API: mirror, decide, dispatch.
//!
//! A kind says what differs between kinds ([`kind::Managed`]); everything else is here, once. Floors, from the ground up,
//! each of which knows only those below:
//!
//! - [`kind`]: the contract of a kind;
//! - [`session`]: the state of one organisation: mirror, queue, claims, guard, callers;
//! - [`decide`]: pure: `decide::object::next_step` is the table of the design, [`decide::ready`] makes conditions of it;
//! - [`metrics`]: what is counted on the way;
//! - [`cluster`]: the Kubernetes side, once for all kinds;
//! - `hints`: tasks that feed the mirror between two listings;
//! - `object`, `set`, `task` and `trigger`: one object for one emnify object, one for many, one for something done once, and one that makes those;
//! - [`run`]: all kinds together.
//!
//! A controller of `object` does the Kubernetes side of a step and queues the emnify side in the session, whose senders
//! decide again when the turn of the object has come, send one call and feed the mirror. Listings keep the mirror; reads of
//! single objects only settle doubts.

#[cfg(test)]
extern crate self as emnify_engine;

#[cfg(test)]
#[path = "../tests/engine/support/toy.rs"]
mod toy;

#[cfg(test)]
#[path = "../tests/engine/support/toy_set.rs"]
mod toy_set;

pub mod cluster;
pub mod decide;
mod hints;
pub mod kind;
pub mod metrics;
mod object;
pub mod run;
pub mod session;
mod set;
mod task;
mod trigger;
