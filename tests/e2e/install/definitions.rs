//! Definitions of another version than the operator, and definitions that go; seen without rights to them.

use anyhow::{Context as _, ensure};
use emnify_harness::stage::{Process, Stage, crds};
use serde_json::{Value, json};

use super::{Release, SYSTEM, chart, helm, kubectl, own, ready, until};
use crate::support::{DEVICE, Result, edited, id, look};

/// The value of the gauge for Endpoints.
async fn skew(process: &Process) -> Result<Option<f64>> {
    let (_, metrics) = process.get("/metrics").await?;
    let line = metrics.lines().find_map(|line| line.strip_prefix("emnify_crd_skew{kind=\"Endpoint\"} "));
    Ok(line.and_then(|value| value.parse().ok()))
}

/// The definition of a kind.
fn definition(kind: &str) -> Result<Value> {
    Ok(serde_json::to_value(crds().iter().find(|crd| crd.spec.names.kind == kind))?)
}

/// Applies a definition.
pub(super) async fn define(stage: &Stage, crd: &Value) -> Result<()> {
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let output = stage.plane().kubectl_with(&arguments, &crd.to_string()).await?;
    ensure!(output.status.success(), "{}", output.stderr);
    Ok(())
}

/// Applies the definition of Endpoints as it was before it had a field.
async fn define_without(stage: &Stage, field: &str) -> Result<()> {
    let mut crd = definition("Endpoint")?;
    let properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let fields = crd.pointer_mut(properties).and_then(|fields| fields.as_object_mut());
    ensure!(fields.is_some_and(|fields| fields.remove(field).is_some()), "Endpoints have the field {field}");
    define(stage, &crd).await
}

/// Counts of Workspaces were an object with a field per kind; what is stored so is taken up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_whose_status_an_earlier_release_wrote_goes_on() -> Result<()> {
    let stage = own("unused").await?;
    let ours = definition("Workspace")?;
    let mut older = ours.clone();
    let counts = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/counts";
    let shape = older.pointer_mut(counts).context("Workspaces have counts")?;
    *shape = json!({"type": "object", "properties": {"endpoints": {"type": "integer"}}});
    define(&stage, &older).await?;
    stage.apply_workspace("default").await?;
    let before = json!({"status": {"counts": {"endpoints": 3}}}).to_string();
    // an API server goes on with the schema before for a moment, and refuses
    let written = async || {
        let patch =
            ["patch", "workspace", "default", "--subresource=status", "--type=merge", "--patch", &before];
        stage.kubectl(&patch).await?;
        let found = stage.get("Workspace", "default").await?.unwrap_or_default();
        Ok(found["status"]["counts"]["endpoints"] == 3)
    };
    until("an earlier release has written its counts", written).await?;
    define(&stage, &ours).await?;

    let release = Release::install(&stage, SYSTEM, &json!({"watchNamespaces": ["iot"]})).await?;
    let process = release.start().await?;
    ready(&stage, "Workspace", "default").await?;
    stage.apply(DEVICE).await?;
    ready(&stage, "Endpoint", "meter-1").await?;
    let counted = async || {
        let found = stage.get("Workspace", "default").await?.unwrap_or_default();
        let counts = found["status"]["counts"].as_array().cloned().unwrap_or_default();
        Ok(counts.iter().any(|of| of["kind"] == "Endpoint" && of["count"] == 1))
    };
    until("its counts are a list", counted).await?;
    process.stop().await?;
    stage.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_definition_is_told_and_upgraded_under_a_running_operator() -> Result<()> {
    let stage = own("unused").await?;
    define_without(&stage, "tags").await?;
    let release = Release::install(&stage, SYSTEM, &json!({"watchNamespaces": ["iot"]})).await?;
    let process = release.start().await?;
    until("the gauge counts the field", async || Ok(skew(&process).await? == Some(1.0))).await?;
    let log = process.log();
    let line = log.lines().find(|line| line.contains("of another version than the operator"));
    let line = line.unwrap_or_default();
    assert!(
        ["Endpoint", "lacks spec.tags", "emnify-operator-crds"].iter().all(|word| line.contains(word)),
        "the log names kind, field and mend: {line:?}"
    );
    let event = async || {
        let query = ["events", "--namespace", SYSTEM, "--for", "lease/emnify-operator"];
        let said = kubectl(&stage, &query).await?;
        Ok(said.contains("DefinitionsDiffer") && said.contains("lacks spec.tags"))
    };
    until("an Event on the lease says the same", event).await?;

    stage.apply_workspace("default").await?;
    stage.apply(DEVICE).await?;
    let endpoint = id(&ready(&stage, "Endpoint", "meter-1").await?)?;
    let (name, charts) = ("emnify-operator-crds", chart("emnify-operator-crds"));
    helm(&stage, &["upgrade", "--install", name, &charts, "--namespace", SYSTEM, "--take-ownership"]).await?;
    until("the gauge is back", async || Ok(skew(&process).await? == Some(0.0))).await?;
    let tagged = edited(DEVICE, &[("  enabled: true", "  enabled: true\n  tags: [upgraded]")]);
    stage.apply(&tagged).await?;
    assert_eq!(id(&ready(&stage, "Endpoint", "meter-1").await?)?, endpoint, "the device goes on");
    let tagged = look(&stage, |platform| platform.tags.values().any(|tag| tag.name == "upgraded"));
    assert!(tagged, "and the field that is new works");

    all_definitions_go(&stage).await?;
    // calls under way are finished
    process.stop().await?;
    let stays = look(&stage, |platform| platform.endpoints.contains_key(&endpoint));
    assert!(stays, "definitions deleted by mistake cost no device, whatever the rights");
    stage.finish().await
}

/// All of them at once, while the operator runs with rights in one namespace only.
async fn all_definitions_go(stage: &Stage) -> Result<()> {
    let families = emnify_operator::definitions::families().into_iter().map(|family| family.resource);
    let names: Vec<String> = families.map(|kind| format!("{}.{}", kind.plural, kind.group)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    kubectl(stage, &[&["delete", "crd", "--wait=false"], &names[..]].concat()).await?;
    let gone = async || {
        let left = kubectl(stage, &["get", "crd", "-o", "name"]).await?;
        Ok(!left.contains(".emnify.io"))
    };
    until("no definition is left", gone).await?;
    Ok(())
}
