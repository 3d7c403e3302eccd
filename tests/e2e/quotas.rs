//! A `ResourceQuota` that leaves no room for an output Secret.

use emnify_harness::stage::{Stage, is_ready};
use serde_json::json;

use crate::support::{Result, look, stage, told};

const TOKEN: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ApplicationToken
metadata:
  name: ci
spec:
  description: Build job
";

/// From now on there may be so many Secrets. What a controller counts in a cluster is written by hand: no more than one.
async fn allow(stage: &Stage, secrets: &str) -> Result<()> {
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"},
        "spec": {"hard": {"secrets": secrets}}});
    stage.apply(&quota.to_string()).await?;
    let status = json!({"status": {"hard": {"secrets": secrets}, "used": {"secrets": "1"}}}).to_string();
    let patch = ["patch", "resourcequota", "few", "--subresource=status", "--type=merge", "--patch", &status];
    stage.kubectl_ok(&patch).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_secret_that_a_quota_refuses_is_told_and_nothing_is_minted() -> Result<()> {
    let stage = stage("quotas").await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    let tokens = |stage: &Stage| look(stage, |platform| platform.application_tokens.len());
    let before = tokens(&stage);
    allow(&stage, "1").await?;
    stage.apply(TOKEN).await?;
    let words = ["exceeded quota: few", "raise the ResourceQuota"];
    told(&stage, ("ApplicationToken", "ci"), ("Ready", "ClusterRefused"), &words).await?;
    assert_eq!(tokens(&stage), before, "no token whose value nobody could keep");

    allow(&stage, "100").await?;
    let refresh = ["annotate", "--field-manager=emnify", "emtok", "ci", "emnify.io/refresh=now"];
    stage.kubectl_ok(&refresh).await?;
    stage.wait_for("ApplicationToken", "ci", "Ready", is_ready).await?;
    assert_eq!(tokens(&stage), before + 1);
    stage.finish().await
}
