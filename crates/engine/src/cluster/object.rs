//! What is read off any object, whatever its kind.

use std::time::Duration;

use kube::{Api, Client, Resource, ResourceExt, api::Patch, runtime::controller::Action};
use serde_json::json;

use super::{
    context::Shared,
    follow::Watchable,
    status::patch_params,
    workspaces::{Applicant, Resolved},
};
use crate::{
    decide::known::Subject,
    kind::{
        FINALIZER, Kind,
        decoded::Decoded,
        reason::annotation,
        spec::{AdoptionPolicy, CommonStatus, WorkspaceKey, WorkspaceKind},
    },
    session::{Session, claims::Rank, queue::Item},
};

/// The workspace that the spec names, else the one that was pinned, else the default.
pub(crate) fn workspace_of<K: Kind>(shared: &Shared, object: &Decoded<K>, common: &CommonStatus) -> Resolved {
    let namespace = object.namespace();
    let force = object.common().adoption_policy == Some(AdoptionPolicy::Force);
    let who = Applicant { namespace, kind: K::KIND, force };
    shared.workspaces.resolve(&who, object.workspace_ref().or(common.workspace.as_ref()))
}

/// Identity of the workspace that the object belongs to.
pub(crate) fn workspace_key<K: Kind>(
    shared: &Shared,
    object: &Decoded<K>,
    common: &CommonStatus,
) -> WorkspaceKey {
    let workspace = workspace_of(shared, object, common).workspace;
    let cluster = workspace.kind == Some(WorkspaceKind::ClusterWorkspace);
    WorkspaceKey { namespace: (!cluster).then(|| object.namespace().to_owned()), name: workspace.name }
}

/// Where what the object is bound to lives: organisation, and host as far as it is known.
pub(crate) fn home_of<K: Kind>(
    shared: &Shared,
    object: &Decoded<K>,
    common: &CommonStatus,
) -> Option<(String, Option<String>)> {
    let host = shared.workspaces.host(&workspace_key(shared, object, common));
    Some((common.organisation_id.clone()?, host))
}

/// What the object is bound to lives in that session's organisation, on its host.
pub(crate) fn lives_in<K: Kind>(
    shared: &Shared,
    object: &Decoded<K>,
    common: &CommonStatus,
    session: &Session,
) -> bool {
    let home = home_of(shared, object, common);
    home.is_some_and(|(organisation, host)| session.is_at(&organisation, host.as_deref()))
}

/// The status fields of an object that has no readable status of its own.
pub(crate) fn fallback_status<K: Kind>(object: &Decoded<K>) -> CommonStatus {
    match object {
        Decoded::Valid(_) => CommonStatus::default(),
        Decoded::Invalid(u) => u.status.clone(),
    }
}

/// What the plan asks about an object.
pub(crate) fn subject<'a, K: Kind>(object: &'a Decoded<K>, common: &'a CommonStatus) -> Subject<'a> {
    let says = |key: &str| object.annotations().get(key).is_some_and(|v| v == "true");
    Subject {
        undecodable: object.error(),
        common: object.common(),
        status: common,
        generation: object.meta().generation,
        deleting: object.meta().deletion_timestamp.is_some(),
        finalizer: object.finalizers().iter().any(|f| f == FINALIZER),
        suspended: says(annotation::SUSPEND),
        force_orphan: says(annotation::FORCE_ORPHAN),
    }
}

/// How strong its claims are to what it is not bound to.
pub(crate) fn rank<K: Kind>(object: &Decoded<K>) -> Rank {
    Rank { unbound: true, created: object.creation_timestamp().map(|at| at.0), uid: object.uid().into() }
}

pub(crate) fn item<K: Kind>(object: &Decoded<K>) -> Item {
    Item { object: object.key(), uid: object.uid().to_owned() }
}

/// The API that the object is written through.
pub(crate) fn api<K: Kind>(client: &Client, object: &Decoded<K>) -> Api<Decoded<K>> {
    Api::namespaced(client.clone(), object.namespace())
}

/// Puts the finalizer on exactly this version of the object, or takes it off; who else has one keeps it.
pub async fn set_finalizer<O: Watchable>(
    api: &Api<O>,
    object: &O,
    version: &str,
    present: bool,
) -> Result<Action, kube::Error> {
    let mut finalizers: Vec<&str> =
        object.finalizers().iter().map(String::as_str).filter(|f| *f != FINALIZER).collect();
    finalizers.extend(present.then_some(FINALIZER));
    let uid = &object.meta().uid;
    let patch = json!({"metadata": {"resourceVersion": version, "uid": uid, "finalizers": finalizers}});
    match api.patch_metadata(&object.name_any(), &patch_params(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(Action::await_change()),
        Err(kube::Error::Api(e)) if e.code == 404 => Ok(Action::await_change()),
        Err(kube::Error::Api(e)) if e.code == 409 => Ok(Action::requeue(Duration::from_secs(1))),
        Err(error) => Err(error),
    }
}
