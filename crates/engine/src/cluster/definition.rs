//! Whether the kind itself is being removed from the cluster: then its objects go, and nothing goes in emnify.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::APIResourceList,
};
use kube::{Api, Client, Resource, runtime::controller::Action};

use super::{context::Shared, memory::Memory};
use crate::kind::{Kind, decoded::Decoded};

/// Discovery follows a definition within milliseconds; on a busy API server, or with several of them, later.
const LAG: SignedDuration = SignedDuration::from_secs(2);
/// The pause until discovery is asked.
const LATER: Duration = Duration::from_secs(1);

/// What becomes of the definition of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Definition {
    Stays,
    Goes,
    /// It cannot be told yet.
    Unclear,
}

impl Definition {
    /// When to look at the object again, if it is not clear yet.
    pub(crate) fn later(self) -> Option<Action> {
        (self == Self::Unclear).then(|| Action::requeue(LATER))
    }
}

/// Whether the definition of the kind is being deleted. `since`: when an object of it was first seen deleted.
async fn definition<K: Kind>(
    client: &Client,
    since: Timestamp,
    now: Timestamp,
) -> Result<Definition, kube::Error> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let goes = match api.get_metadata_opt(K::crd_name()).await {
        Ok(definition) => definition.is_some_and(|d| d.metadata.deletion_timestamp.is_some()),
        // rights in single namespaces do not reach definitions; discovery is open to everybody, but not as prompt
        Err(kube::Error::Api(e)) if e.code == 403 => {
            if now.duration_since(since) < LAG {
                return Ok(Definition::Unclear);
            }
            let served = client.list_api_group_resources(&K::api_version(&())).await?;
            !takes_more(&served, &K::plural(&()))
        }
        Err(error) => return Err(error),
    };
    Ok(if goes { Definition::Goes } else { Definition::Stays })
}

/// New objects can be made: the API server takes `create` away while it deletes a definition.
fn takes_more(served: &APIResourceList, plural: &str) -> bool {
    let resource = served.resources.iter().find(|resource| resource.name == plural);
    resource.is_some_and(|resource| resource.verbs.iter().any(|verb| verb == "create"))
}

/// Looks once per deleted object: the definition is marked before its objects are, so the first look is not too early.
/// Returns when to look again while it is not clear.
pub(crate) async fn check<K: Kind>(
    object: &Decoded<K>,
    (shared, memory): (&Shared, &Memory),
    terminating: &AtomicBool,
) -> Result<Option<Action>, kube::Error> {
    let uid = object.uid();
    if object.meta().deletion_timestamp.is_none() || memory.saw_definition(uid) {
        return Ok(None);
    }
    let now = shared.now();
    let since = memory.deleted_since(uid, now);
    let found = definition::<K>(&shared.client, since, now).await?;
    if found != Definition::Unclear {
        terminating.store(found == Definition::Goes, Ordering::Relaxed);
        memory.set_saw_definition(uid);
    }
    Ok(found.later())
}
