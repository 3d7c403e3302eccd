//! Mistakes in the Secret of a Workspace.

use emnify_harness::stage::{Stage, condition, is_ready};
use emnify_simulator::{Fault, state::Organisation};
use serde_json::{Value, json};

use crate::support::{Result, holds, look, make_ready, options, says, stage, told};

const SECRET: &str = "emnify-default";
const FIELD: &str = "spec.credentials.applicationTokenSecretRef";

fn profile(name: &str) -> String {
    let (metadata, spec) = (json!({"name": "probe"}), json!({"name": name}));
    json!({"apiVersion": "emnify.io/v1alpha1", "kind": "ServiceProfile", "metadata": metadata, "spec": spec})
        .to_string()
}

fn named(wanted: &str) -> impl Fn(&Organisation) -> bool {
    move |platform| platform.service_profiles.values().any(|profile| profile.name == wanted)
}

async fn without_workspace(name: &str) -> Result<Stage> {
    let mut stage = Stage::start(options(name)?).await?;
    stage.start_operator()?;
    Ok(stage)
}

fn workspace(stage: &Stage, organisation: Option<&str>) -> String {
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "default"},
        "spec": {
            "baseUrl": stage.base_url(),
            "organisationId": organisation,
            "credentials": {"applicationTokenSecretRef": {"name": SECRET, "key": "token"}},
        },
    })
    .to_string()
}

async fn put_token(stage: &Stage, token: &str) -> Result<()> {
    stage.apply_secret(SECRET, &[("token", token)]).await
}

async fn healed(stage: &Stage) -> Result<()> {
    let sound = |object: &Value| is_ready(object) && condition(object, "Stalled").is_none();
    let object = stage.wait_for("Workspace", "default", "Ready and not Stalled", sound).await?;
    assert!(object["status"]["lastError"].is_null(), "the error is over: {}", object["status"]["lastError"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_token() -> Result<()> {
    let stage = without_workspace("wrong-token").await?;
    put_token(&stage, "mistyped").await?;
    stage.apply(&workspace(&stage, None)).await?;
    stage.apply(&profile("Probe")).await?;
    let words = [
        FIELD,
        "refuses this application token",
        "put one that is neither revoked nor expired into the Secret",
    ];
    let object = told(&stage, ("Workspace", "default"), ("Stalled", "Unauthorized"), &words).await?;
    assert_eq!(condition(&object, "Ready").map(|ready| &ready["status"]), Some(&json!("False")));
    let waits = ["Workspace default", FIELD];
    says(&stage, ("ServiceProfile", "probe"), ("Ready", "WorkspaceNotReady"), &waits).await?;
    put_token(&stage, "metering-token").await?;
    healed(&stage).await?;
    stage.wait_for("ServiceProfile", "probe", "Ready", is_ready).await?;
    holds(&stage, "what waited is done", named("Probe"), true).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_token_beside_a_session_that_works() -> Result<()> {
    let stage = stage("wrong-change").await?;
    make_ready(&stage, "ServiceProfile", "probe", &profile("Probe")).await?;
    put_token(&stage, "mistyped").await?;
    told(&stage, ("Workspace", "default"), ("Stalled", "Unauthorized"), &[FIELD, "into the Secret"]).await?;
    make_ready(&stage, "ServiceProfile", "probe", &profile("Probe again")).await?;
    holds(&stage, "a token that works is not given up for one that does not", named("Probe again"), true)
        .await?;
    put_token(&stage, "metering-token").await?;
    healed(&stage).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_secret() -> Result<()> {
    let stage = without_workspace("missing-secret").await?;
    stage.apply(&workspace(&stage, None)).await?;
    let words = [FIELD, "Secret emnify-default does not exist", "create it with the key token"];
    says(&stage, ("Workspace", "default"), ("Reconciling", "ReferenceNotReady"), &words).await?;
    stage.apply_secret(SECRET, &[("other", "metering-token")]).await?;
    let words = [FIELD, "has no key token", "add it"];
    says(&stage, ("Workspace", "default"), ("Reconciling", "ReferenceNotReady"), &words).await?;
    put_token(&stage, "metering-token").await?;
    healed(&stage).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credential_of_another_organisation() -> Result<()> {
    let stage = stage("other-org").await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    make_ready(&stage, "ServiceProfile", "probe", &profile("Probe")).await?;
    put_token(&stage, "other-token").await?;
    let words = [
        FIELD,
        "organisation 1002 (Somebody Else)",
        "pinned to 1001",
        "put a credential of 1001 into the Secret",
    ];
    let object = told(&stage, ("Workspace", "default"), ("Stalled", "WorkspaceChanged"), &words).await?;
    assert_eq!(object["status"]["organisation"]["id"], "1001", "the organisation stays pinned");

    make_ready(&stage, "ServiceProfile", "probe", &profile("Probe again")).await?;
    holds(&stage, "the session goes on with the old credential", named("Probe again"), true).await?;
    let theirs = stage.simulator().inspect(|state| state.organisations[&1002].service_profiles.is_empty());
    assert!(theirs, "nothing is written into the other organisation");

    put_token(&stage, "metering-token-2").await?;
    healed(&stage).await?;
    make_ready(&stage, "ServiceProfile", "probe", &profile("Probe at last")).await?;
    let found = look(&stage, named("Probe at last"));
    assert!(found, "the mended credential works");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moving_to_another_organisation_is_said_in_the_spec() -> Result<()> {
    let stage = without_workspace("move").await?;
    put_token(&stage, "other-token").await?;
    stage.apply(&workspace(&stage, Some("1001"))).await?;
    let words = [FIELD, "organisation 1002 (Somebody Else)", "set spec.organisationId to 1002"];
    told(&stage, ("Workspace", "default"), ("Stalled", "WorkspaceChanged"), &words).await?;
    stage.apply(&workspace(&stage, Some("1002"))).await?;
    healed(&stage).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_of_a_role_that_is_too_small() -> Result<()> {
    let stage = stage("small-role").await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    let refused = Fault {
        method: Some("POST".to_owned()),
        route: Some("/api/v1/service_profile".to_owned()),
        status: Some(403),
        body: Some(json!({"error_code": 1104, "error_token": "Forbidden", "message": "Forbidden"})),
        ..Fault::default()
    };
    stage.simulator().fault(refused).map_err(anyhow::Error::msg)?;
    for name in ["one", "two", "three"] {
        stage.apply(&profile(name).replace("\"probe\"", &format!("\"{name}\""))).await?;
    }
    let words = ["does not allow this login to create ServiceProfile", "Forbidden", "a role that may"];
    let object = told(&stage, ("Workspace", "default"), ("Restricted", "Unauthorized"), &words).await?;
    assert!(is_ready(&object), "the login works");
    stage.apply(&profile("four").replace("\"probe\"", "\"four\"")).await?;
    let words = ["the login of Workspace", "to create ServiceProfile", "condition Restricted"];
    let object = says(&stage, ("ServiceProfile", "four"), ("Ready", "Unauthorized"), &words).await?;
    assert!(condition(&object, "Stalled").is_none(), "there is nothing to mend on the object");

    stage.simulator().clear_faults();
    put_token(&stage, "metering-token-2").await?;
    stage.wait_for("ServiceProfile", "four", "Ready", is_ready).await?;
    let over = |object: &Value| condition(object, "Restricted").is_none();
    stage.wait_for("Workspace", "default", "no longer Restricted", over).await?;
    Ok(())
}
