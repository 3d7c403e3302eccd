//! Workspaces: an emnify organisation and how the operator logs in to it.
//!
//! [`spec`] is what users write and [`terms`] what it means; [`credentials`] turns Secrets into credentials and digests;
//! [`kept`] is the Secret of a login, and `session_store` reads and writes it; [`decide`] says when to log in, with what, and how that stands; [`status`] writes it
//! down; [`budget`] tells the month's requests and [`position`] how far the event log was read; [`usage`] reads what an organisation
//! uses and pays; [`admission`] says who may use a cluster workspace. [`controller`] watches and [`look`] does all that for one of them;
//! [`sessions`] are shared by workspaces of one organisation.

#![allow(unreachable_pub, reason = "the KubeSchema derive repeats each struct inside a function")]

mod admission;
mod books;
pub mod budget;
pub mod controller;
pub mod credentials;
pub mod decide;
pub mod kept;
mod look;
mod notices;
pub mod position;
mod session_store;
pub mod sessions;
pub mod spec;
pub mod status;
pub mod terms;
pub mod usage;

pub use self::spec::{Access, ClusterWorkspace, Workspace, WorkspaceObject, WorkspaceStatus};
