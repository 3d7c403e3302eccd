//! The Kubernetes side, once for all kinds: watching, references, workspaces, status, events and Secrets.

pub mod context;
pub(crate) mod definition;
pub mod events;
pub mod gap;
pub(crate) mod memory;
pub(crate) mod object;
pub mod references;
pub mod refusal;
pub(crate) mod resolve;
pub mod secrets;
pub mod status;
pub mod tasks;
pub mod unserved;
pub(crate) mod watch;
pub mod workspaces;
