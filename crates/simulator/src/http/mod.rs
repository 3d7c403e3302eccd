//! The frame around the handlers.

pub mod body;
pub mod call;
pub mod list;
pub mod refusal;
