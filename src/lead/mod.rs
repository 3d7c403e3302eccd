//! Who may act. Of the replicas of a shard one leads ([`election`]), and of all shards one serves an organisation
//! ([`claims`]); both are Leases ([`lease`], [`leases`]) that open and shut an [`emnify::Gate`]. Requests to emnify ask the
//! gate in the client, writes to Kubernetes in [`writes`]. [`shard`] says which workspaces are ours.

pub mod claims;
pub mod election;
pub mod lease;
pub mod leases;
pub mod shard;
pub mod writes;

use std::env;

/// Who this process is among all candidates: the pod's name, and what tells it from an earlier life of the pod.
pub fn identity() -> String {
    let host = env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    format!("{}_{:08x}", host.as_deref().unwrap_or("emnify-operator"), rand::random::<u32>())
}
