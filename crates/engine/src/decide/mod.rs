//! What is decided from what is known: pure, without IO and without a clock.

pub(crate) mod barred;
pub mod conditions;
pub mod error_policy;
pub mod known;
pub(crate) mod member;
pub(crate) mod object;
pub mod ready;
pub mod refusals;
pub(crate) mod rejected;
pub(crate) mod roster;
pub(crate) mod rules;
pub(crate) mod taken;
pub(crate) mod task;
pub mod trigger;
