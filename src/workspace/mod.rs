//! Workspaces: an emnify organisation and how the operator logs in to it.
//!
//! [`spec`] is what users write and [`limits`] what it means; [`credentials`] turns Secrets into credentials and digests;
//! [`session_secret`] is the Secret of a login, and `session_store` reads and writes it; [`decide`] says when to log in, with what, and how that stands; [`status`] writes it
//! down; [`budget`] tells the month's requests and [`event_position`] how far the event log was read; [`usage`] reads what an organisation
//! uses and pays, `survey` what it is; [`admission`] says who may use a cluster workspace. [`controller`] watches and [`reconcile`] does all that for one of them;
//! [`sessions`] are shared by workspaces of one organisation. [`passwords`] and [`users`] see to it that no user is locked out, and
//! [`second_factor`] gives one a second factor.

#![allow(unreachable_pub, reason = "the KubeSchema derive repeats each struct inside a function")]

mod admission;
mod books;
pub mod budget;
pub mod context;
pub mod controller;
pub mod credentials;
pub mod decide;
mod enrol;
pub mod event_position;
pub mod limits;
mod notices;
mod password_login;
pub mod passwords;
mod reconcile;
pub mod second_factor;
pub mod served;
pub mod session_secret;
mod session_store;
pub mod sessions;
pub mod spec;
pub mod status;
mod survey;
mod sweeps;
pub mod usage;
pub mod users;

pub use self::spec::{Access, ClusterWorkspace, Workspace, WorkspaceObject, WorkspaceStatus};
