//! What is shipped besides the binary: it is rendered, linted and read here as its users' tools would, without a
//! control plane.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod charts;
mod client;
mod docs;
mod gitops;
mod k9s;
mod krew;
mod kustomize;
mod layout;
mod release;
mod samples;
mod supply_chain;
mod telemetry;

/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
