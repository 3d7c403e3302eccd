use std::{fmt, ops::Deref};

/// A namespace of one test, with a fresh name. It goes with the control plane: deleting it would keep the namespace
/// controller, which the other tests wait for, busy with what nobody asks for any more.
#[derive(Debug)]
pub struct Namespace {
    pub(crate) name: String,
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
