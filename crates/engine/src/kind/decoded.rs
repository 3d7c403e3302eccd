//! An object as it came from the API server, also when this version cannot read it.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    Kind,
    object_key::{ObjectKey, namespace_of, uid_of},
    spec::{CommonSpec, CommonStatus, WorkspaceRef},
};

/// A malformed object keeps its claim and can be deleted; it does not stop the watch.
#[derive(Clone, Debug)]
pub enum Decoded<K> {
    /// As it should be.
    Valid(Box<K>),
    /// Of another version than this operator.
    Invalid(Box<Undecodable>),
}

/// What can be read of any object.
#[derive(Clone, Debug, Default)]
pub struct Undecodable {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// The fields that every spec has, as far as they could be read.
    pub spec: CommonSpec,
    /// The fields that every status has, as far as they could be read.
    pub status: CommonStatus,
    /// The spec as it is stored.
    pub raw: serde_json::Value,
    /// The status as it is stored: it may well be readable as a whole when only the spec is not.
    pub stored: serde_json::Value,
    /// What is wrong with it.
    pub error: String,
}

impl<K: Kind> Decoded<K> {
    /// The object, if it could be read.
    pub fn valid(&self) -> Option<&K> {
        match self {
            Self::Valid(object) => Some(object),
            Self::Invalid(_) => None,
        }
    }

    /// The whole status, if it could be read.
    pub fn status(&self) -> Option<K::Status> {
        self.as_status().map(Cow::into_owned)
    }

    /// The same, without a copy where none is needed.
    pub fn as_status(&self) -> Option<Cow<'_, K::Status>> {
        match self {
            Self::Valid(object) => object.status().map(Cow::Borrowed),
            Self::Invalid(u) => K::Status::deserialize(&u.stored).ok().map(Cow::Owned),
        }
    }

    /// What is wrong with it.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Valid(_) => None,
            Self::Invalid(u) => Some(&u.error),
        }
    }

    /// Its uid.
    ///
    /// # Panics
    /// Not with what an API server sends: it gives every object one.
    pub fn uid(&self) -> &str {
        uid_of(self.meta())
    }

    /// Its namespace.
    ///
    /// # Panics
    /// Not with what an API server sends: every kind is namespaced.
    pub fn namespace(&self) -> &str {
        namespace_of(self.meta())
    }

    /// Its name.
    ///
    /// # Panics
    /// Not with what an API server sends: nothing is stored without one.
    pub fn name(&self) -> &str {
        self.meta().name.as_deref().expect("the API server stores nothing without a name")
    }

    /// Where it is found.
    pub fn key(&self) -> ObjectKey {
        ObjectKey { kind: K::KIND, namespace: self.namespace().to_owned(), name: self.name().to_owned() }
    }

    /// The workspace that the spec names.
    pub fn workspace_ref(&self) -> Option<&WorkspaceRef> {
        match self {
            Self::Valid(object) => object.workspace_ref(),
            Self::Invalid(u) => u.spec.workspace_ref.as_ref(),
        }
    }

    /// Policies.
    pub fn common(&self) -> &CommonSpec {
        match self {
            Self::Valid(object) => object.common(),
            Self::Invalid(u) => &u.spec,
        }
    }
}

impl<'de, K: Kind> Deserialize<'de> for Decoded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match K::deserialize(&value) {
            Ok(object) => Ok(Self::Valid(Box::new(object))),
            Err(error) => {
                let meta = ObjectMeta::deserialize(&value["metadata"]).map_err(D::Error::custom)?;
                let spec = CommonSpec::deserialize(&value["spec"]).unwrap_or_default();
                let status = CommonStatus::deserialize(&value["status"]).unwrap_or_default();
                let (raw, stored) = (value["spec"].clone(), value["status"].clone());
                Ok(Self::Invalid(Box::new(Undecodable {
                    meta,
                    spec,
                    status,
                    raw,
                    stored,
                    error: error.to_string(),
                })))
            }
        }
    }
}

impl<K: Kind> Resource for Decoded<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Valid(object) => object.meta(),
            Self::Invalid(u) => &u.meta,
        }
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Valid(object) => object.meta_mut(),
            Self::Invalid(u) => &mut u.meta,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{kind::spec::DeletionPolicy, toy::Toy};

    fn decode(spec: &serde_json::Value) -> Decoded<Toy> {
        let object = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Toy", "metadata": {"name": "a", "uid": "u"},
            "spec": spec, "status": {"id": "7", "name": "seven"}
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_object_of_another_version_keeps_its_claim_and_its_policies() {
        let broken = decode(&json!({"name": 5, "deletionPolicy": "Orphan"}));
        assert!(broken.valid().is_none() && broken.error().is_some());
        assert_eq!(broken.meta().uid.as_deref(), Some("u"));
        assert_eq!(broken.common().deletion_policy, Some(DeletionPolicy::Orphan));
        let status = broken.status().unwrap();
        assert_eq!((status.common.id.as_deref(), status.name.as_deref()), (Some("7"), Some("seven")));
    }

    #[test]
    fn a_good_object_is_read_whole() {
        let good = decode(&json!({"name": "a"}));
        assert_eq!(good.valid().and_then(|t| t.spec.name.as_deref()), Some("a"));
        assert_eq!(good.error(), None);
    }
}
