use std::{fmt, ops::Deref, process::Stdio, thread};

use crate::kubectl::Kubectl;

/// A namespace of one test: a fresh name, deleted with all it holds when this is dropped, unless `KEEP=1`.
#[derive(Debug)]
pub struct Namespace {
    pub(crate) name: String,
    pub(crate) kubectl: Kubectl,
    pub(crate) keep: bool,
}

impl Namespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Deref for Namespace {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let mut delete =
            self.kubectl.command(&["delete", "namespace", &self.name, "--wait=false", "--ignore-not-found"]);
        // It fails only when the control plane went first, and the namespace with it.
        if let Ok(mut child) = delete.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            // Dropping does not wait; a finished child must be reaped all the same.
            thread::spawn(move || drop(child.wait()));
        }
    }
}
