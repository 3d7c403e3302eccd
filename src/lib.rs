//! Keeps an emnify workspace in step with Kubernetes objects.
//!
//! - [`api`]: the vocabulary that all specs share.

pub mod api;
