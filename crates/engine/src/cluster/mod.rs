//! The Kubernetes side, once for all kinds: watching, references, workspaces, status, events and Secrets.

pub mod context;
pub(crate) mod definition;
pub(crate) mod events;
pub mod follow;
pub(crate) mod gap;
pub(crate) mod input_reader;
pub(crate) mod inputs;
pub(crate) mod memory;
pub mod object;
pub mod observer;
pub(crate) mod reconcile;
pub(crate) mod references;
pub mod refusal;
pub(crate) mod resolve;
pub mod secrets;
pub mod status;
pub(crate) mod surroundings;
pub mod tasks;
pub(crate) mod text;
pub mod unserved;
pub(crate) mod watch;
mod watches;
pub mod workspaces;
