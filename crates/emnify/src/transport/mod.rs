//! What carries requests: a connection pool in production, an in-memory service in tests.

mod contract;
mod http;
mod service;

pub use self::contract::{Transport, TransportError};
pub use self::http::{HttpTransport, HttpTransportConfig};
pub use self::service::ServiceTransport;
