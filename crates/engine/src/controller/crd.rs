//! Whether the kind itself is being removed from the cluster: then its objects go, and nothing goes in emnify.

use std::sync::atomic::Ordering;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Resource, ResourceExt};

use super::Controller;
use crate::{
    decoded::Decoded,
    kind::{Kind, Managed},
};

/// The definition of the kind is being deleted.
pub(crate) async fn definition_goes<K: Kind>(client: kube::Client) -> Result<bool, kube::Error> {
    let api: Api<CustomResourceDefinition> = Api::all(client);
    match api.get_metadata_opt(K::crd_name()).await {
        Ok(definition) => Ok(definition.is_some_and(|d| d.metadata.deletion_timestamp.is_some())),
        Err(kube::Error::Api(e)) if e.code == 403 => {
            tracing::warn!(
                kind = K::KIND,
                "not allowed to read the definition; a removed kind would delete in emnify"
            );
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

impl<K: Managed> Controller<K> {
    /// Looks once per deleted object: the definition is marked before its objects are, so the first look is not too early.
    pub(super) async fn look_definition(&self, object: &Decoded<K>) -> Result<(), kube::Error> {
        let uid = object.uid().unwrap_or_default();
        if object.meta().deletion_timestamp.is_none() || self.memory.saw_definition(&uid) {
            return Ok(());
        }
        let terminating = definition_goes::<K>(self.shared.client.clone()).await?;
        self.terminating.store(terminating, Ordering::Relaxed);
        self.memory.set_saw_definition(&uid);
        Ok(())
    }

    pub(super) fn terminating(&self) -> bool {
        self.terminating.load(Ordering::Relaxed)
    }
}
