//! Two tenants in one cluster, each with a Workspace: neither acts with the login, the rights or the organisation of the
//! other. The operator runs in a namespace where neither writes.

use anyhow::Context as _;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use emnify_devenv::Namespace;
use emnify_harness::stage::{Launch, Options, Process, Stage, condition, is_ready};
use emnify_simulator::Seed;
use serde_json::{Value, json};

use crate::support::{Result, holds, look};

/// The stage's own namespace is one tenant's; here is the other's, and the operator's.
struct Tenants {
    stage: Stage,
    other: Namespace,
    system: Namespace,
}

impl Tenants {
    async fn new(name: &str, tokens: &str) -> Result<Self> {
        let mut options = Options::shared(name);
        let seed = include_str!("seed.yaml");
        let at = "      - {id: 502,";
        assert!(seed.contains(at), "the seed has tokens");
        options.simulator.seed = Seed::from_yaml(&seed.replacen(at, &format!("{tokens}{at}"), 1))?;
        let stage = Stage::start(options).await?;
        let (other, system) =
            (stage.plane().namespace("other").await?, stage.plane().namespace("system").await?);
        Ok(Self { stage, other, system })
    }

    /// An operator that serves both.
    async fn operator(&self) -> Result<Process> {
        let served = format!("--namespaces={},{}", self.stage.namespace(), &*self.other);
        let system = format!("--operator-namespace={}", &*self.system);
        let mut launch = Launch::on(&self.stage, env!("CARGO_BIN_EXE_emnify-operator"))?;
        let of_stage =
            |typed: &String| typed.starts_with("--namespaces=") || typed.starts_with("--operator-namespace=");
        launch.arguments.retain(|typed| !of_stage(typed));
        let mut process = launch.with([served.as_str(), system.as_str(), "--leader-elect=false"]).start()?;
        process.ready().await?;
        Ok(process)
    }

    async fn kubectl(&self, namespace: &str, arguments: &[&str], input: &str) -> Result<String> {
        let arguments: Vec<&str> = ["-n", namespace].iter().chain(arguments).copied().collect();
        let output = self.stage.plane().kubectl_with(&arguments, input).await?;
        anyhow::ensure!(output.status.success(), "kubectl {arguments:?}: {}{}", output.stdout, output.stderr);
        Ok(output.stdout)
    }

    /// A Workspace `default` with this token.
    async fn workspace(&self, namespace: &str, token: &str) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "emnify"}, "stringData": {"token": token},
        });
        let workspace = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "default"},
            "spec": {
                "baseUrl": self.stage.base_url(),
                "credentials": {"applicationTokenSecretRef": {"name": "emnify", "key": "token"}},
            },
        });
        for object in [secret, workspace] {
            self.kubectl(namespace, &["apply", "-f", "-"], &object.to_string()).await?;
        }
        Ok(())
    }

    async fn get(&self, namespace: &str, kind: &str, name: &str) -> Result<Value> {
        let arguments = ["get", kind, name, "--ignore-not-found", "-o", "json"];
        let text = self.kubectl(namespace, &arguments, "").await?;
        Ok(if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    async fn until(
        &self,
        what: &str,
        object: (&str, &str, &str),
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let (namespace, kind, name) = object;
        let found =
            self.stage.eventually(what, async || Ok(so(&self.get(namespace, kind, name).await?))).await;
        let seen = self.get(namespace, kind, name).await?;
        found.with_context(|| format!("{what}: {seen:#}\n{}", self.stage.operator_log_tail()))?;
        Ok(seen)
    }
}

fn profile(name: &str) -> String {
    json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "ServiceProfile", "metadata": {"name": "probe"}, "spec": {"name": name},
    })
    .to_string()
}

fn reason(object: &Value, of: &str) -> String {
    condition(object, of)
        .map(|found| found["reason"].as_str().unwrap_or_default().to_owned())
        .unwrap_or_default()
}

const TOKEN: &str = r#"{
    "apiVersion": "emnify.io/v1alpha1", "kind": "ApplicationToken", "metadata": {"name": "ci"}, "spec": {"description": "ci"}
}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_session_gives_no_tenant_the_organisation_of_another() -> Result<()> {
    let tenants = Tenants::new("forged", "").await?;
    let process = tenants.operator().await?;
    let (victim, intruder) = (tenants.stage.namespace(), &*tenants.other);
    tenants.workspace(victim, "metering-token").await?;
    tenants.until("the victim is served", (victim, "emws", "default"), is_ready).await?;
    let tokens = look(&tenants.stage, |platform| platform.application_tokens.len());

    tenants.workspace(intruder, "junk").await?;
    let refused = |object: &Value| reason(object, "Stalled") == "Unauthorized";
    let workspace = tenants.until("junk is refused", (intruder, "emws", "default"), refused).await?;
    let now = jiff::Timestamp::now().as_second();
    let claims = json!({"esc.org": 1001, "esc.orgName": "x", "iat": now, "exp": now + 31_536_000});
    let jwt = format!("e30.{}.x", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    let encoded = |text: &str| BASE64.encode(text.as_bytes());
    let accepted = workspace["status"]["credential"]["refused"]["credential"].as_str().unwrap_or_default();
    for name in ["default-session".to_owned(), format!("session.workspace.{intruder}.default")] {
        let owner = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "name": "default", "uid": workspace["metadata"]["uid"],
        });
        let forged = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "emnify.io/session",
            "metadata": {
                "name": name, "ownerReferences": [owner],
                "annotations": {
                    "emnify.io/origin": tenants.stage.base_url(), "emnify.io/credential": accepted,
                    "emnify.io/workspace-uid": workspace["metadata"]["uid"],
                },
            },
            "data": {"jwt": encoded(&jwt), "salt": encoded("s"), "fingerprint": encoded("f")},
        });
        tenants.kubectl(intruder, &["apply", "-f", "-"], &forged.to_string()).await?;
    }
    tenants.kubectl(intruder, &["apply", "-f", "-"], TOKEN).await?;
    process.stop().await?;
    let process = tenants.operator().await?;
    tenants.kubectl(victim, &["apply", "-f", "-"], &profile("Still mine")).await?;
    tenants.until("the victim goes on", (victim, "emsp", "probe"), is_ready).await?;
    let waits = |object: &Value| reason(object, "Ready") == "WorkspaceNotReady";
    tenants.until("the intruder's token waits", (intruder, "emtok", "ci"), waits).await?;
    let after = look(&tenants.stage, |platform| platform.application_tokens.len());
    assert_eq!(after, tokens, "no token of the organisation was made for somebody else");
    let workspace = tenants.get(intruder, "emws", "default").await?;
    assert!(!is_ready(&workspace), "a claim is no login: {workspace:#}");
    process.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observers_token_stays_an_observers_beside_an_administrators() -> Result<()> {
    let observer = "      - {id: 503, token: observer-token, description: Looks on, roles: [3]}\n";
    let tenants = Tenants::new("observer", observer).await?;
    let process = tenants.operator().await?;
    let (admin, watcher) = (tenants.stage.namespace(), &*tenants.other);
    tenants.workspace(watcher, "observer-token").await?;
    tenants.until("the observer is served", (watcher, "emws", "default"), is_ready).await?;
    tenants.workspace(admin, "metering-token").await?;
    tenants.until("the administrator is served", (admin, "emws", "default"), is_ready).await?;
    tenants.kubectl(watcher, &["apply", "-f", "-"], &profile("The observer's")).await?;
    tenants.kubectl(watcher, &["apply", "-f", "-"], TOKEN).await?;
    tenants.kubectl(admin, &["apply", "-f", "-"], &profile("The administrator's")).await?;
    tenants.until("the administrator's is made", (admin, "emsp", "probe"), is_ready).await?;
    let tried = "/api/v1/service_profile";
    let refused = async || {
        let requests = tenants.stage.simulator().requests_after(0);
        Ok(requests.iter().any(|r| r.method == "POST" && r.path == tried && r.status == 403))
    };
    tenants.stage.eventually("the observer's own login was refused", refused).await?;
    let made = |platform: &emnify_simulator::state::Organisation| {
        platform
            .service_profiles
            .values()
            .filter(|p| p.name.starts_with("The "))
            .map(|p| p.name.clone())
            .collect()
    };
    holds(&tenants.stage, "only who may write has written", made, vec!["The administrator's".to_owned()])
        .await?;
    assert!(!is_ready(&tenants.get(watcher, "emsp", "probe").await?));
    let minted = look(&tenants.stage, |platform| {
        let known = [501, 502, 503];
        let minted = platform.application_tokens.values().filter(|token| !known.contains(&token.id));
        minted.map(|token| token.roles.clone()).collect::<Vec<_>>()
    });
    assert!(minted.iter().all(|roles| *roles == [3]), "what an observer mints is an observer's: {minted:?}");
    process.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_went_with_its_credentials_is_cleaned_up_after_a_restart() -> Result<()> {
    let tenants = Tenants::new("leaving", "").await?;
    let process = tenants.operator().await?;
    let gone = &*tenants.other;
    tenants.workspace(gone, "metering-token").await?;
    for name in ["one", "two"] {
        let device = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Endpoint", "metadata": {"name": name},
            "spec": {"name": name, "enabled": true, "serviceProfile": {"id": "101"}, "tariffProfile": {"id": "201"}},
        });
        tenants.kubectl(gone, &["apply", "-f", "-"], &device.to_string()).await?;
        tenants.until("the device is made", (gone, "emep", name), is_ready).await?;
    }
    // more than the guard lets go, so that its Secrets go first
    let guard = json!({"spec": {"guard": {"maxDevices": 1}}}).to_string();
    tenants.kubectl(gone, &["patch", "emws", "default", "--type=merge", "-p", &guard], "").await?;
    let guarded = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
    tenants.until("the guard is set", (gone, "emws", "default"), guarded).await?;
    tenants.stage.plane().kubectl(&["delete", "namespace", gone, "--wait=false"]).await?;
    let session = format!("session.workspace.{gone}.default");
    let copied = |object: &Value| object["data"]["credentials"].is_string();
    tenants.until("credentials are copied", (&tenants.system, "secret", &session), copied).await?;
    tenants.until("the credentials are gone", (gone, "secret", "emnify"), Value::is_null).await?;
    process.stop().await?;
    // hours later the kept login has ended as well
    let ended = json!({"data": {"jwt": null}}).to_string();
    tenants
        .kubectl(&tenants.system, &["patch", "secret", &session, "--type=merge", "-p", &ended], "")
        .await?;

    let process = tenants.operator().await?;
    let approved = async || {
        let workspace = tenants.get(gone, "emws", "default").await?;
        let message = condition(&workspace, "GuardTripped").map(|told| told["message"].to_string());
        let hash = message
            .as_deref()
            .and_then(|text| text.split("emnify.io/approve=").nth(1))
            .map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>());
        if let Some(hash) = hash {
            let approval = format!("emnify.io/approve={hash}");
            tenants.kubectl(gone, &["annotate", "emws", "default", "--overwrite", &approval], "").await?;
        }
        Ok(look(&tenants.stage, |platform| platform.endpoints.is_empty()))
    };
    tenants.stage.eventually("what lived in emnify is retired", approved).await?;
    tenants.until("no login is left behind", (&tenants.system, "secret", &session), Value::is_null).await?;
    process.stop().await.map(drop)
}
