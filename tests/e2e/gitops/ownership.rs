//! Who owns which fields, and what a tool's next sync leaves alone.

use emnify_engine::{cluster::status::MANAGER, kind::reason::annotation};
use emnify_harness::stage::{Options, Stage};
use serde_json::{Value, json};

use crate::{
    manifests::{ARGO_CD, CLIENT, FLUX, Manifests, stage},
    support::{Result, no_diff},
};

/// `(subresource, paths)` of the fields that the operator owns, two names deep.
fn owned(object: &Value) -> Vec<(String, Vec<String>)> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let ours = entries.into_iter().filter(|entry| entry["manager"] == MANAGER);
    let paths = |fields: &Value| {
        let first = fields.as_object().into_iter().flatten();
        let deep = first.flat_map(|(name, below)| {
            below
                .as_object()
                .into_iter()
                .flat_map(move |below| below.keys().map(move |key| format!("{name}.{key}")))
        });
        deep.collect()
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ours.map(|entry| (text(&entry["subresource"]), paths(&entry["fieldsV1"]))).collect()
}

async fn get(stage: &Stage, (kind, name): &(String, String)) -> Result<Value> {
    Ok(stage.get(kind, name).await?.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_owns_its_finalizer_and_the_status() -> Result<()> {
    let manifests = Manifests::examples(false)?;
    let stage = stage(Options::shared("ownership"), &manifests).await?;
    manifests.converge(&stage, ARGO_CD).await?;
    for name in manifests.names() {
        let object = get(&stage, &name).await?;
        let managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let managers: Vec<_> = managers.iter().filter_map(|entry| entry["manager"].as_str()).collect();
        let known = [MANAGER, "argocd-controller", "installer"];
        assert!(
            managers.iter().all(|manager| known.contains(manager)),
            "{name:?} has fields of {managers:?}"
        );
        let owned = owned(&object);
        assert!(!owned.is_empty(), "the operator goes by one name: {name:?} has {managers:?}");
        for (subresource, paths) in owned {
            let status = subresource == "status" && paths.iter().all(|path| path.starts_with("f:status."));
            let finalizer = subresource.is_empty() && paths == ["f:metadata.f:finalizers"];
            assert!(status || finalizer, "{name:?}: the operator owns {paths:?} of {subresource:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotations_for_operating_outlive_every_sync() -> Result<()> {
    let manifests = Manifests::examples(false)?;
    let stage = stage(Options::shared("operating"), &manifests).await?;
    manifests.converge(&stage, FLUX).await?;
    let meter = ("Endpoint".to_owned(), "meter-1".to_owned());
    let generation = get(&stage, &meter).await?["metadata"]["generation"].clone();
    // as an action of Argo CD does: a merge patch by its API server
    let note = json!({"metadata": {"annotations": {
        annotation::SUSPEND: "true", annotation::REFRESH: "2026-01-01T00:00:00Z",
    }}});
    let patch =
        ["patch", "endpoints.emnify.io", "meter-1", "--type=merge", "--field-manager=argocd-server", "-p"];
    let note = note.to_string();
    stage.kubectl_ok(&[&patch[..], &[note.as_str()]].concat()).await?;
    let of_meter = manifests.yaml_of(&meter);
    for way in [FLUX, ARGO_CD, CLIENT] {
        manifests.apply(&stage, way).await?;
        no_diff(&stage, way, &of_meter).await?;
        let object = get(&stage, &meter).await?;
        let annotations = &object["metadata"]["annotations"];
        assert_eq!(
            annotations[annotation::SUSPEND],
            "true",
            "no sync takes back what no manifest carries: {way:?}"
        );
        assert!(annotations[annotation::REFRESH].is_string(), "{way:?}");
        assert_eq!(object["metadata"]["generation"], generation, "and it is no edit of the spec");
    }
    Ok(())
}
