//! Which Kubernetes object.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

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

/// The uid of an object that an API server sent.
///
/// # Panics
/// Not with what an API server sends: it gives every object one.
pub(crate) fn uid_of(meta: &ObjectMeta) -> &str {
    meta.uid.as_deref().expect("the API server gives every object a uid")
}

/// The namespace of an object of a namespaced kind that an API server sent.
///
/// # Panics
/// Not with what an API server sends.
pub(crate) fn namespace_of(meta: &ObjectMeta) -> &str {
    meta.namespace.as_deref().expect("every kind is namespaced")
}
