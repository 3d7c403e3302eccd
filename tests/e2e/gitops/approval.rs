//! The guard and Git: a commit that disturbs many devices waits for another commit, which approves it or takes it back.

use anyhow::Context as _;
use emnify_engine::kind::reason::annotation;
use emnify_harness::stage::{Options, Stage, condition};
use serde_json::{Value, json};

use crate::{
    manifests::{ARGO_CD, Manifests, name_of, stage},
    support::{Result, holds, look, says},
};

/// Volumes of the data limits of the profile that the devices have.
fn volumes(stage: &Stage) -> Vec<u64> {
    look(stage, |platform| {
        let profile = platform.service_profiles.values().find(|profile| profile.name == "Meters");
        profile
            .into_iter()
            .flat_map(|profile| profile.data_limits.values().map(|limit| limit.volume))
            .collect()
    })
}

/// The manifests with another limit for every meter.
fn with_limit(manifests: &Manifests, volume: &str) -> Manifests {
    manifests.edited(|object| {
        if name_of(object) == ("ServiceProfile".into(), "meters".into()) {
            object["spec"]["dataLimits"][0]["volume"] = json!(volume);
        }
    })
}

/// The manifests with more in the Workspace's.
fn with_workspace(manifests: &Manifests, edit: impl Fn(&mut Value)) -> Manifests {
    manifests.edited(|object| {
        if object["kind"] == "Workspace" {
            edit(object);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_disturbs_many_is_approved_or_taken_back_in_git() -> Result<()> {
    let examples = Manifests::examples(false)?;
    let mut options = Options::shared("approval");
    options.log += ",emnify_engine::cluster::follow=trace";
    let stage = stage(options, &examples).await?;
    examples.converge(&stage, ARGO_CD).await?;
    let guarded = with_workspace(&examples, |workspace| workspace["spec"]["guard"]["maxDevices"] = json!(5));
    guarded.converge(&stage, ARGO_CD).await?;

    let commit = with_limit(&guarded, "200M");
    commit.apply(&stage, ARGO_CD).await?;
    let profile = ("ServiceProfile", "meters");
    says(&stage, profile, ("Stalled", "GuardTripped"), &["maxDevices of Workspace", " is 5"]).await?;
    assert_eq!(volumes(&stage), [100_000_000], "what waits for approval has not begun");
    // the revert is a commit too, and needs no approval
    guarded.converge(&stage, ARGO_CD).await?;
    assert_eq!(volumes(&stage), [100_000_000]);

    commit.apply(&stage, ARGO_CD).await?;
    says(&stage, profile, ("Stalled", "GuardTripped"), &[]).await?;
    let tripped = |workspace: &Value| condition(workspace, "GuardTripped").is_some();
    let workspace = stage.wait_for("Workspace", "default", "told how to approve", tripped).await?;
    let woken = stage.operator_log().contains("the guard counted a device");
    assert!(woken, "the Workspace says so at once, and not at its next look");
    let message =
        condition(&workspace, "GuardTripped").and_then(|c| c["message"].as_str()).unwrap_or_default();
    let (_, hash) = message.rsplit_once('=').context("the message ends with the annotation to set")?;
    let note = json!({annotation::APPROVE: hash});
    let approved = with_workspace(&commit, |workspace| workspace["metadata"]["annotations"] = note.clone());
    approved.converge(&stage, ARGO_CD).await?;
    let limits = |platform: &emnify_simulator::state::Organisation| {
        let limits = platform.service_profiles.values().flat_map(|profile| profile.data_limits.values());
        limits.filter(|limit| limit.volume == 200_000_000).count()
    };
    holds(&stage, "an approved commit is carried out", limits, 1).await
}
