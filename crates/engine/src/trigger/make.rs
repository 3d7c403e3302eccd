//! Tasks of a trigger in the cluster: made, found, taken away.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
};

use super::controller::TriggerController;
use crate::{
    cluster::status::MANAGER,
    decide::trigger::Made,
    kind::{
        decoded::Decoded,
        trigger::{Cause, Trigger},
    },
};

/// On each task: the trigger that made it.
const LABEL: &str = "emnify.io/trigger";

/// What became of a task that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// It is there: made now, or before an answer was lost.
    There,
    /// Somebody else's has its name.
    Foreign,
}

/// A task that the trigger made, with what it was made for.
pub(super) struct Found {
    pub(super) made: Made,
    pub(super) causes: Vec<Cause>,
}

impl<T: Trigger> TriggerController<T> {
    /// Makes a task of this name for these.
    pub(super) async fn make(
        &self,
        object: &Decoded<T>,
        valid: &T,
        name: &str,
        causes: &[Cause],
    ) -> Result<Creation, kube::Error> {
        let mut task = valid.make(causes);
        let meta = task.meta_mut();
        meta.name = Some(name.to_owned());
        meta.namespace = Some(object.namespace().to_owned());
        meta.labels.get_or_insert_default().insert(LABEL.to_owned(), object.name().to_owned());
        meta.owner_references = Some(vec![OwnerReference {
            api_version: T::api_version(&()).into_owned(),
            kind: T::KIND.to_owned(),
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
            controller: Some(true),
            block_owner_deletion: None,
        }]);
        let api: Api<T::Task> = Api::namespaced(self.kube.shared.client.clone(), object.namespace());
        let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        match api.create(&parameters, &task).await {
            Ok(_) => {
                tracing::info!(kind = T::KIND, object = %object.key(), task = name, "task made");
                Ok(Creation::There)
            }
            Err(kube::Error::Api(e)) if e.code == 409 => self.whose(object, name).await,
            Err(error) => Err(error),
        }
    }

    /// Whose the task of this name is.
    async fn whose(&self, object: &Decoded<T>, name: &str) -> Result<Creation, kube::Error> {
        let api = self.tasks(object);
        let named = api.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await?;
        let ours = |task: &Decoded<T::Task>| owned(task, object.uid());
        // one that is gone meanwhile was there, and had its turn
        Ok(if named.items.iter().all(ours) { Creation::There } else { Creation::Foreign })
    }

    /// What the trigger made, as the API server itself has it: a watch may lag behind the process before this one.
    pub(super) async fn found(&self, object: &Decoded<T>) -> Result<Vec<Found>, kube::Error> {
        let labelled = ListParams::default().labels(&format!("{LABEL}={}", object.name()));
        let listed = self.tasks(object).list(&labelled).await?;
        let found = listed.items.into_iter().filter(|task| owned(task, object.uid())).filter_map(|task| {
            let made = Made {
                name: task.name_any(),
                uid: task.uid().to_owned(),
                at: task.creation_timestamp()?.0,
                succeeded: None,
            };
            Some(Found { made, causes: task.valid().map(T::causes).unwrap_or_default() })
        });
        Ok(found.collect())
    }

    /// Takes away one that is kept no longer.
    pub(super) async fn take_away(&self, object: &Decoded<T>, made: &Made) -> Result<(), kube::Error> {
        let preconditions = Preconditions { uid: Some(made.uid.clone()), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        match self.tasks(object).delete(&made.name, &parameters).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(e)) if e.code == 404 || e.code == 409 => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn tasks(&self, object: &Decoded<T>) -> Api<Decoded<T::Task>> {
        Api::namespaced(self.kube.shared.client.clone(), object.namespace())
    }
}

fn owned<O: ResourceExt>(task: &O, owner: &str) -> bool {
    task.owner_references().iter().any(|one| one.uid == owner && one.controller == Some(true))
}
