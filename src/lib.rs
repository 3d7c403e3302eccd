//! Keeps an emnify workspace in step with Kubernetes objects.
//!
//! - [`api`]: the vocabulary that all specs share;
//! - [`kinds`]: the registry of all kinds, and a folder for each;
//! - [`workspace`]: an organisation and how to log in to it;
//! - [`definitions`]: every CRD, workspaces included;
//! - [`leader`]: replicas and shards: who may act;
//! - [`settings`]: the flags of `run` and what they mean; where tokens may be sent;
//! - [`cli`]: what can be typed; [`check`]: validates manifests without a cluster;
//! - [`rbac`]: what it may do in the cluster;
//! - [`release_finalizers`]: lets objects go before an uninstallation;
//! - [`crd_skew`]: whether the cluster's definitions are this binary's;
//! - [`plugin`]: `kubectl emnify`, the second binary;
//! - [`cluster`]: the way to the API server;
//! - [`app`]: wiring, start-up and shutdown; [`process`]: signals and logging; [`admin`]: health and metrics over HTTP;
//! - [`push`]: the receiver of data streams; [`telemetry`]: logs, traces and metrics.

pub mod admin;
pub mod api;
pub mod app;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod crd_skew;
pub mod definitions;
pub mod kinds;
pub mod leader;
mod listen;
pub mod plugin;
pub mod process;
pub mod push;
pub mod rbac;
pub mod release_finalizers;
pub mod settings;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod workspace;
