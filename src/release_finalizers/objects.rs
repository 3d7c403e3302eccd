//! Objects that the operator holds by its finalizer: listed page by page, released one by one.

use emnify_engine::kind::FINALIZER;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
    core::{DynamicObject, PartialObjectMeta},
};
use serde_json::{Value, json};

use crate::definitions::Family;

/// All that is read of an object.
pub(super) type Metadata = PartialObjectMeta<DynamicObject>;

/// Objects of a page.
const PAGE: u32 = 500;
/// How often a release is tried while others write the same object.
const TRIES: usize = 5;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is free.
    Released,
    /// It would have been released.
    Held,
    /// It is gone, or somebody else released it.
    Gone,
}

/// Objects with our finalizer. A kind that is not installed has none.
pub(super) async fn held(
    client: &Client,
    family: &Family,
    namespace: Option<&str>,
) -> kube::Result<Vec<Metadata>> {
    let api = api(client, family, namespace);
    let (mut held, mut next) = (Vec::new(), None);
    loop {
        let params = ListParams { limit: Some(PAGE), continue_token: next.take(), ..ListParams::default() };
        let page = match api.list_metadata(&params).await {
            Ok(page) => page,
            Err(kube::Error::Api(e)) if e.code == 404 => return Ok(Vec::new()),
            // the listing took longer than the API server keeps it: from the start
            Err(kube::Error::Api(e)) if e.code == 410 && params.continue_token.is_some() => {
                held.clear();
                continue;
            }
            Err(error) => return Err(error),
        };
        held.extend(page.items.into_iter().filter(|object| without_ours(object).is_some()).map(slim));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => next = Some(token),
            None => return Ok(held),
        }
    }
}

/// Takes our finalizer off exactly this object, not off a namesake made meanwhile.
pub(super) async fn release(client: &Client, family: &Family, object: &Metadata) -> kube::Result<Outcome> {
    let api = api(client, family, object.namespace().as_deref());
    let (name, mut seen, mut tries) = (object.name_any(), object.clone(), 0);
    loop {
        let Some(patch) = without_ours(&seen) else { return Ok(Outcome::Gone) };
        tries += 1;
        match api.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => return Ok(Outcome::Released),
            Err(kube::Error::Api(e)) if e.code == 404 => return Ok(Outcome::Gone),
            Err(kube::Error::Api(e)) if e.code == 409 && tries < TRIES => {}
            Err(error) => return Err(error),
        }
        // listed, not read: that is all that the operator's own rights allow
        let named = ListParams::default().fields(&format!("metadata.name={name}"));
        let found = api.list_metadata(&named).await?.items.into_iter().next();
        match found.filter(|found| found.uid() == object.uid()) {
            Some(found) => seen = found,
            None => return Ok(Outcome::Gone),
        }
    }
}

/// The patch that takes our finalizer off this version; `None` if it is not there.
fn without_ours(object: &Metadata) -> Option<Value> {
    let others: Vec<&String> = object.finalizers().iter().filter(|f| *f != FINALIZER).collect();
    let ours = others.len() < object.finalizers().len();
    ours.then(|| {
        json!({"metadata": {
            "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": others,
        }})
    })
}

/// What releasing needs of an object; there may be a hundred thousand.
fn slim(mut object: Metadata) -> Metadata {
    object.metadata.managed_fields = None;
    object.metadata.annotations = None;
    object.metadata.labels = None;
    object
}

fn api(client: &Client, family: &Family, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &family.resource),
        None => Api::all_with(client.clone(), &family.resource),
    }
}
