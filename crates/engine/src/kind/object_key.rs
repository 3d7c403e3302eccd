//! Which Kubernetes object.

use std::fmt;

/// One object, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// Kind and name, for messages to an object of the same namespace: `ServiceProfile meters`.
    pub fn in_namespace(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

/// `ServiceProfile fleet/meters`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
