//! `watchNamespaces`: Roles in these namespaces, and nothing elsewhere.

use emnify_harness::stage::{Stage, condition};
use serde_json::json;

use super::{OBJECTS, Release, all_ready, kubectl, ready, until};
use crate::support::{Result, look, options, says, told};

/// Whether the operator may do something, as `kubectl auth can-i` answers.
async fn may(release: &Release<'_>, what: &[&str]) -> Result<bool> {
    let account = release.account();
    let arguments = [&["auth", "can-i", "--as", &account], what].concat();
    let output = release.stage.plane().kubectl(&arguments).await?;
    match output.stdout.trim() {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => anyhow::bail!("kubectl auth can-i {what:?}: {other}{}", output.stderr),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_of_one_namespace_has_no_rights_elsewhere() -> Result<()> {
    let stage = Stage::start(options("served")?).await?;
    let (system, elsewhere) =
        (stage.plane().namespace("system").await?, stage.plane().namespace("elsewhere").await?);
    let served = stage.namespace();
    let values = json!({"watchNamespaces": [served], "rbac": {"outliveNamespaces": false}});
    let release = Release::install(&stage, &system, &values).await?;
    let manifest = release.helm(&["get", "manifest", super::RELEASE]).await?;
    assert!(!manifest.contains("kind: ClusterRole"), "no rights on the cluster are asked for");

    for (allowed, what) in [
        (true, vec!["get", "secrets", "--namespace", served]),
        (true, vec!["get", "configmaps", "--namespace", served]),
        (false, vec!["list", "secrets", "--namespace", served]),
        (false, vec!["watch", "secrets", "--namespace", served]),
        (false, vec!["get", "secrets", "--namespace", &elsewhere]),
        (true, vec!["get", "secrets", "--namespace", &system]),
        (false, vec!["list", "secrets", "--namespace", &system]),
        (false, vec!["list", "endpoints.emnify.io", "--namespace", &elsewhere]),
        (false, vec!["list", "clusterworkspaces.emnify.io"]),
        (false, vec!["get", "customresourcedefinitions.apiextensions.k8s.io"]),
        (false, vec!["list", "namespaces"]),
    ] {
        assert_eq!(may(&release, &what).await?, allowed, "may it {}?", what.join(" "));
    }

    let process = release.start().await?;
    not_served(&stage, &elsewhere).await?;
    stage.apply_workspace("default").await?;
    stage.apply(OBJECTS).await?;
    all_ready(&stage).await?;
    let workspace =
        stage.plane().kubectl(&["get", "emws", "default", "-n", &elsewhere, "-o", "json"]).await?;
    let workspace: serde_json::Value = serde_json::from_str(&workspace.stdout)?;
    assert!(workspace["status"].is_null(), "a Workspace elsewhere is not served: {workspace:#}");
    cluster_workspaces_are_off(&stage).await?;
    let log = process.log();
    let told: Vec<_> = log.lines().filter(|line| line.to_lowercase().contains("forbidden")).collect();
    assert!(told.is_empty(), "the Roles are enough: {told:#?}");
    process.stop().await?;
    release.uninstall().await
}

/// A Workspace that would be served if the operator could.
async fn not_served(stage: &Stage, elsewhere: &str) -> Result<()> {
    let token = json!({"name": "emnify-default", "key": "token"});
    let workspace = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace",
        "metadata": {"name": "default", "namespace": elsewhere},
        "spec": {"baseUrl": stage.base_url(), "credentials": {"applicationTokenSecretRef": token}},
    });
    let output = stage.plane().kubectl_with(&["apply", "-f", "-"], &workspace.to_string()).await?;
    anyhow::ensure!(output.status.success(), "{}", output.stderr);
    Ok(())
}

async fn cluster_workspaces_are_off(stage: &Stage) -> Result<()> {
    let profile = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "ServiceProfile", "metadata": {"name": "shared"},
        "spec": {"name": "Shared", "workspaceRef": {"kind": "ClusterWorkspace", "name": "shared"}},
    });
    stage.apply(&profile.to_string()).await?;
    says(stage, ("ServiceProfile", "shared"), ("Ready", "WorkspaceNotReady"), &["ClusterWorkspace"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_served_namespace_can_be_deleted_although_its_role_goes_first() -> Result<()> {
    let stage = Stage::start(options("leaving")?).await?;
    let (system, served) = (stage.plane().namespace("system").await?, stage.namespace());
    let release = Release::install(&stage, &system, &json!({"watchNamespaces": [served]})).await?;
    assert!(may(&release, &["patch", "endpoints.emnify.io", "--namespace", "default"]).await?);
    assert!(!may(&release, &["get", "secrets", "--namespace", "default"]).await?, "no Secrets anywhere else");
    let process = release.start().await?;
    stage.apply_workspace("default").await?;
    stage.apply(OBJECTS).await?;
    all_ready(&stage).await?;
    // in the order that hurts: the namespace's controller deletes kinds in no order of ours
    stage.kubectl_ok(&["delete", "rolebinding,role", super::RELEASE]).await?;
    stage.plane().kubectl(&["delete", "namespace", served, "--wait=false"]).await?;
    let gone = async || Ok(!stage.is_there().await?);
    if let Err(late) = until("the namespace is gone", gone).await {
        let left = stage.kubectl_ok(&["get", "emnify"]).await?;
        anyhow::bail!("{late}\n{left}\n{}", process.log());
    }
    let devices = look(&stage, |platform| platform.endpoints.len());
    assert_eq!(devices, 0, "what was made there is gone in emnify, too");
    process.stop().await?;
    release.uninstall().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_was_taken_away_is_told() -> Result<()> {
    let stage = Stage::start(options("rights")?).await?;
    let system = stage.plane().namespace("system").await?;
    let release = Release::install(&stage, &system, &json!({"watchNamespaces": [stage.namespace()]})).await?;
    without(&stage, "configmaps").await?;
    let process = release.start().await?;
    stage.apply_workspace("default").await?;
    stage.apply(OBJECTS).await?;
    ready(&stage, "ServiceProfile", "meters").await?;
    let words = ["may not read the ConfigMap delivery", "configmaps"];
    says(&stage, ("EndpointSet", "gateways"), ("Ready", "ReferenceNotReady"), &words).await?;

    without(&stage, "secrets").await?;
    let other = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "other"},
        "spec": {"credentials": {"applicationTokenSecretRef": {"name": "emnify-other", "key": "token"}}},
    });
    stage.apply(&other.to_string()).await?;
    let words = ["lacks a right", "secrets \"emnify-other\" is forbidden", "cannot get"];
    told(&stage, ("Workspace", "other"), ("Stalled", "NotAllowed"), &words).await?;
    let workspace = ready(&stage, "Workspace", "default").await?;
    assert!(condition(&workspace, "Stalled").is_none(), "what works goes on: {workspace:#}");
    process.stop().await.map(drop)
}

/// Takes all rules about a resource out of the Role in the served namespace.
async fn without(stage: &Stage, resource: &str) -> Result<()> {
    let role = stage.kubectl_ok(&["get", "role", super::RELEASE, "--output", "json"]).await?;
    let mut role: serde_json::Value = serde_json::from_str(&role)?;
    let rules = role["rules"].as_array_mut().expect("a Role has rules");
    let count = rules.len();
    rules.retain(|rule| rule["resources"][0] != resource);
    assert!(rules.len() < count, "the Role has a rule about {resource}");
    let patch = json!({"rules": role["rules"]}).to_string();
    stage.kubectl_ok(&["patch", "role", super::RELEASE, "--type=merge", "--patch", &patch]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_is_gone_does_not_hold_up_the_others() -> Result<()> {
    let stage = Stage::start(options("beside")?).await?;
    let (system, guard) = (stage.plane().namespace("system").await?, stage.plane().namespace("gone").await?);
    let gone: &str = &guard;
    let values = json!({"watchNamespaces": [stage.namespace(), gone], "rbac": {"outliveNamespaces": false}});
    let release = Release::install(&stage, &system, &values).await?;
    // the Role goes with it
    kubectl(&stage, &["delete", "namespace", gone]).await?;
    let process = release.start().await?;
    stage.apply_workspace("default").await?;
    ready(&stage, "Workspace", "default").await?;
    let told = format!("namespace {gone} is not served: ");
    until("it is told", async || Ok(process.log().contains(&told))).await?;
    assert_eq!(process.log().matches(&told).count(), 1, "once: {}", process.log());
    let events = ["get", "events", "--namespace", &system, "--output", "jsonpath={.items[*].reason}"];
    until("an event tells", async || Ok(kubectl(&stage, &events).await?.contains("NamespaceNotServed")))
        .await?;

    kubectl(&stage, &["create", "namespace", gone]).await?;
    release.upgrade(&values).await?;
    until("it is served again", async || Ok(process.log().contains("namespace is served"))).await?;
    process.stop().await?;
    release.uninstall().await
}
