//! `ApplicationToken`.

use anyhow::Context as _;
use axum::body::Body;
use emnify_harness::stage::Stage;
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{Result, apply_ready, delete, edited, id, look, make_ready, stage};

const TOKEN: &str = r#"
apiVersion: emnify.io/v1alpha1
kind: ApplicationToken
metadata:
  name: ci
spec:
  description: Build job
  cidr: 127.0.0.0/24
  expiry: "2027-12-31T23:59:59Z"
  gracePeriod: 24h
  secretRef:
    name: ci-emnify
    tokenKey: application-token
    jwtKey: bearer
  jwt:
    enabled: true
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn application_token() -> Result<()> {
    let stage = stage("token").await?;
    let object = apply_ready(&stage, "ApplicationToken", "ci", TOKEN).await?;
    let first = id(&object)?;
    let made = look(&stage, |platform| platform.application_tokens[&first].clone());
    let description = made.description.unwrap_or_default();
    assert!(description.starts_with("Build job [k8s "), "{description}");
    assert_eq!(made.ip.as_deref(), Some("127.0.0.0/24"));
    assert_eq!(made.expiry_date.map(|at| at.to_string()).as_deref(), Some("2027-12-31T23:59:59Z"));
    let secret = secret(&stage, "ci-emnify").await?.context("the output Secret exists")?;
    assert_eq!(
        text(&secret, "application-token")?,
        made.token,
        "the Secret holds the token that emnify made"
    );
    assert_eq!(
        call(&stage, &text(&secret, "bearer")?).await?,
        200,
        "the JWT in the Secret is good for calls"
    );
    assert!(log_in(&stage, &made.token).await?, "the token is good for a login");

    make_ready(&stage, "ApplicationToken", "ci", &edited(TOKEN, &[("Build job", "Nightly build")])).await?;
    let described = look(&stage, |platform| platform.application_tokens[&first].description.clone());
    assert!(
        described.is_some_and(|text| text.starts_with("Nightly build [k8s ")),
        "a description is changed in place"
    );

    let edit = edited(TOKEN, &[("127.0.0.0/24", "127.0.0.0/16")]);
    let object = apply_ready(&stage, "ApplicationToken", "ci", &edit).await?;
    let second = id(&object)?;
    assert_ne!(second, first, "emnify cannot change the addresses of a token: a change makes a new one");
    let renewed = look(&stage, |platform| platform.application_tokens[&second].clone());
    assert_eq!(renewed.ip.as_deref(), Some("127.0.0.0/16"));
    let secret = self::secret(&stage, "ci-emnify").await?.context("the output Secret is kept")?;
    assert_eq!(text(&secret, "application-token")?, renewed.token, "the Secret holds the new token");
    assert!(log_in(&stage, &made.token).await?, "the old one works on for the grace period");

    delete(&stage, "ApplicationToken", "ci").await?;
    for id in [first, second] {
        assert!(look(&stage, |p| p.application_tokens[&id].revoked), "token {id} is revoked with its object");
    }
    assert!(!log_in(&stage, &renewed.token).await?, "a revoked token is good for nothing");
    let gone = async || Ok(self::secret(&stage, "ci-emnify").await?.is_none());
    stage.eventually("the Secret goes with its object", gone).await?;
    assert!(!look(&stage, |p| p.application_tokens[&501].revoked), "the operator's own token lives on");
    Ok(())
}

async fn secret(stage: &Stage, name: &str) -> Result<Option<Secret>> {
    Ok(Api::<Secret>::namespaced(stage.client().clone(), stage.namespace()).get_opt(name).await?)
}

fn text(secret: &Secret, key: &str) -> Result<String> {
    let value =
        secret.data.as_ref().and_then(|data| data.get(key)).with_context(|| format!("no key {key}"))?;
    Ok(String::from_utf8(value.0.clone())?)
}

/// The status of a call with a JWT.
async fn call(stage: &Stage, jwt: &str) -> Result<u16> {
    let bearer = format!("Bearer {jwt}");
    let request =
        http::Request::get("/api/v1/endpoint").header("authorization", bearer).body(Body::empty())?;
    Ok(stage.simulator().router().oneshot(request).await?.status().as_u16())
}

/// Whether an application token still gets a JWT.
async fn log_in(stage: &Stage, token: &str) -> Result<bool> {
    let body = json!({"application_token": token}).to_string();
    let request = http::Request::post("/api/v1/authenticate")
        .header("content-type", "application/json")
        .body(Body::from(body))?;
    let answer = stage.simulator().router().oneshot(request).await?;
    if !answer.status().is_success() {
        return Ok(false);
    }
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(serde_json::from_slice::<Value>(&body)?["auth_token"].is_string())
}
