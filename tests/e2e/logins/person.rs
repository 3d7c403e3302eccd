//! A person who serves another workspace, gets a new password, and gets a second factor.

use emnify_harness::stage::{Stage, is_ready};
use emnify_simulator::state::{Membership, User};
use serde_json::{Value, json};

use super::{ELSEWHERE, PASSWORD, PROFILE, with_users};
use crate::support::{Result, edited, make_ready};

const ADA: u64 = 301;
/// The digest of the new password `test`.
const NEW: &str = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";

/// A Workspace of Ada; `more`: fields of `credentials.user`.
fn workspace(stage: &Stage, more: &Value) -> String {
    let key = |key: &str| json!({"name": "person", "key": key});
    let mut user = json!({"username": "ada@example.com", "passwordSecretRef": key("password")});
    for (name, value) in more.as_object().into_iter().flatten() {
        user[name] = value.clone();
    }
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "default"},
        "spec": {"baseUrl": stage.base_url(), "credentials": {"user": user}},
    })
    .to_string()
}

fn ada<T>(stage: &Stage, look: impl FnOnce(&User) -> T) -> T {
    stage.simulator().inspect(|state| look(&state.users[&ADA]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_serves_another_of_their_workspaces() -> Result<()> {
    let mut stage = Stage::start(with_users("login-switch")?).await?;
    let joins = |state: &mut emnify_simulator::State| {
        let at = &mut state.users.get_mut(&ADA).expect("Ada is there").workspaces;
        at.push(Membership { organisation: ELSEWHERE, default: false, ..at[0].clone() });
    };
    stage.simulator().edit(joins)?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD)]).await?;
    stage.apply(&workspace(&stage, &json!({"switchTo": ELSEWHERE.to_string()}))).await?;
    let object = stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    assert_eq!(object["status"]["organisation"]["id"], ELSEWHERE.to_string(), "the pin is of the target");
    make_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;
    stage.crash_operator().await?;
    stage.start_operator()?;
    make_ready(&stage, "ServiceProfile", "probe", &edited(PROFILE, &[("Probe", "Still there")])).await?;
    let names = |organisation: u64| {
        stage.simulator().inspect(|state| {
            let all = state.organisations[&organisation].service_profiles.values();
            all.map(|profile| profile.name.clone()).collect::<Vec<_>>()
        })
    };
    assert_eq!(names(ELSEWHERE), ["Still there"]);
    assert!(!names(1001).contains(&"Still there".to_owned()), "nothing is made where the user is at home");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_is_put_in_the_place_of_the_one_before() -> Result<()> {
    let mut stage = Stage::start(with_users("login-rotation")?).await?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD)]).await?;
    let previous = json!({"previousPasswordSecretRef": {"name": "person", "key": "previous"}});
    stage.apply(&workspace(&stage, &previous)).await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    stage.apply_secret("person", &[("password", NEW), ("previous", PASSWORD)]).await?;
    let obsolete =
        |object: &Value| object["status"]["credential"]["previousObsolete"] == true && is_ready(object);
    stage.wait_for("Workspace", "default", "Ready with the new password", obsolete).await?;
    assert_eq!(ada(&stage, |ada| ada.password_sha1.clone()), NEW);
    stage.apply_secret("person", &[("password", NEW)]).await?;
    make_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;
    let refused = stage
        .simulator()
        .requests()
        .counts
        .into_iter()
        .filter(|count| count.route == "/api/v1/authenticate" && count.status == 401);
    assert_eq!(
        refused.map(|count| count.count).sum::<u64>(),
        1,
        "the new one is refused once, before it is the password"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_given_a_second_factor_and_it_is_taken_away_with_its_field() -> Result<()> {
    let mut stage = Stage::start(with_users("login-managed")?).await?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD)]).await?;
    let managed = json!({"mfa": {"managed": {"secretName": "ada-mfa"}}});
    stage.apply(&workspace(&stage, &managed)).await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    let active = |stage: &Stage| {
        ada(stage, |ada| {
            ada.mfa_keys
                .values()
                .filter(|key| key.status == 1)
                .map(|key| key.secret_key.clone())
                .collect::<Vec<_>>()
        })
    };
    stage.eventually("a key is active", async || Ok(active(&stage).len() == 1)).await?;
    let key = stage
        .kubectl_ok(&["get", "secret", "ada-mfa", "-o", "go-template={{.data.totp | base64decode}}"])
        .await?;
    assert_eq!(active(&stage), [key.trim()], "and it is the one in the Secret");
    stage.crash_operator().await?;
    let name = format!("session.workspace.{}.default", stage.namespace());
    stage
        .kubectl_ok(&[
            "patch",
            "secret",
            &name,
            "--type=merge",
            "--patch",
            r#"{"data":{"jwt":null,"refreshToken":null}}"#,
        ])
        .await?;
    stage.start_operator()?;
    make_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;

    stage.apply(&workspace(&stage, &json!({}))).await?;
    stage.eventually("the second factor goes with its field", async || Ok(active(&stage).is_empty())).await?;
    let kept = stage.kubectl_ok(&["get", "secret", "ada-mfa", "-o", "name"]).await?;
    assert_eq!(kept.trim(), "secret/ada-mfa", "the Secret is the user's to delete");
    Ok(())
}
