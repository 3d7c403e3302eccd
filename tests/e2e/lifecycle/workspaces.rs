//! `Workspace` and `ClusterWorkspace`.

use emnify_harness::stage::{Options, Place, Stage};
use emnify_simulator::state::Organisation;
use serde_json::{Value, json};

use crate::support::{Result, apply_ready, delete, edited, holds, make_ready, options, says, told};

/// A profile that shows whether a workspace works.
const PROFILE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: probe
spec:
  name: Probe
";

fn manifest(stage: &Stage) -> String {
    let base_url = stage.base_url();
    format!(
        r"
apiVersion: emnify.io/v1alpha1
kind: Workspace
metadata:
  name: default
spec:
  baseUrl: {base_url}
  credentials:
    applicationTokenSecretRef:
      name: emnify
      key: token
  guard:
    maxDevices: 50
    window: 1h
"
    )
}

fn logins(stage: &Stage) -> u64 {
    stage.simulator().requests().count("POST", "/api/v1/authenticate")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workspace() -> Result<()> {
    let mut stage = Stage::start(options("workspace")?).await?;
    stage.start_operator()?;
    let manifest = manifest(&stage);
    stage.apply_secret("emnify", &[("token", "metering-token")]).await?;
    stage.apply_secret("emnify-next", &[("token", "metering-token-2")]).await?;
    let object = apply_ready(&stage, "Workspace", "default", &manifest).await?;
    let whose = json!({"id": "1001", "name": "Example Metering", "baseUrl": stage.base_url()});
    let who = &object["status"]["organisation"];
    assert!(["id", "name", "baseUrl"].iter().all(|field| who[field] == whose[field]), "{who}");
    assert!(object["status"]["tokenExpiresAt"].is_string(), "it says when the login's token ends");
    let state = |object: &Value| object["status"]["organisation"]["state"] == "Active";
    stage.wait_for("Workspace", "default", "with what emnify says of the organisation", state).await?;
    assert_eq!(logins(&stage), 1, "one login is enough");
    apply_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;

    let edit = edited(&manifest, &[("name: emnify\n", "name: emnify-next\n")]);
    make_ready(&stage, "Workspace", "default", &edit).await?;
    assert_eq!(logins(&stage), 2, "another credential is another login");
    make_ready(&stage, "ServiceProfile", "probe", &edited(PROFILE, &[("Probe", "Probe again")])).await?;
    holds(&stage, "the session goes on with the new credential", named("Probe again"), true).await?;

    stage.kubectl_ok(&["delete", "workspace", "default", "--wait=false"]).await?;
    told(&stage, ("Workspace", "default"), ("Ready", "InUse"), &["ServiceProfile", "/probe"]).await?;
    delete(&stage, "ServiceProfile", "probe").await?;
    holds(&stage, "a Workspace outlives what lives in it", named("Probe again"), false).await?;
    stage.wait_gone("Workspace", "default").await?;
    let session = format!("session.workspace.{}.default", stage.namespace());
    let gone = async || Ok(stage.get("Secret", &session).await?.is_none());
    stage.eventually("the Secret with the session goes with its Workspace", gone).await?;

    stage.apply(PROFILE).await?;
    says(
        &stage,
        ("ServiceProfile", "probe"),
        ("Ready", "WorkspaceNotReady"),
        &["no Workspace named default"],
    )
    .await?;
    holds(&stage, "nothing is written without a Workspace", named("Probe"), false).await?;
    make_ready(&stage, "Workspace", "default", &edit).await?;
    holds(&stage, "a Workspace that comes back is used", named("Probe"), true).await
}

fn named(wanted: &str) -> impl Fn(&Organisation) -> bool {
    move |platform| platform.service_profiles.values().any(|profile| profile.name == wanted)
}

fn cluster_manifest(stage: &Stage, kinds: &str) -> String {
    let base_url = stage.base_url();
    format!(
        r#"
apiVersion: emnify.io/v1alpha1
kind: ClusterWorkspace
metadata:
  name: fleet
spec:
  baseUrl: {base_url}
  credentials:
    applicationTokenSecretRef:
      name: emnify
      key: token
  allowedNamespaces:
    matchLabels:
      emnify.io/fleet: "true"
{kinds}
"#
    )
}

const SHARED: &str = "spec:\n  workspaceRef:\n    kind: ClusterWorkspace\n    name: fleet";

const TOKEN: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ApplicationToken
metadata:
  name: probe
spec:
  description: Probe
";

/// In a control plane of its own, for an operator that serves all namespaces: others do not serve this kind, and two
/// would fight over its objects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cluster_workspace() -> Result<()> {
    const NAMESPACE: &str = "fleet-system";
    let place = Place::Own { namespace: NAMESPACE.to_owned(), keep: false };
    let flags = vec!["--namespaces=".to_owned()];
    let mut stage = Stage::start(Options { place, flags, ..options("unused")? }).await?;
    stage.start_operator()?;
    stage.apply_secret("emnify", &[("token", "metering-token")]).await?;
    let manifest = cluster_manifest(&stage, "");
    let object = apply_ready(&stage, "ClusterWorkspace", "fleet", &manifest).await?;
    assert_eq!(object["status"]["organisation"]["id"], "1001");
    assert_eq!(logins(&stage), 1, "one login is enough");

    let (profile, token) = (edited(PROFILE, &[("spec:", SHARED)]), edited(TOKEN, &[("spec:", SHARED)]));
    stage.apply(&profile).await?;
    let waits = ("Ready", "WorkspaceNotReady");
    let refusal = ["ClusterWorkspace fleet", NAMESPACE, "spec.allowedNamespaces"];
    says(&stage, ("ServiceProfile", "probe"), waits, &refusal).await?;
    stage.kubectl_ok(&["label", "namespace", NAMESPACE, "emnify.io/fleet=true"]).await?;
    make_ready(&stage, "ServiceProfile", "probe", &profile).await?;
    holds(&stage, "a namespace that is allowed may use it", named("Probe"), true).await?;

    stage.apply(&token).await?;
    let refusal = ["ClusterWorkspace fleet", "ApplicationToken", "spec.allowedKinds"];
    says(&stage, ("ApplicationToken", "probe"), waits, &refusal).await?;
    let kinds = "  allowedKinds:\n    - ServiceProfile\n    - ApplicationToken";
    make_ready(&stage, "ClusterWorkspace", "fleet", &cluster_manifest(&stage, kinds)).await?;
    make_ready(&stage, "ApplicationToken", "probe", &token).await?;
    let made = |p: &Organisation| p.application_tokens.values().filter(|token| !token.revoked).count();
    holds(&stage, "a kind that is added may use it", made, 3).await?;

    delete(&stage, "ApplicationToken", "probe").await?;
    delete(&stage, "ServiceProfile", "probe").await?;
    delete(&stage, "ClusterWorkspace", "fleet").await?;
    let gone = async || Ok(stage.get("Secret", "fleet-clustersession").await?.is_none());
    stage.eventually("the Secret with the session goes with its ClusterWorkspace", gone).await?;
    stage.finish().await
}
