//! What a control plane is started with.

use std::env;

use crate::identity::Identity;

/// What a control plane is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Users besides `admin`, who is in `system:masters`.
    pub identities: Vec<Identity>,
    /// YAML applied before the controller manager starts, for custom resource definitions above all: the garbage
    /// collector knows these at once, later ones only within a minute. Must hold a definition unless empty.
    pub manifests: String,
    /// Keep logs and state afterwards; by default when the environment says `KEEP=1`.
    pub keep: bool,
}

impl Default for Options {
    fn default() -> Self {
        let keep = env::var_os("KEEP").is_some_and(|keep| !keep.is_empty() && keep != "0");
        Self { identities: Vec::new(), manifests: String::new(), keep }
    }
}
