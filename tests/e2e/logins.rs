//! How the operator logs in: passwords, second factors, tokens that are kept and renewed.

mod person;

use anyhow::Context as _;
use emnify_harness::stage::{Options, Stage, is_ready};
use emnify_simulator::{Seed, state::Membership};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    portal::Traffic,
    support::{ORGANISATION, Result, edited, look, make_ready, options, says},
};

pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const DIGEST: &str = "2f9e53523b62abc141a2b4d6019d23cba835dbd0";
pub(crate) const TOTP_KEY: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

const PROFILE: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ServiceProfile
metadata:
  name: probe
spec:
  name: Probe
";

/// A stage whose platform knows people as well.
pub(crate) fn with_users(name: &str) -> Result<Options> {
    let mut options = options(name)?;
    options.simulator.seed =
        Seed::from_yaml(&[include_str!("seed.yaml"), include_str!("users.yaml")].concat())?;
    Ok(options)
}

/// A Workspace of a person, whose password is in the Secret `person`.
pub(crate) fn workspace(stage: &Stage, name: &str, username: &str, mfa: &Value) -> String {
    let password = json!({"name": "person", "key": "password"});
    let user = json!({"username": username, "passwordSecretRef": password, "mfa": mfa});
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name},
        "spec": {"baseUrl": stage.base_url(), "credentials": {"user": user}},
    })
    .to_string()
}

/// Steps of logins so far: one with a password alone, two with a code.
fn logins(stage: &Stage) -> u64 {
    stage.simulator().requests().count("POST", "/api/v1/authenticate")
}

fn accepted(object: &Value) -> Value {
    object["status"]["credential"]["accepted"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_may_be_clear_or_digested() -> Result<()> {
    let mut stage = Stage::start(with_users("login-password")?).await?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD)]).await?;
    let manifest = workspace(&stage, "default", "ada@example.com", &Value::Null);
    stage.apply(&manifest).await?;
    let clear = stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    assert_eq!(clear["status"]["organisation"]["id"], ORGANISATION.to_string());
    make_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;
    assert_eq!(logins(&stage), 1, "one login is enough");

    stage.apply_secret("person", &[("password", &format!("{DIGEST}\n"))]).await?;
    let other = |object: &Value| is_ready(object) && accepted(object) != accepted(&clear);
    stage.wait_for("Workspace", "default", "Ready with the digest", other).await?;
    assert_eq!(logins(&stage), 2, "a changed credential is tried once");
    make_ready(&stage, "ServiceProfile", "probe", &edited(PROFILE, &[("Probe", "Probe again")])).await?;
    assert_eq!(logins(&stage), 2, "and kept");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_factor_may_be_a_key() -> Result<()> {
    let mut stage = Stage::start(with_users("login-totp")?).await?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD), ("totp", TOTP_KEY)]).await?;
    let mfa = json!({"totpSecretRef": {"name": "person", "key": "totp"}});
    stage.apply(&workspace(&stage, "default", "grace@example.com", &mfa)).await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    assert_eq!(logins(&stage), 2, "password, then code");
    make_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;
    assert!(trusted(&stage).is_empty(), "nobody asked to be trusted");
    Ok(())
}

fn trusted(stage: &Stage) -> Vec<String> {
    let devices = |state: &emnify_simulator::State| {
        state.users[&302].trusted_devices.values().map(|device| device.fingerprint.clone()).collect()
    };
    stage.simulator().inspect(devices)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_factor_may_be_a_trusted_device() -> Result<()> {
    let mut stage = Stage::start(with_users("login-device")?).await?;
    stage.start_operator()?;
    let code = stage.simulator().mfa_code("grace@example.com").context("she has an authenticator")?;
    stage.apply_secret("person", &[("password", PASSWORD), ("code", &code)]).await?;
    let mfa = json!({"trustedDevice": {"codeSecretRef": {"name": "person", "key": "code"}}});
    stage.apply(&workspace(&stage, "default", "grace@example.com", &mfa)).await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    assert_eq!((trusted(&stage).len(), logins(&stage)), (1, 2), "a code registers the operator once");

    stage.stop_operator().await?;
    forget_login(&stage).await?;
    stage.start_operator()?;
    make_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;
    assert_eq!(logins(&stage), 3, "a trusted device logs in with the password alone, in one step");
    assert_eq!(trusted(&stage).len(), 1, "and is not registered again");
    Ok(())
}

/// Takes the tokens out of the session's Secret; what makes the operator a trusted device stays.
async fn forget_login(stage: &Stage) -> Result<()> {
    let secrets = Api::<Secret>::namespaced(stage.client().clone(), stage.namespace());
    let patch = json!({"data": {"jwt": null, "refreshToken": null}});
    let name = format!("session.workspace.{}.default", stage.namespace());
    secrets.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_needs_no_login() -> Result<()> {
    let mut stage = Stage::start(with_users("login-kept")?).await?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD)]).await?;
    stage.apply(&workspace(&stage, "default", "ada@example.com", &Value::Null)).await?;
    stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    for (name, end) in [("stopped", true), ("crashed", false)] {
        if end {
            stage.stop_operator().await?;
        } else {
            stage.crash_operator().await?;
        }
        stage.start_operator()?;
        make_ready(&stage, "ServiceProfile", "probe", &edited(PROFILE, &[("Probe", name)])).await?;
        assert_eq!(logins(&stage), 1, "{name}: the token that is kept in the Secret goes on");
    }
    let served =
        look(&stage, |platform| platform.service_profiles.values().any(|profile| profile.name == "crashed"));
    assert!(served, "and is good for work");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_before_it_ends() -> Result<()> {
    let mut options = with_users("login-renewed")?;
    let mut state = options.simulator.seed.state().clone();
    // Renewed a minute before its end: ten seconds after it was made.
    state.organisations.get_mut(&ORGANISATION).context("the seed's organisation")?.token_lifetime = 70;
    options.simulator.seed = Seed::from_state(state)?;
    options.flags.push("--sweep-interval=10s".to_owned());
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD)]).await?;
    stage.apply(&workspace(&stage, "default", "ada@example.com", &Value::Null)).await?;
    let first = stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    make_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;

    let end = |object: &Value| {
        object["status"]["tokenExpiresAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok())
    };
    let renewed = |object: &Value| is_ready(object) && end(object) > end(&first);
    stage.wait_for("Workspace", "default", "Ready with a later token", renewed).await?;
    let log = stage.simulator().requests().log;
    let mut logins = log.iter().filter(|entry| entry.path == "/api/v1/authenticate");
    let second = logins.nth(1).context("a token is renewed by a login")?.at;
    assert!(Some(second) < end(&first), "a token is renewed while it is still good");
    Traffic::from_now(&stage).two_sweeps("/api/v1/service_profile").await?;
    let refused = stage.simulator().requests().counts.into_iter().filter(|count| count.status == 401).count();
    assert_eq!(refused, 0, "no call is made with a token that has ended");
    let object = stage.get("Workspace", "default").await?.unwrap_or_default();
    assert!(is_ready(&object), "renewal does not show: {object:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_whose_default_workspace_moves_changes_nothing_elsewhere() -> Result<()> {
    let mut options = with_users("login-moved")?;
    let mut state = options.simulator.seed.state().clone();
    // Renewed ten seconds after it was made, so that the move is met on the way of a refresh.
    state.organisations.get_mut(&ORGANISATION).context("the seed's organisation")?.token_lifetime = 70;
    let ada = state.users.get_mut(&301).context("Ada is there")?;
    let elsewhere = Membership { organisation: ELSEWHERE, default: false, ..ada.workspaces[0].clone() };
    ada.workspaces.push(elsewhere);
    options.simulator.seed = Seed::from_state(state)?;
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_secret("person", &[("password", PASSWORD)]).await?;
    stage.apply(&workspace(&stage, "default", "ada@example.com", &Value::Null)).await?;
    let first = stage.wait_for("Workspace", "default", "Ready", is_ready).await?;
    make_ready(&stage, "ServiceProfile", "probe", PROFILE).await?;

    let moved = |state: &mut emnify_simulator::State| {
        for membership in &mut state.users.get_mut(&301).expect("Ada is there").workspaces {
            membership.default = membership.organisation == ELSEWHERE;
        }
    };
    stage.simulator().edit(moved)?;
    let end = |object: &Value| {
        object["status"]["tokenExpiresAt"].as_str().and_then(|at| at.parse::<Timestamp>().ok())
    };
    let renewed = |object: &Value| is_ready(object) && end(object) > end(&first);
    stage.wait_for("Workspace", "default", "Ready with a later token", renewed).await?;
    make_ready(&stage, "ServiceProfile", "probe", &edited(PROFILE, &[("Probe", "Stays here")])).await?;
    let here = look(&stage, |platform| platform.service_profiles.values().any(|p| p.name == "Stays here"));
    assert!(here, "the Workspace goes on in its own organisation");

    let left = |state: &mut emnify_simulator::State| {
        let workspaces = &mut state.users.get_mut(&301).expect("Ada is there").workspaces;
        workspaces.retain(|membership| membership.organisation == ELSEWHERE);
    };
    stage.simulator().edit(left)?;
    says(&stage, ("Workspace", "default"), ("Stalled", "WorkspaceChanged"), &["1001", "1002"]).await?;
    let profiles = stage.simulator().inspect(|state| state.organisations[&ELSEWHERE].service_profiles.len());
    assert_eq!(profiles, 0, "nothing is made in the organisation that the user belongs to now");
    let there = stage.simulator().requests_after(0);
    let there: Vec<_> = there.iter().filter(|request| request.organisation == Some(ELSEWHERE)).collect();
    assert!(there.iter().all(|r| r.path.starts_with("/api/v1/authenticate")), "not one call: {there:?}");
    Ok(())
}

/// Another organisation of the seed.
const ELSEWHERE: u64 = 1002;
