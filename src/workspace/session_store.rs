//! Reads and writes the Secret that keeps a login, in the operator's namespace.

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PostParams, Preconditions},
};
use serde_json::json;

use super::{
    session_secret::{self, Foreign, SessionSecret},
    spec::WorkspaceObject,
};
use emnify_engine::cluster::{refusal, status::patch_params};

/// The Secret of one workspace.
pub(super) struct SessionStore {
    api: Api<Secret>,
    name: String,
    /// Where earlier releases kept it.
    former: Api<Secret>,
    former_name: String,
    /// Uid of the workspace.
    workspace: String,
    owner: Option<OwnerReference>,
    /// The workspace is being deleted, perhaps together with the operator's namespace.
    leaving: bool,
}

/// What was found.
pub(super) struct Opened {
    pub(super) kept: SessionSecret,
    /// Somebody else's Secret lies where ours would.
    pub(super) foreign: Option<Foreign>,
    /// It comes from where tenants write: the login in it has to be proven.
    pub(super) former: bool,
}

impl SessionStore {
    /// The Secret of `object`, for an operator in the namespace `operator`.
    pub(super) fn new<W: WorkspaceObject>(client: &Client, operator: &str, object: &W) -> Self {
        let meta = object.meta();
        let namespace = meta.namespace.as_deref().unwrap_or(operator);
        // an owner reference reaches cluster-scoped objects and those of the same namespace
        let owner = (namespace == operator).then(|| object.controller_owner_ref(&())).flatten();
        Self {
            api: Api::namespaced(client.clone(), operator),
            name: object.session_secret(),
            former: Api::namespaced(client.clone(), namespace),
            former_name: object.former_session_secret(),
            workspace: meta.uid.clone().unwrap_or_default(),
            owner: owner.map(|owner| OwnerReference { block_owner_deletion: None, ..owner }),
            leaving: meta.deletion_timestamp.is_some(),
        }
    }

    /// Reads the Secret, and makes it if it is missing; what is not ours is neither read nor overwritten.
    pub(super) async fn open(&self) -> Result<Opened, kube::Error> {
        if let Some(secret) = self.api.get_opt(&self.name).await? {
            return Ok(match SessionSecret::read(&secret, &self.workspace) {
                Ok(kept) => Opened { kept, foreign: None, former: false },
                Err(foreign) => {
                    Opened { kept: SessionSecret::fresh(), foreign: Some(foreign), former: false }
                }
            });
        }
        let former = self.read_former().await?;
        let (kept, former) = former.map_or_else(|| (SessionSecret::fresh(), false), |kept| (kept, true));
        let unproven = SessionSecret { login: None, ..kept.clone() };
        match self.api.create(&PostParams::default(), &self.written(&unproven)).await {
            Ok(_) => {}
            // a terminating namespace takes no new Secret; the login at hand is in memory
            Err(kube::Error::Api(e)) if e.code == 403 && self.leaving => {}
            Err(error) => return Err(error),
        }
        Ok(Opened { kept, foreign: None, former })
    }

    /// What an earlier release kept beside the credentials.
    async fn read_former(&self) -> Result<Option<SessionSecret>, kube::Error> {
        match self.former.get_opt(&self.former_name).await {
            Ok(secret) => Ok(secret.and_then(|secret| SessionSecret::read_former(&secret, &self.workspace))),
            // nothing is lost but a login
            Err(kube::Error::Api(e)) if e.code == 403 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes the token out of the Secret of an earlier release, which others may read.
    pub(super) async fn empty_former(&self) {
        let patch = json!({"data": {"jwt": null, "refreshToken": null, "salt": null, "fingerprint": null}});
        let emptied = self.former.patch(&self.former_name, &patch_params(), &Patch::Merge(patch)).await;
        if let Err(error) = emptied {
            let error = refusal::brief(&error);
            tracing::warn!(secret = self.former_name, error, "former session Secret not emptied");
        }
    }

    /// Writes it. Call [`SessionStore::open`] before.
    pub(super) async fn store(&self, kept: &SessionSecret) -> Result<(), kube::Error> {
        let mut secret = self.written(kept);
        // the type of a Secret cannot be patched, and it is ours already
        secret.type_ = None;
        match self.api.patch(&self.name, &patch_params(), &Patch::Merge(&secret)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(e)) if e.code == 404 && self.leaving => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes it with its workspace.
    pub(super) async fn remove(&self) -> Result<(), kube::Error> {
        let Some(secret) = self.api.get_opt(&self.name).await? else { return Ok(()) };
        if !session_secret::belongs(&secret, &self.workspace) {
            return Ok(());
        }
        let (uid, resource_version) = (secret.uid(), secret.resource_version());
        let exactly = DeleteParams::default().preconditions(Preconditions { uid, resource_version });
        match self.api.delete(&self.name, &exactly).await {
            Ok(_) => Ok(()),
            // somebody was faster, or a namesake took it over
            Err(kube::Error::Api(e)) if matches!(e.code, 404 | 409) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn written(&self, kept: &SessionSecret) -> Secret {
        kept.write(&self.name, &self.workspace, self.owner.clone())
    }
}
