//! Typed asynchronous client of the emnify REST API.
//!
//! A [`Client`] speaks for one organisation on one host. It logs in when it has to (once for all callers), and each of its
//! calls waits for a turn in its [`Lane`] of the host's request budget ([`HostLimits`]). It never repeats a request, except
//! once after a token was refused; what a failure means is said by [`Error`], what to do about it is the caller's decision.
//!
//! Encoding is strict: only what is set is sent. Decoding is lenient: unknown keys, flags and ids in any spelling, and all
//! date forms in use are read.
//!
//! Facts about the API carry where they come from: `[R]` recorded traffic, `[S]` the published specification, `[D]` emnify's
//! documentation, `[P]` its older source, `[L]` sampled live answers, `[3P]` code of others, `[?]` a guess.

#![allow(rustdoc::broken_intra_doc_links, reason = "the tags of sources are no links")]

mod api;
mod auth;
mod base_url;
mod call;
mod classify;
mod client;
mod counters;
mod error;
mod exchange;
mod gate;
mod lane;
mod limits;
mod page;
mod transport;
pub mod wire;

/// Target of spans that follow an object from its edit to the calls it needs, for traces. They never carry a secret, a
/// body, or the arguments of a route.
pub const SPANS: &str = "emnify::trace";

pub use self::api::Api;
pub use self::auth::{Credentials, Identity, Jwt};
pub use self::base_url::{BaseUrl, InvalidBaseUrl};
pub use self::call::Created;
pub use self::client::{Client, Config};
pub use self::counters::{Count, CountKey, Counters};
pub use self::error::{Error, found};
pub use self::gate::{Gate, Moment, Refused, UnderWay};
pub use self::lane::Lane;
pub use self::limits::{Bucket, HostLimits, Ledger, LimitsSnapshot, MonthSnapshot, Pace, WindowSnapshot};
pub use self::page::{Cursor, Page};
pub use self::transport::{HttpTransport, HttpTransportConfig, ServiceTransport, Transport, TransportError};
pub use self::wire::lenient::parse_timestamp;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
