//! What the tests share.

use std::{collections::BTreeMap, fmt::Debug, sync::Mutex};

use anyhow::{Context as _, bail, ensure};
use emnify_harness::stage::{Options, Stage, condition, is_ready};
use emnify_operator::definitions::families;
use emnify_simulator::{Seed, state::Organisation};
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use serde_json::Value;

pub(crate) use anyhow::Result;

/// The organisation that the operator works for.
pub(crate) const ORGANISATION: u64 = 1001;

/// A device with profiles of the seed and a SIM that it activates.
pub(crate) const DEVICE: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: Endpoint
metadata:
  name: meter-1
spec:
  name: Meter 1
  enabled: true
  serviceProfile:
    id: "101"
  tariffProfile:
    id: "201"
  sim:
    iccid: "8988303000000010001"
    state: Activated
"#;

/// Options of a stage with this module's seed.
pub(crate) fn options(name: &str) -> Result<Options> {
    let mut options = Options::shared(name);
    options.simulator.seed = Seed::from_yaml(include_str!("seed.yaml"))?;
    Ok(options)
}

/// A running operator and the Workspace `default`.
pub(crate) async fn stage(name: &str) -> Result<Stage> {
    let mut stage = Stage::start(options(name)?).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    Ok(stage)
}

/// Applies a manifest and waits until the object is Ready.
pub(crate) async fn make_ready(stage: &Stage, kind: &str, name: &str, yaml: &str) -> Result<Value> {
    stage.apply(yaml).await?;
    stage.wait_for(kind, name, "Ready", is_ready).await
}

/// Applies a manifest in both ways, waits until the object is Ready, and compares: `kubectl diff` has nothing to say of
/// what the API server and the operator made of it. For the tests of a kind; elsewhere [`make_ready`] will do.
pub(crate) async fn apply_ready(stage: &Stage, kind: &str, name: &str, yaml: &str) -> Result<Value> {
    for side in SIDES {
        let output = stage.kubectl_with(&["apply", side, "-f", "-"], yaml).await?;
        ensure!(output.status.success(), "kubectl apply {side} failed: {}{}", output.stdout, output.stderr);
    }
    let object = stage.wait_for(kind, name, "Ready", is_ready).await?;
    for side in SIDES {
        no_diff(stage, &[side], yaml).await?;
    }
    Ok(object)
}

/// Which side merges. In this order: kubectl's server-side diff shows its own annotation of an earlier client-side
/// apply as a difference.
const SIDES: [&str; 2] = ["--server-side=false", "--server-side=true"];

/// `kubectl diff` with these flags has nothing to say. It reads twice: a status that is written in between is shown as
/// a difference, so a few are forgiven.
pub(crate) async fn no_diff(stage: &Stage, flags: &[&str], yaml: &str) -> Result<()> {
    let arguments: Vec<_> = ["diff"].iter().chain(flags).chain(&["-f", "-"]).copied().collect();
    let mut said = String::new();
    for _ in 0..5 {
        let output = stage.kubectl_with(&arguments, yaml).await?;
        if output.status.code() == Some(0) {
            return Ok(());
        }
        said = output.stdout + &output.stderr;
    }
    bail!("kubectl diff {flags:?} is not empty after apply:\n{said}")
}

/// `Kind/name` and resource version of everything that is ours, except workspaces: how far the event log was read is in
/// their status.
pub(crate) async fn versions(stage: &Stage) -> Result<BTreeMap<String, String>> {
    let kinds =
        families().into_iter().map(|family| family.resource.kind).filter(|kind| !kind.ends_with("Workspace"));
    let kinds = kinds.chain(["Secret".to_owned()]);
    let mut versions = BTreeMap::new();
    for kind in kinds {
        for object in stage.api(&kind)?.list(&ListParams::default()).await?.items {
            let version = object.resource_version().unwrap_or_default();
            versions.insert(format!("{kind}/{}", object.name_any()), version);
        }
    }
    Ok(versions)
}

/// Deletes an object and waits until its finalizer has let it go.
pub(crate) async fn delete(stage: &Stage, kind: &str, name: &str) -> Result<()> {
    stage.api(kind)?.delete(name, &DeleteParams::background()).await?;
    stage.wait_gone(kind, name).await
}

/// What the platform holds now.
pub(crate) fn look<T>(stage: &Stage, look: impl FnOnce(&Organisation) -> T) -> T {
    stage.simulator().inspect(|state| look(&state.organisations[&ORGANISATION]))
}

/// Polls the platform until it holds what is wanted. `rule` says what should be so.
pub(crate) async fn holds<T: PartialEq + Debug>(
    stage: &Stage,
    rule: &str,
    seen: impl Fn(&Organisation) -> T,
    wanted: T,
) -> Result<()> {
    let last = Mutex::new(None);
    let found = stage
        .eventually(rule, async || {
            let now = look(stage, &seen);
            let same = now == wanted;
            *last.lock().expect("nobody panics while comparing") = Some(now);
            Ok(same)
        })
        .await;
    found.with_context(|| format!("{rule}\nthe platform holds {last:#?}\nbut should hold {wanted:#?}"))
}

/// A manifest with parts replaced; each must be there, once.
pub(crate) fn edited(manifest: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(manifest.to_owned(), |manifest, (from, to)| {
        assert_eq!(manifest.matches(from).count(), 1, "{from:?} is in the manifest once:\n{manifest}");
        manifest.replacen(from, to, 1)
    })
}

/// The id in emnify that an object is bound to.
pub(crate) fn id(object: &Value) -> Result<u64> {
    let id = object["status"]["id"].as_str().context("a Ready object has an id")?;
    Ok(id.parse()?)
}

/// Waits until an object says `reason` in a condition of status `True` (`Ready`: `False`), with all of these words.
pub(crate) async fn says(
    stage: &Stage,
    (kind, name): (&str, &str),
    (condition_type, reason): (&str, &str),
    words: &[&str],
) -> Result<Value> {
    let status = if condition_type == "Ready" { "False" } else { "True" };
    let says = |object: &Value| {
        condition(object, condition_type).is_some_and(|found| {
            let message = found["message"].as_str().unwrap_or_default();
            found["status"] == status
                && found["reason"] == reason
                && words.iter().all(|word| message.contains(word))
        })
    };
    let what = format!("{condition_type}={status} {reason} with the words {words:?}");
    stage.wait_for(kind, name, &what, says).await
}

/// The same, and waits for a Warning event that says it too.
pub(crate) async fn told(
    stage: &Stage,
    object: (&str, &str),
    (condition_type, reason): (&str, &str),
    words: &[&str],
) -> Result<Value> {
    let found = says(stage, object, (condition_type, reason), words).await?;
    warned(stage, object, reason, words).await?;
    Ok(found)
}

/// Waits for a Warning event about an object with this reason and all of these words.
async fn warned(stage: &Stage, (kind, name): (&str, &str), reason: &str, words: &[&str]) -> Result<()> {
    let events: Api<Event> = Api::namespaced(stage.client().clone(), stage.namespace());
    let about = format!("involvedObject.kind={kind},involvedObject.name={name}");
    let what = format!("{kind} {name} has the Warning event {reason} with the words {words:?}");
    let found = stage
        .eventually(&what, async || {
            let found = events.list(&ListParams::default().fields(&about)).await?;
            Ok(found.items.iter().any(|event| {
                let note = event.message.as_deref().unwrap_or_default();
                event.type_.as_deref() == Some("Warning")
                    && event.reason.as_deref() == Some(reason)
                    && words.iter().all(|word| note.contains(word))
            }))
        })
        .await;
    match found {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(stage.evidence(kind, name).await)),
    }
}
