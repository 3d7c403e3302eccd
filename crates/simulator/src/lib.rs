//! A stateful emnify API, for tests and demos.
//!
//! A request passes, in this order: the request log, injected faults, the gateway's token check, limits, and the handler of its operation
//! ([`families`]), which sees the whole state alone. What it answers is framed like the service that would have answered
//! ([`http`]). Everything behaves as public material says; nothing here was compared with the live service.

pub mod catalogue;
pub mod clock;
pub mod families;
pub mod http;
pub mod operations;
pub mod rules;
pub mod state;

/// Settings of a simulator.
#[derive(Debug, Clone, Default)]
pub struct Options {}
