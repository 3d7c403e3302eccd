//! Workspaces: an emnify organisation and how the operator logs in to it.
//!
//! [`spec`] is what users write; [`credentials`] turns Secrets into credentials and digests; [`decide`] says when to log
//! in, with what, and what the conditions say about it.

#![allow(unreachable_pub, reason = "the KubeSchema derive repeats each struct inside a function")]

pub mod credentials;
pub mod decide;
pub mod spec;

pub use self::spec::{Access, ClusterWorkspace, Workspace, WorkspaceObject, WorkspaceStatus};
