//! What an engine would do, tried where nothing can happen: the real engine, with whatever kinds it is given, between an API server in
//! memory that holds manifests and a copy of a live organisation in a simulator. What it sends to the copy is what it would send.
//!
//! [`Live`] is how the organisation is read: by GET, whole families at a time, when the engine first asks for one. Nothing else ever
//! reaches it. [`rehearse`] needs a clock that jumps (tokio's paused one) to be done in moments.

mod copy;
mod live;
mod outcome;
mod stage;

pub use self::{
    live::{Fetch, Live, Once, OverApi, Reader},
    outcome::{Held, Made, Outcome, Played, Request},
    stage::{ASSUMED, Scene, assumed_digest, rehearse},
};
