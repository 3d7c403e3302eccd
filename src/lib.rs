//! Keeps an emnify workspace in step with Kubernetes objects.
//!
//! - [`api`]: the vocabulary that all specs share;
//! - [`kinds`]: the registry of all kinds, and a folder for each.

pub mod api;
pub mod kinds;
