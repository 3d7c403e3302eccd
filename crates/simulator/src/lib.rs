//! A stateful emnify API, for tests and demos.
//!
//! A request passes, in this order: the request log, injected faults, the window of its source address, the token check, limits, and the
//! handler of its operation ([`resources`]), which sees the whole state alone. What it answers is framed like the service that would have
//! answered ([`mod@http`]). Everything behaves as public material says; nothing here was compared with the live service.
//!
//! [`Simulator::router`] is a service in memory that follows paused tokio time; [`Simulator::serve`] opens a port. Any number of
//! simulators can live in one process. The methods of [`Simulator`] do what the routes under `/simulator/` do ([`control`]).

pub mod clock;
pub mod control;
mod delivery;
pub mod fleet;
pub mod http;
pub mod operations;
mod options;
pub mod reference_data;
pub mod resources;
mod router;
pub mod rules;
mod seed;
mod simulator;
pub mod state;
#[cfg(test)]
mod testing;

pub use control::Signal;
pub use http::faults::Fault;
pub use http::log::{Count, Entry, Requests};
pub use http::serve::{Reset, Served};
pub use http::service::Source;
pub use options::{Bulk, Dialect, Limits, Options, Sources};
pub use seed::{Seed, SeedError};
pub use simulator::Simulator;
pub use state::State;
