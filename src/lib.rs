//! Keeps an emnify workspace in step with Kubernetes objects.
//!
//! - [`api`]: the vocabulary that all specs share;
//! - [`kinds`]: the registry of all kinds, and a folder for each;
//! - [`workspace`]: an organisation and how to log in to it;
//! - [`lead`]: replicas and shards: who may act;
//! - [`settings`]: the flags of `run` and what they mean; [`hosts`]: where tokens may be sent.
//! - [`cli`]: what can be typed; [`check`]: validates manifests without a cluster;
//! - [`rights`]: what it may do in the cluster;
//! - [`release`]: lets objects go before an uninstallation;
//! - [`skew`]: whether the cluster's definitions are this binary's;
//! - [`cluster`]: the way to the API server;
//! - [`app`]: wiring, start-up and shutdown; [`process`]: signals and logging; [`serve`]: health; [`observe`]: logs.

pub mod api;
pub mod app;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod hosts;
pub mod kinds;
pub mod lead;
pub mod observe;
pub mod process;
pub mod release;
pub mod rights;
pub mod serve;
pub mod settings;
pub mod skew;
pub mod workspace;
