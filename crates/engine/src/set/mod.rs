//! One Kubernetes object that stands for many emnify objects.

mod call_item;
mod claims;
mod controller;
mod counts;
mod decide;
mod dispatch;
mod partial;
mod reconcile;
mod rollout;
mod state;

pub(crate) use self::controller::{SetController, SetHandle};

#[cfg(test)]
mod tests;
