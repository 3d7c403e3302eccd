//! What is shipped, on a real API server: what it refuses no schema could tell.

use std::path::Path;

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use emnify_devenv::tools;
use emnify_harness::stage::{Launch, Options, Place, Stage};
use emnify_operator::cli::{self, Cli};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Result, options, says};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Each setting away from its default.
const FULL: &str = include_str!("../shipped/charts/full.yaml");

/// What Helm renders of the operator's chart for a namespace.
async fn rendered(namespace: &str, values: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, values)?;
    let output = Command::new(tools::helm().await?)
        .args(["template", "emnify-operator", "charts/emnify-operator", "--namespace", namespace, "--values"])
        .arg(file)
        .current_dir(ROOT)
        .output()
        .await?;
    ensure!(output.status.success(), "helm template: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The pod that a replica of the Deployment would be.
fn pod(manifests: &str) -> Result<Value> {
    for document in manifests.split("\n---") {
        let object: Value = serde_yaml::from_str(document.trim_start_matches("---"))?;
        if object["kind"] == "Deployment" {
            let template = &object["spec"]["template"];
            let mut metadata = template["metadata"].clone();
            metadata["name"] = "replica".into();
            metadata["namespace"] = object["metadata"]["namespace"].clone();
            return Ok(
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}),
            );
        }
    }
    anyhow::bail!("no Deployment in {manifests}")
}

/// kubectl as `admin`, in no namespace but those of the manifests; must succeed.
async fn kubectl(stage: &Stage, arguments: &[&str], input: &str) -> Result<String> {
    let output = stage.plane().kubectl_with(arguments, input).await?;
    ensure!(output.status.success(), "kubectl {}: {}{}", arguments.join(" "), output.stdout, output.stderr);
    Ok(output.stdout)
}

const DRY: [&str; 5] = ["apply", "--dry-run=server", "--validate=strict", "--filename", "-"];
const DRY_POD: [&str; 5] = ["create", "--dry-run=server", "--validate=strict", "--filename", "-"];

#[tokio::test]
async fn a_namespace_that_enforces_restricted_admits_the_pods() -> Result<()> {
    let stage = Stage::start(options("restricted")?).await?;
    let namespace = stage.namespace();
    let label = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&stage, &["label", "namespace", namespace, label], "").await?;
    // Admission looks the account up; everything else is a dry run.
    for account in ["emnify-operator", "robot"] {
        stage.kubectl_ok(&["create", "serviceaccount", account]).await?;
    }
    for values in ["installation: test\n", FULL] {
        let mut pod = pod(&rendered(namespace, values).await?)?;
        kubectl(&stage, &DRY_POD, &pod.to_string()).await.context("PodSecurity admits it")?;

        pod["spec"]["containers"][0].as_object_mut().context("a container")?.remove("securityContext");
        let output = stage.plane().kubectl_with(&DRY_POD, &pod.to_string()).await?;
        ensure!(
            output.stderr.contains("violates PodSecurity \"restricted:latest\""),
            "the namespace does enforce it: without the context it is refused: {}{}",
            output.stdout,
            output.stderr
        );
    }
    stage.finish().await
}

#[tokio::test]
async fn an_api_server_takes_every_object_field_by_field() -> Result<()> {
    let stage = Stage::start(options("packaged")?).await?;
    for name in ["servicemonitors", "prometheusrules"] {
        let file = format!("{ROOT}/tests/vendor/prometheus-operator/monitoring.coreos.com_{name}.yaml");
        kubectl(&stage, &["apply", "--server-side", "--filename", &file], "").await?;
        let api = format!("/apis/monitoring.coreos.com/v1/{name}");
        let served = async || Ok(stage.plane().kubectl(&["get", "--raw", &api]).await?.status.success());
        stage.eventually("the definition is served", served).await?;
    }
    let namespace = stage.namespace();
    let namespaced = format!("installation: test\nwatchNamespaces: [{namespace}]\n");
    for values in ["installation: test\n", FULL, &namespaced] {
        let manifests = rendered(namespace, values).await?;
        let said = kubectl(&stage, &DRY, &manifests)
            .await
            .with_context(|| values.lines().next().unwrap_or_default().to_owned())?;
        ensure!(said.contains("deployment.apps/"), "all of it was looked at: {said}");
    }
    stage.finish().await
}

/// What `helm install` says at the end.
async fn notes(stage: &Stage, values: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, values)?;
    let output = Command::new(tools::helm().await?)
        .args(["install", "emnify", "charts/emnify-operator", "--dry-run=server", "--values"])
        .arg(file)
        .args(["--namespace", stage.namespace()])
        .current_dir(ROOT)
        .env("KUBECONFIG", stage.plane().kubeconfig())
        .env("HOME", folder.path())
        .output()
        .await?;
    ensure!(output.status.success(), "helm install: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_once("\nNOTES:\n").context("the chart has notes")?.1.to_owned())
}

#[tokio::test]
async fn the_first_steps_that_helm_prints_can_be_taken() -> Result<()> {
    let stage = Stage::start(options("notes")?).await?;
    let namespaced = format!("installation: test\nwatchNamespaces: [{}]\n", stage.namespace());
    for (values, served) in [("installation: test\n", 0), (&namespaced, 1)] {
        let notes = notes(&stage, values).await?;
        let block = notes.split("<<EOF\n").nth(1).and_then(|rest| rest.split("  EOF").next());
        let lines = block.context("a manifest to begin with")?.lines();
        let manifest: String =
            lines.map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned() + "\n").collect();
        let said = stage.kubectl_with(&DRY, &manifest).await?;
        ensure!(said.stdout.contains("workspace.emnify.io/default"), "{}{manifest}", said.stderr);

        let line = notes.lines().find(|line| line.contains("release-finalizers")).context("the way out")?;
        let cli = Cli::try_parse_from(line.split_whitespace()).context("it can be typed")?;
        let cli::Command::ReleaseFinalizers(release) = cli.command else { anyhow::bail!("{line}") };
        ensure!(
            release.yes && release.operator_namespace == stage.namespace(),
            "this release's lease: {line}"
        );
        ensure!(release.lease_name == "emnify-emnify-operator", "by the name of its objects: {line}");
        ensure!(release.namespaces.len() == served, "and what it served: {line}");
    }
    stage.finish().await
}

/// Nothing but kubectl: definitions, a namespace that enforces `restricted`, the operator.
#[tokio::test]
async fn without_helm_one_command_installs_and_a_second_changes_nothing() -> Result<()> {
    let place = Place::Own { namespace: "iot".to_owned(), keep: false };
    let stage = Stage::start(Options { place, ..options("plain")? }).await?;
    let deploy = Path::new(ROOT).join("deploy").display().to_string();
    kubectl(&stage, &["apply", "--kustomize", &deploy], "").await?;
    kubectl(&stage, &["diff", "--kustomize", &deploy], "").await.context("a second would change nothing")?;

    let file = std::fs::read_to_string(Path::new(&deploy).join("operator.yaml"))?;
    kubectl(&stage, &DRY_POD, &pod(&file)?.to_string()).await.context("its namespace admits its pods")?;
    let deployment =
        kubectl(&stage, &["get", "deployment", "emnify-operator", "-n", "emnify-system", "-o", "json"], "")
            .await?;
    let deployment: Value = serde_json::from_str(&deployment)?;
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    ensure!(arguments[1] == "--installation=main", "the kustomization names the installation: {arguments}");
    stage.finish().await
}

/// The API server stands for an endpoint behind a private authority: it does not know emnify's API, but what it
/// answers comes through TLS.
#[tokio::test]
async fn the_folders_of_ssl_cert_dir_are_trusted() -> Result<()> {
    let stage = Stage::start(options("authority")?).await?;
    let server = stage.plane().server().to_owned();
    stage.apply_secret("emnify-default", &[("token", "a.b.c")]).await?;
    let workspace = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "default"},
        "spec": {
            "baseUrl": server,
            "credentials": {"applicationTokenSecretRef": {"name": "emnify-default", "key": "token"}},
        },
    });
    stage.apply(&workspace.to_string()).await?;
    let binary = env!("CARGO_BIN_EXE_emnify-operator");
    let allowed = format!("--allowed-base-url={server}");
    let mut launch = Launch::on(&stage, binary)?.with([allowed]);

    let mut stranger = launch.start()?;
    stranger.ready().await?;
    let object = ("Workspace", "default");
    says(&stage, object, ("Ready", "Unavailable"), &["authority that is not trusted", "SSL_CERT_DIR"])
        .await?;
    stranger.stop().await?;

    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("ca.crt"), stage.plane().ca_pem())?;
    let folders = format!("/etc/ssl/certs:{}", folder.path().display());
    launch.environment.push(("SSL_CERT_DIR".to_owned(), folders));
    let mut friend = launch.start()?;
    friend.ready().await?;
    says(&stage, object, ("Ready", "Unauthorized"), &["refuses this application token"]).await?;
    friend.stop().await?;
    stage.finish().await
}
