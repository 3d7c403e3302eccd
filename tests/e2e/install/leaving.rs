//! Uninstalling, in the order of `docs/uninstall.md`: nothing hangs, and emnify stays as it is.

use std::process::Output;

use anyhow::Context as _;
use clap::Parser as _;
use emnify_harness::stage::Stage;
use emnify_operator::cli::{Cli, Command};
use emnify_simulator::state::Organisation;
use serde_json::{Value, json};
use tokio::process;

use super::{
    OBJECTS, PATIENCE, RELEASE, Release, SYSTEM, all_ready, every, kubectl, own, ready, succeeded, until,
};
use crate::support::{Result, look, options};

/// What must not change: devices, profiles, SIMs and tokens.
fn platform(stage: &Stage) -> String {
    let seen = |platform: &Organisation| {
        format!(
            "{:#?}\n{:#?}\n{:#?}\n{:?}",
            platform.endpoints,
            platform.service_profiles,
            platform.tariff_profiles,
            platform.application_tokens.values().map(|token| (token.id, token.revoked)).collect::<Vec<_>>()
        )
    };
    look(stage, seen)
}

/// The subcommand, as the service account of the operator.
async fn release_finalizers(release: &Release<'_>, flags: &[&str]) -> Result<Output> {
    let launch = release.launch().await?;
    let mut command = process::Command::new(env!("CARGO_BIN_EXE_emnify-operator"));
    command.arg("release-finalizers").args(["--operator-namespace", SYSTEM, "--lease-name", RELEASE]);
    command.args(flags).env_clear().envs(launch.environment).kill_on_drop(true);
    Ok(command.output().await?)
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgrade_then_release_then_uninstall_leaves_emnify_untouched() -> Result<()> {
    let stage = own("unused").await?;
    let release = Release::install(&stage, SYSTEM, &json!({})).await?;
    let process = release.start().await?;
    stage.apply_workspace("default").await?;
    ready(&stage, "Workspace", "default").await?;
    stage.apply(OBJECTS).await?;
    all_ready(&stage).await?;

    release.upgrade(&json!({"sweepInterval": "10m"})).await?;
    process.stop().await?;
    let process = release.start().await?;
    let arguments = release.launch().await?.arguments;
    assert!(
        arguments.contains(&"--sweep-interval=10m".to_owned()),
        "an upgrade changes what runs: {arguments:?}"
    );
    all_ready(&stage).await?;
    let before = platform(&stage);

    let lease = format!("lease/{RELEASE}");
    let holds = async || {
        let query = ["get", &lease, "-n", SYSTEM, "-o", "jsonpath={.spec.holderIdentity}"];
        Ok(!stage.plane().kubectl(&query).await?.stdout.is_empty())
    };
    until("the operator holds its lease", holds).await?;
    let refused = release_finalizers(&release, &["--yes"]).await?;
    assert_eq!(
        refused.status.code(),
        Some(2),
        "an operator at work is not worked against: {}",
        text(&refused)
    );
    process.stop().await?;
    let listed = release_finalizers(&release, &[]).await?;
    assert_eq!(listed.status.code(), Some(1), "objects are still held: {}", text(&listed));
    let released = succeeded("release-finalizers", &release_finalizers(&release, &["--yes"]).await?)?;
    // and one for the Workspace; but what is carried out once and done holds nothing, nor does a trigger of some
    let free = ["Operation", "OperationTrigger", "SimBatch"];
    let held = every().iter().filter(|(kind, _)| !free.contains(&kind.as_str())).count() + 1;
    assert_eq!(released.lines().count(), held, "one line per object: {released}");

    release.uninstall().await?;
    let definitions = kubectl(&stage, &["get", "crd", "-o", "name"]).await?;
    let ours: Vec<&str> = definitions.lines().filter(|name| name.ends_with(".emnify.io")).collect();
    assert!(!ours.is_empty(), "definitions outlive the operator");
    let deadline = format!("--timeout={}s", PATIENCE.as_secs());
    kubectl(&stage, &[&["delete", &deadline], &ours[..]].concat()).await?;
    assert_eq!(platform(&stage), before, "emnify stays as it was");
    stage.finish().await
}

/// Only a node could run it: the API server takes the Job of `docs/uninstall.md` as it is, also where pods are restricted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_in_the_docs_is_taken_rendered_only() -> Result<()> {
    let stage = Stage::start(options("job")?).await?;
    let page = include_str!("../../../docs/uninstall.md");
    let (_, rest) = page.split_once("--filename - <<END\n").context("the page shows a Job")?;
    let (job, _) = rest.split_once(" END\n").context("the Job has an end")?;
    let (before, after) = job.split_once("$(").context("the image is asked for")?;
    let (_, after) =
        after.split_once("{.spec.template.spec.containers[0].image}')").context("by its path")?;
    let job = format!("{before}example/emnify-operator:1{after}");
    let restricted = "pod-security.kubernetes.io/warn=restricted";
    stage.kubectl_ok(&["label", "namespace", stage.namespace(), restricted]).await?;
    let created = stage.kubectl_with(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &job).await?;
    assert!(created.status.success(), "{}", created.stderr);
    assert!(!created.stderr.contains("Warning"), "restricted namespaces run it: {}", created.stderr);
    let job: Value = serde_json::from_str(&created.stdout)?;
    let arguments: Vec<String> =
        serde_json::from_value(job["spec"]["template"]["spec"]["containers"][0]["args"].clone())?;
    let typed = ["emnify-operator".to_owned()].into_iter().chain(arguments);
    let Command::ReleaseFinalizers(args) = Cli::try_parse_from(typed)?.command else {
        panic!("the Job releases finalizers");
    };
    assert!(args.yes && !args.force, "it does so, unless an operator is at work");
    Ok(())
}
