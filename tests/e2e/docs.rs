//! Docs that are run: every command of these pages, as it is written, against a real API server. Blocks `sh` and `console`
//! are run page by page, and whole `kubectl` commands in running text after them. A comment `<!-- not run: why -->` above a
//! block says why it cannot be.

mod takeover;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use emnify_harness::stage::Stage;
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use crate::{
    install::{OBJECTS, RELEASE, Release, SYSTEM, all_ready, own, ready},
    support::Result,
};

/// No command of a page takes longer.
const PATIENCE: Duration = Duration::from_secs(900);

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What names a command without being one; so does one whose flags follow the verb.
const MENTIONS: &[&str] = &["kubectl delete namespace"];

/// Commands of a page, with the line where they begin.
fn commands(page: &str) -> Result<Vec<(usize, String)>> {
    let text = fs::read_to_string(Path::new(ROOT).join("docs").join(page))?;
    let (mut found, mut spans, mut not_run) = (Vec::new(), Vec::new(), false);
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let Some(fence) = line.trim_start().strip_prefix("```") else {
            spans.extend(in_text(line).map(|command| (at + 1, command.to_owned())));
            not_run = line.trim_start().starts_with("<!-- not run: ") || (not_run && line.trim().is_empty());
            continue;
        };
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
        let inside: Vec<&str> = inside.map(|line| line.get(indent..).unwrap_or_default()).collect();
        let command = match fence {
            "sh" => inside.join("\n"),
            "console" => {
                inside.iter().filter_map(|line| line.strip_prefix("$ ")).collect::<Vec<_>>().join("\n")
            }
            _ => continue,
        };
        if !std::mem::take(&mut not_run) {
            found.push((at + 1, command));
        }
    }
    found.append(&mut spans);
    ensure!(!found.is_empty(), "{page} has commands");
    Ok(found)
}

/// Whole commands in a line of running text.
fn in_text(line: &str) -> impl Iterator<Item = &str> {
    let spans = line.split('`').skip(1).step_by(2);
    spans.filter(|span| {
        let words: Vec<&str> = span.split_whitespace().collect();
        words.len() > 2 && words[0] == "kubectl" && !words[2].starts_with("--") && !MENTIONS.contains(span)
    })
}

/// A shell whose `kubectl`, `helm` and `emnify-operator` are those of the test.
struct Shell {
    programs: PathBuf,
    kubeconfig: PathBuf,
    /// Where commands are typed: in the repository.
    folder: PathBuf,
    environment: BTreeMap<&'static str, String>,
}

impl Shell {
    async fn new(stage: &Stage) -> Result<Self> {
        let programs = stage.plane().folder().join(format!("docs-{}", stage.namespace()));
        fs::create_dir_all(&programs)?;
        symlink(emnify_devenv::tools::kubectl().await?, programs.join("kubectl"))?;
        symlink(emnify_devenv::tools::helm().await?, programs.join("helm"))?;
        symlink(env!("CARGO_BIN_EXE_emnify-operator"), programs.join("emnify-operator"))?;
        symlink(env!("CARGO_BIN_EXE_kubectl-emnify"), programs.join("kubectl-emnify"))?;
        let shell = Self {
            kubeconfig: programs.join("kubeconfig"),
            programs,
            folder: ROOT.into(),
            environment: BTreeMap::new(),
        };
        fs::copy(stage.plane().kubeconfig(), &shell.kubeconfig)?;
        shell.run(&format!("kubectl config set-context --current --namespace {}", stage.namespace())).await?;
        Ok(shell)
    }

    async fn run(&self, command: &str) -> Result<String> {
        let path = format!("{}:{}", self.programs.display(), std::env::var("PATH").unwrap_or_default());
        let running = Command::new("bash")
            .args(["-euo", "pipefail", "-c", command])
            .current_dir(&self.folder)
            .envs(&self.environment)
            .env("PATH", path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBERC", "off")
            .env("HOME", &self.programs)
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, running).await.with_context(|| format!("{command}\nnever ends"))??;
        let (said, wrong) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{command}\n{}: {said}{wrong}", output.status);
        Ok(said.into_owned())
    }

    async fn page(&self, page: &str) -> Result<()> {
        for (line, command) in commands(page)? {
            self.run(&command).await.with_context(|| format!("docs/{page}:{line} can be followed"))?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_can_be_followed_from_install_to_uninstall() -> Result<()> {
    let stage = own("docs").await?;
    let shell = Shell::new(&stage).await?;
    shell.run("kubectl get crd -o name | grep emnify.io | xargs kubectl delete").await?;
    for namespace in ["meters", "trackers", "argocd", "fleet"] {
        shell.run(&format!("kubectl create namespace {namespace}")).await?;
    }
    shell.page("install.md").await?;
    shell.run(&format!("helm uninstall {RELEASE} --namespace meters")).await?;
    let release = Release { stage: &stage, namespace: SYSTEM.to_owned() };
    release.upgrade(&json!({})).await?;
    shell.page("upgrade.md").await?;

    let process = release.start().await?;
    stage.apply_workspace("default").await?;
    ready(&stage, "Workspace", "default").await?;
    stage.apply(OBJECTS).await?;
    all_ready(&stage).await?;
    shell.page("operations.md").await?;
    shell.page("runbook.md").await?;
    survives_flux(&stage.get("Endpoint", "meter-1").await?.context("it is there")?);
    argo_cd(&shell, CLIENT_SIDE).await?;
    leaving(&shell).await?;
    shell.page("gitops.md").await?;
    let annotations =
        shell.run("kubectl get emep leaving -n fleet -o jsonpath='{.metadata.annotations}'").await?;
    assert!(
        annotations.contains("force-orphan"),
        "every object that is being deleted is let go: {annotations}"
    );
    shell
        .run("kubectl patch emep leaving -n fleet --type merge -p '{\"metadata\":{\"finalizers\":null}}'")
        .await?;

    // what deletes objects waits for the operator, and what follows wants it to be gone
    let (first, rest) =
        commands("uninstall.md")?.split_first().map(|(a, b)| (a.clone(), b.to_vec())).context("two")?;
    shell.run(&first.1).await.context("docs/uninstall.md can be followed")?;
    process.stop().await?;
    for (line, command) in rest {
        shell.run(&command).await.with_context(|| format!("docs/uninstall.md:{line} can be followed"))?;
    }
    let left = shell.run("kubectl get crd -o name").await?;
    assert!(!left.contains("emnify.io"), "nothing is left: {left}");
    stage.finish().await
}

/// An Endpoint that something else holds in deletion.
async fn leaving(shell: &Shell) -> Result<()> {
    let object = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint",
        "metadata": {"name": "leaving", "namespace": "fleet", "finalizers": ["example.com/held"]},
        "spec": {"enabled": false, "workspaceRef": {"name": "nowhere"}},
    });
    shell
        .run(&format!(
            "echo '{object}' | kubectl create -f - && kubectl delete emep leaving -n fleet --wait=false"
        ))
        .await?;
    Ok(())
}

/// Flux takes over every field whose manager's name begins with `kubectl`, and drops what no manifest carries.
fn survives_flux(object: &Value) {
    let managers = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let mut seen = false;
    for entry in managers {
        let ours = entry["fieldsV1"]["f:metadata"]["f:annotations"].as_object().into_iter().flatten();
        for (annotation, _) in ours.filter(|(name, _)| name.starts_with("f:emnify.io/")) {
            let manager = entry["manager"].as_str().unwrap_or_default();
            assert!(!manager.starts_with("kubectl"), "Flux would take {annotation} away from {manager}");
            seen = true;
        }
    }
    assert!(seen, "the page sets annotations");
}

/// Ways in which Argo CD's own `ConfigMap` may have been made.
const CLIENT_SIDE: &str = "apply --server-side=false";
const WAYS: [&str; 3] = [CLIENT_SIDE, "apply --server-side --field-manager=argocd-installer", "create"];

/// Makes it in one of them, with settings of its own.
async fn argo_cd(shell: &Shell, way: &str) -> Result<()> {
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"url": "https://argocd.example", "accounts.alice": "apiKey, login"},
    });
    shell.run("kubectl delete configmap argocd-cm --namespace argocd --ignore-not-found").await?;
    shell.run(&format!("echo '{map}' | kubectl {way} -f -")).await?;
    Ok(())
}

#[tokio::test]
async fn argo_cds_configuration_keeps_what_is_in_it_however_it_was_made() -> Result<()> {
    // the command names a namespace, which other tests make too
    let stage = own("argocd").await?;
    let shell = Shell::new(&stage).await?;
    let commands = commands("gitops.md")?;
    let (_, command) =
        commands.iter().find(|(_, command)| command.contains("argocd-cm")).context("a command")?;
    shell.run("kubectl create namespace argocd").await?;
    for way in WAYS {
        argo_cd(&shell, way).await?;
        shell.run(command).await?;
        let map = shell.run("kubectl get configmap argocd-cm --namespace argocd -o json").await?;
        let map: Value = serde_json::from_str(&map)?;
        assert_eq!(map["data"]["accounts.alice"], "apiKey, login", "{way}: what was there stays");
        assert!(map["data"]["resource.customizations.health.emnify.io_Endpoint"].is_string(), "{way}");
    }
    stage.finish().await
}
