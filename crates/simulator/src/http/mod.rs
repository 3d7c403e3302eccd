//! The frame around the handlers.

pub mod body;
pub mod call;
pub mod faults;
pub(crate) mod frame;
mod front;
pub(crate) mod limits;
pub mod list;
pub mod log;
mod order;
pub mod refusal;
pub(crate) mod serve;
pub(crate) mod service;
pub(crate) mod token;
