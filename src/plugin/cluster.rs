//! Objects of the cluster, by the names that people type.

use std::fmt;

use anyhow::{Context, Result, anyhow, bail};
use emnify_engine::kind::{
    reason::condition::{COMPLETE, FAILED, READY},
    spec::WorkspaceKind,
};
use futures::{Stream, StreamExt, future::ready};
use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionNames,
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams},
    core::ObjectList,
    runtime::{
        WatchStreamExt,
        watcher::{self, watch_object},
    },
};
use serde_json::Value;

use super::cli::Place;
use crate::{
    cluster,
    definitions::{self, Family},
};

/// Rows of a page of a listing.
const PAGE: u32 = 500;

/// A cluster, and the namespace that is meant where none is named.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    pub(super) namespace: String,
    kinds: Vec<Known>,
}

/// A kind and every name of it.
#[derive(Clone, Debug)]
struct Known {
    family: Family,
    names: CustomResourceDefinitionNames,
}

/// An object that was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) family: Family,
    pub(super) object: DynamicObject,
}

/// What is heard of an object that is watched.
#[derive(Debug)]
pub(super) enum Change {
    /// How it is now.
    Now(Box<Found>),
    /// It is gone, or another one has its name.
    Gone,
    /// The API server is not heard; it is tried again.
    Silent(String),
}

impl Cluster {
    /// The cluster of the kubeconfig.
    pub(super) async fn connect(place: &Place) -> Result<Self> {
        let config = cluster::config(place.context.as_deref()).await?;
        let namespace = place.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = cluster::client(config).context("the kubeconfig cannot be used")?;
        let mut kinds = Vec::new();
        let mut families = definitions::families().into_iter();
        definitions::each(|crd| {
            kinds.extend(families.next().map(|family| Known { family, names: crd.spec.names }));
        });
        Ok(Self { client, namespace, kinds })
    }

    /// The kind that goes by this name: as in manifests, in the plural, short, or with its group.
    pub(super) fn kind(&self, typed: &str) -> Result<&Family> {
        let name = typed.to_lowercase();
        let name = name.strip_suffix(".emnify.io").unwrap_or(&name);
        let goes_by = |known: &&Known| {
            let names = &known.names;
            let all = [Some(&names.plural), names.singular.as_ref(), Some(&names.kind)];
            let all = all.into_iter().flatten().chain(names.short_names.iter().flatten());
            all.into_iter().any(|one| one.eq_ignore_ascii_case(name))
        };
        self.kinds.iter().find(goes_by).map(|known| &known.family).ok_or_else(|| {
            let kinds: Vec<_> = self.kinds.iter().map(|known| known.names.kind.as_str()).collect();
            anyhow!("there is no kind {typed}; use one of {}", kinds.join(", "))
        })
    }

    /// Every kind.
    pub(super) fn families(&self) -> impl Iterator<Item = &Family> {
        self.kinds.iter().map(|known| &known.family)
    }

    /// The object that KIND/NAME names.
    pub(super) async fn find(&self, typed: &str) -> Result<Found> {
        let Some((kind, name)) = typed.split_once('/') else {
            bail!("{typed} names no object; write KIND/NAME, such as endpoint/meter-1");
        };
        let family = self.kind(kind)?.clone();
        let found = self.get(&family, name, &self.namespace).await?;
        let within =
            if family.namespaced { format!(" in namespace {}", self.namespace) } else { String::new() };
        let object = found.ok_or_else(|| anyhow!("there is no {} {name}{within}", family.resource.kind))?;
        Ok(Found { family, object })
    }

    /// An object, if it is there.
    pub(super) async fn get(
        &self,
        family: &Family,
        name: &str,
        namespace: &str,
    ) -> Result<Option<DynamicObject>> {
        let api = self.api(family, Some(namespace));
        api.get_opt(name).await.with_context(|| format!("{} {name} cannot be read", family.resource.kind))
    }

    /// Objects of a kind in a namespace, or in all.
    pub(super) async fn list(&self, family: &Family, namespace: Option<&str>) -> Result<Vec<DynamicObject>> {
        let api = self.api(family, namespace);
        let listed = pages(async |page| api.list(&page).await).await;
        listed.with_context(|| format!("{} cannot be listed", family.resource.plural))
    }

    /// Names of the objects of a kind in the namespace that is meant; of each nothing else is read.
    pub(super) async fn names(&self, family: &Family) -> Result<Vec<String>> {
        let api = self.api(family, Some(&self.namespace));
        let listed = pages(async |page| api.list_metadata(&page).await).await?;
        Ok(listed.iter().map(ResourceExt::name_any).collect())
    }

    /// The object, now and whenever it changes. Ends with an error where it may not be watched.
    pub(super) fn changes(&self, found: &Found) -> impl Stream<Item = Result<Change>> + use<> {
        let api = self.api(&found.family, found.object.namespace().as_deref());
        let (family, uid) = (found.family.clone(), found.object.uid());
        watch_object(api, &found.object.name_any()).default_backoff().filter_map(move |heard| {
            ready(Some(match heard {
                Ok(Some(object)) if object.uid() == uid => {
                    Ok(Change::Now(Box::new(Found::of(&family, object))))
                }
                Ok(_) => Ok(Change::Gone),
                Err(error) if refusal(&error).is_some() => Err(anyhow::Error::new(error)
                    .context(format!("{} cannot be watched", family.resource.plural))),
                Err(error) => Ok(Change::Silent(error.to_string())),
            }))
        })
    }

    /// Objects of a kind in a namespace, or in all, now and whenever one changes. After an error it is tried again.
    pub(super) fn watch(
        &self,
        family: &Family,
        namespace: Option<&str>,
    ) -> impl Stream<Item = watcher::Result<watcher::Event<DynamicObject>>> + Send + use<> {
        watcher::watcher(self.api(family, namespace), watcher::Config::default()).default_backoff()
    }

    /// Where objects of a kind are.
    pub(super) fn api(&self, family: &Family, namespace: Option<&str>) -> Api<DynamicObject> {
        let client = self.client.clone();
        match namespace.filter(|_| family.namespaced) {
            Some(namespace) => Api::namespaced_with(client, namespace, &family.resource),
            None => Api::all_with(client, &family.resource),
        }
    }
}

/// Every page of a listing.
async fn pages<K: Clone>(
    list: impl AsyncFn(ListParams) -> kube::Result<ObjectList<K>>,
) -> kube::Result<Vec<K>> {
    let (mut all, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let listed = list(page.clone()).await?;
        all.extend(listed.items);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(all),
        }
    }
}

/// The code of an answer after which trying again changes nothing.
pub(super) fn refusal(error: &watcher::Error) -> Option<u16> {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return None;
    };
    match error {
        kube::Error::Api(status) => Some(status.code).filter(|code| [401, 403, 404].contains(code)),
        _ => None,
    }
}

impl Found {
    /// The same object as somebody else holds it.
    pub(super) fn of(family: &Family, object: DynamicObject) -> Self {
        Self { family: family.clone(), object }
    }

    /// Its namespace; empty for what has none.
    pub(super) fn namespace(&self) -> String {
        self.object.namespace().unwrap_or_default()
    }

    /// A text in it.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.object.data.pointer(pointer).and_then(Value::as_str)
    }

    /// A condition of it.
    pub(super) fn condition(&self, kind: &str) -> Option<Condition> {
        self.conditions().into_iter().find(|condition| condition.type_ == kind)
    }

    /// All of them; one that cannot be read is none.
    pub(super) fn conditions(&self) -> Vec<Condition> {
        let all = self.object.data.pointer("/status/conditions").and_then(Value::as_array);
        all.into_iter().flatten().filter_map(|one| serde_json::from_value(one.clone()).ok()).collect()
    }

    /// The status speaks of the spec as it is.
    pub(super) fn is_observed(&self) -> bool {
        let observed = self.object.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
        observed == self.object.metadata.generation
    }

    /// What says how it stands: that it is over, else the summary.
    pub(super) fn standing(&self) -> Option<Condition> {
        let over = |kind: &&str| self.condition(kind).filter(|over| over.status == "True");
        [COMPLETE, FAILED].iter().find_map(over).or_else(|| self.condition(READY))
    }

    /// It works, or was carried out, as far as its status says.
    pub(super) fn is_well(&self) -> bool {
        self.standing().is_some_and(|standing| standing.status == "True" && standing.type_ != FAILED)
    }

    /// Nothing is waited for: it is well as it is written now, and stays.
    pub(super) fn is_settled(&self) -> bool {
        self.is_observed() && self.object.metadata.deletion_timestamp.is_none() && self.is_well()
    }

    /// The workspace that it is of: what the operator wrote, else what the spec says, else the default. None of a workspace.
    pub(super) fn workspace(&self) -> Option<(&'static str, String)> {
        let kind = self.family.resource.kind.as_str();
        if ["Workspace", "ClusterWorkspace"].contains(&kind) {
            return None;
        }
        let named = |at: &&str| self.text(&format!("{at}/name")).is_some();
        let Some(at) = ["/status/workspace", "/spec/workspaceRef"].into_iter().find(named) else {
            return Some((WorkspaceKind::Workspace.as_str(), "default".to_owned()));
        };
        let shared = self.text(&format!("{at}/kind")) == Some(WorkspaceKind::ClusterWorkspace.as_str());
        let kind = if shared { WorkspaceKind::ClusterWorkspace } else { WorkspaceKind::Workspace };
        Some((kind.as_str(), self.text(&format!("{at}/name"))?.to_owned()))
    }

    /// What a command needs to find it, besides its name.
    pub(super) fn within(&self) -> String {
        self.object.namespace().map(|namespace| format!(" -n {namespace}")).unwrap_or_default()
    }

    /// As `kubectl` takes it.
    pub(super) fn typed(&self) -> String {
        format!("{}/{}", self.family.resource.kind.to_lowercase(), self.object.name_any())
    }
}

/// As kubectl tells of it: `endpoint.emnify.io/meter-1`.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = &self.family.resource;
        write!(f, "{}.{}/{}", resource.kind.to_lowercase(), resource.group, self.object.name_any())
    }
}
