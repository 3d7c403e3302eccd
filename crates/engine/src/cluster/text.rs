//! Values of `ConfigMap`s, read by name by those who take lists from them.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt};

use crate::{
    decide::known::Explanation,
    kind::{reason, set::TextRef},
};

/// A value is read again when it is older than this.
pub(crate) const TEXT_KEPT: SignedDuration = SignedDuration::from_secs(30);

/// A value, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// Name and key that it was read from.
    of: Option<TextRef>,
    pub(crate) version: Option<String>,
    pub(crate) value: Option<String>,
    /// The API server does not let the operator read it.
    forbidden: bool,
    read: Option<Timestamp>,
}

impl Text {
    /// Reads a value of the namespace.
    pub(crate) async fn read(
        client: &Client,
        namespace: &str,
        of: TextRef,
        now: Timestamp,
    ) -> Result<Self, kube::Error> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let (found, forbidden) = match api.get_opt(&of.config_map).await {
            Ok(found) => (found, false),
            Err(kube::Error::Api(e)) if e.code == 403 => (None, true),
            Err(error) => return Err(error),
        };
        let version = found.as_ref().and_then(ResourceExt::resource_version);
        let value = found.and_then(|map| map.data?.remove(&of.key));
        Ok(Self { of: Some(of), version, value, forbidden, read: Some(now) })
    }

    /// It need not be read again yet.
    pub(crate) fn is_fresh(&self, of: &TextRef, now: Timestamp) -> bool {
        let read = self.read.filter(|_| self.of.as_ref() == Some(of));
        read.is_some_and(|at| now.duration_since(at) < TEXT_KEPT)
    }

    /// It was read and has a value; else what is missing.
    pub(crate) fn stands(&self, of: &TextRef) -> Result<(), Explanation> {
        let TextRef { config_map, key } = of;
        if self.of.as_ref() != Some(of) {
            return Err(Explanation::new(reason::OBSERVING, format!("reading the ConfigMap {config_map}")));
        }
        let why = match (&self.value, self.forbidden) {
            (Some(_), _) => return Ok(()),
            (None, true) => {
                format!(
                    "the operator may not read the ConfigMap {config_map}: allow it to get configmaps here"
                )
            }
            (None, false) => {
                format!("there is no ConfigMap {config_map} with the key {key} in this namespace")
            }
        };
        Err(Explanation::new(reason::REFERENCE_NOT_READY, why))
    }
}
