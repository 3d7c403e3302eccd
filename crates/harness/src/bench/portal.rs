//! A person at the portal: logs in with a password, from somewhere else, and changes devices.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emnify_simulator::{Simulator, Source};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::ServiceExt as _;

use super::calls::ELSEWHERE;

/// SHA-1 of the password in `seed.yaml`.
const DIGEST: &str = "2f9e53523b62abc141a2b4d6019d23cba835dbd0";

/// How often a change is tried, and how long after the last time.
const TRIES: u32 = 50;
const AGAIN: Duration = Duration::from_millis(100);

/// Somebody who is logged in.
#[derive(Debug)]
pub(super) struct PortalClient {
    simulator: Simulator,
    bearer: String,
}

impl PortalClient {
    /// Logs in.
    pub(super) async fn open(simulator: &Simulator) -> Result<Self> {
        let mut portal = Self { simulator: simulator.clone(), bearer: String::new() };
        let login = json!({"username": "ada@example.com", "password": DIGEST});
        let answer = portal.send("POST", "/api/v1/authenticate", &login).await?;
        let token = answer["auth_token"].as_str().context("a login gives a token")?;
        portal.bearer = format!("Bearer {token}");
        Ok(portal)
    }

    /// Changes a device; tries again while another one is being written, as a person would.
    pub(super) async fn patch(&self, device: u64, fields: &Value) -> Result<()> {
        let path = format!("/api/v1/endpoint/{device}");
        let mut tries = 0;
        loop {
            tries += 1;
            match self.send("PATCH", &path, fields).await {
                Err(_) if tries < TRIES => sleep(AGAIN).await,
                result => return result.map(drop),
            }
        }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", &self.bearer)
            .header("content-type", "application/json")
            .extension(Source(ELSEWHERE))
            .body(Body::from(body.to_string().into_bytes()))?;
        let answer = self.simulator.router().oneshot(request).await?;
        let status = answer.status();
        ensure!(status.is_success(), "{method} {path} answers {status}");
        let body = http_body_util::BodyExt::collect(answer.into_body()).await?.to_bytes();
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}
