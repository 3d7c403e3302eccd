//! No secret shows anywhere but in Secrets: a stage where every kind of secret is at work, all it says, and a search.

use std::collections::BTreeSet;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use emnify::{BaseUrl, Client, Config, Credentials, HostLimits, HttpTransport, HttpTransportConfig, Jwt};
use emnify_harness::stage::{Stage, condition, is_ready};
use emnify_operator::definitions::families;
use emnify_simulator::Fault;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::{Api, api::ListParams};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    logins::{DIGEST, PASSWORD, TOTP_KEY, with_users, workspace},
    support::{Result, edited, make_ready, says, told},
};

const WRONG_TOKEN: &str = "mistyped-application-token";
const WRONG_PASSWORD: &str = "incorrect donkey";

const MINTED: &str = r"
apiVersion: emnify.io/v1alpha1
kind: ApplicationToken
metadata:
  name: ci
spec:
  description: Build job
  gracePeriod: 24h
  cidr: 127.0.0.0/24
  jwt:
    enabled: true
";

/// The password of the stage in every way that it may be given, and every other kind of login, right and wrong.
async fn log_in_everyhow(stage: &Stage) -> Result<()> {
    let code = stage.simulator().mfa_code("grace@example.com").context("she has an authenticator")?;
    let keys = [("password", PASSWORD), ("totp", TOTP_KEY), ("code", &code)];
    stage.apply_secret("person", &keys).await?;
    let totp = json!({"totpSecretRef": {"name": "person", "key": "totp"}});
    let device = json!({"trustedDevice": {"codeSecretRef": {"name": "person", "key": "code"}}});
    // the code first: it is good for half a minute
    let logins = [
        ("device", "grace@example.com", &device),
        ("totp", "grace@example.com", &totp),
        ("clear", "ada@example.com", &Value::Null),
    ];
    for (name, username, mfa) in logins {
        stage.apply(&workspace(stage, name, username, mfa)).await?;
        stage.wait_for("Workspace", name, "Ready", is_ready).await?;
    }
    // A refusal of the device's login would count towards the lockout of the others: another person mistypes.
    stage.apply_secret("mistaken", &[("password", WRONG_PASSWORD), ("token", WRONG_TOKEN)]).await?;
    let wrong = workspace(stage, "wrong-password", "ada@example.com", &Value::Null);
    stage.apply(&edited(&wrong, &[("\"name\":\"person\"", "\"name\":\"mistaken\"")])).await?;
    told(stage, ("Workspace", "wrong-password"), ("Stalled", "Unauthorized"), &["passwordSecretRef"]).await?;
    let wrong = json!({
        "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "wrong-token"},
        "spec": {
            "baseUrl": stage.base_url(),
            "credentials": {"applicationTokenSecretRef": {"name": "mistaken", "key": "token"}},
        },
    });
    stage.apply(&wrong.to_string()).await?;
    told(stage, ("Workspace", "wrong-token"), ("Stalled", "Unauthorized"), &["applicationTokenSecretRef"])
        .await?;
    Ok(())
}

/// A token is made, and rotated into one whose value is lost on the way.
async fn mint(stage: &Stage) -> Result<BTreeSet<String>> {
    make_ready(stage, "ApplicationToken", "ci", MINTED).await?;
    let mut seen = values_of_secrets(stage).await?;
    let fault = Fault {
        method: Some("POST".to_owned()),
        route: Some("/api/v1/application_token".to_owned()),
        times: Some(1),
        truncate: true,
        ..Fault::default()
    };
    stage.simulator().fault(fault).map_err(anyhow::Error::msg)?;
    stage.apply(&edited(MINTED, &[("127.0.0.0/24", "127.0.0.0/16")])).await?;
    let lost = ["the Secret does not hold this token's value"];
    says(stage, ("ApplicationToken", "ci"), ("Reconciling", "Progressing"), &lost).await?;
    seen.extend(values_of_secrets(stage).await?);
    stage.simulator().inspect(|state| {
        let all = state.organisations.values().flat_map(|platform| platform.application_tokens.values());
        seen.extend(all.map(|token| token.token.clone()));
    });
    Ok(seen)
}

/// Everything that is in a Secret of the namespace. One-time codes are too short to search for, and used up.
async fn values_of_secrets(stage: &Stage) -> Result<BTreeSet<String>> {
    let secrets: Api<Secret> = Api::namespaced(stage.client().clone(), stage.namespace());
    let all = secrets.list(&ListParams::default()).await?;
    let values = all.items.into_iter().flat_map(|secret| secret.data.unwrap_or_default());
    let values = values.filter(|(key, value)| key != "code" && !value.0.is_empty());
    let values = values.map(|(_, value)| String::from_utf8(value.0));
    Ok(values.collect::<Result<_, _>>()?)
}

/// Each secret as it may have slipped out: as it is, in base64, the signature of a JWT alone.
fn forms(secrets: BTreeSet<String>) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for secret in secrets {
        forms.insert(STANDARD_NO_PAD.encode(&secret));
        if let [_, _, signature] = secret.split('.').collect::<Vec<_>>()[..] {
            forms.insert(signature.to_owned());
        }
        forms.insert(secret);
    }
    forms
}

/// Everything that people get to see: the log at its finest, events, objects, and Secrets without their values.
async fn everything_shown(stage: &Stage) -> Result<Vec<(String, String)>> {
    let mut shown = vec![("the log".to_owned(), stage.operator_log())];
    let events: Api<Event> = Api::namespaced(stage.client().clone(), stage.namespace());
    shown.push((
        "events".to_owned(),
        serde_json::to_string(&events.list(&ListParams::default()).await?.items)?,
    ));
    for kind in families().into_iter().map(|family| family.resource.kind).chain(["Secret".to_owned()]) {
        for object in stage.api(&kind)?.list(&ListParams::default()).await?.items {
            let name = object.metadata.name.clone().unwrap_or_default();
            let mut object = serde_json::to_value(object)?;
            if let Some(object) = object.as_object_mut() {
                object.remove("data");
            }
            shown.push((format!("{kind} {name}"), object.to_string()));
        }
    }
    Ok(shown)
}

/// The client's own types, as a careless log line would show them.
async fn debugged(stage: &Stage, session: &str) -> Result<Vec<(String, String)>> {
    let url = BaseUrl::parse(&stage.base_url())?;
    let secret = |text: &str| SecretString::from(text.to_owned());
    let user = Credentials::User {
        username: "grace@example.com".to_owned(),
        password: secret(PASSWORD),
        totp_key: Some(secret(TOTP_KEY)),
        trusted_device: Some(secret(session)),
        mfa_code: None,
    };
    let transport = std::sync::Arc::new(HttpTransport::new(HttpTransportConfig::default())?);
    let mut shown = vec![("Credentials".to_owned(), format!("{user:#?}"))];
    for credentials in [user, Credentials::ApplicationToken(secret(WRONG_TOKEN))] {
        let config = Config::new(url.clone(), credentials, transport.clone(), HostLimits::new(1.0));
        shown.push(("Config".to_owned(), format!("{config:#?}")));
        let client = Client::new(config);
        shown.push(("the outcome of a login".to_owned(), format!("{:#?}", client.login().await)));
        shown.push(("Client".to_owned(), format!("{client:#?} {:#?}", client.token())));
    }
    let jwt = Jwt::parse(secret(session))?.with_refresh_token(Some(secret(session)));
    shown.push(("Jwt".to_owned(), format!("{jwt:#?}")));
    Ok(shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_shown() -> Result<()> {
    let mut options = with_users("secrets")?;
    options.log = "trace".to_owned();
    let mut stage = Stage::start(options).await?;
    stage.start_operator()?;
    stage.apply_workspace("default").await?;
    log_in_everyhow(&stage).await?;
    let mut secrets = mint(&stage).await?;
    secrets.extend([DIGEST.to_owned(), DIGEST.to_uppercase()]);
    let session = format!("session.workspace.{}.clear", stage.namespace());
    let session = stage.get("Secret", &session).await?.context("a session is kept")?;
    let session = session["data"]["jwt"].as_str().context("with its token")?;
    let session = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(session)?)?;
    let ready = stage.get("ApplicationToken", "ci").await?.unwrap_or_default();
    assert!(condition(&ready, "Ready").is_some(), "the objects that are searched are there");
    stage.kubectl_ok(&["delete", "applicationtoken.emnify.io", "ci", "--wait=false"]).await?;
    stage.wait_gone("ApplicationToken", "ci").await?;
    stage.stop_operator().await?;

    let mut shown = everything_shown(&stage).await?;
    shown.extend(debugged(&stage, &session).await?);
    let log = &shown[0].1;
    assert!(
        log.contains("TRACE") && log.contains("/api/v1/authenticate"),
        "the log is at its finest and holds requests"
    );
    let secrets = forms(secrets);
    assert!(secrets.len() > 30, "the search has something to find: {} forms", secrets.len());
    for secret in &secrets {
        for (place, text) in &shown {
            let found =
                text.find(secret.as_str()).map(|at| text[..at].rsplit('\n').next().unwrap_or_default());
            assert_eq!(found, None, "{place} shows the secret {secret:?} after this");
        }
    }
    Ok(())
}
