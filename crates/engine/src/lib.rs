//! Reconciles Kubernetes objects against a SaaS API: mirror, plan, dispatch.

pub mod kind;
pub mod mark;
pub mod reason;
pub mod spec;
