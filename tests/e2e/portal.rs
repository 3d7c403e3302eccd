//! Somebody else at work: a person at the portal, and what the operator sends meanwhile.

use anyhow::{Context as _, ensure};
use axum::{Router, body::Body};
use emnify_harness::stage::Stage;
use emnify_simulator::Entry;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{ORGANISATION, Result};

/// A person at the portal: calls with a token that is not the operator's, so that events are written and
/// `last_updated` moves as they would.
pub(crate) struct PortalClient {
    router: Router,
    bearer: String,
}

impl PortalClient {
    /// Logs in with the seed's second token.
    pub(crate) async fn open(stage: &Stage) -> Result<Self> {
        Self::log_in(stage, json!({"application_token": "metering-token-2"})).await
    }

    async fn log_in(stage: &Stage, with: Value) -> Result<Self> {
        let mut portal = Self { router: stage.simulator().router(), bearer: String::new() };
        let answer = portal.send(Method::POST, "/api/v1/authenticate", with).await?;
        portal.bearer = format!("Bearer {}", answer["auth_token"].as_str().context("a login gives a token")?);
        Ok(portal)
    }

    /// Logs in as a person that the platform does not know yet.
    pub(crate) async fn of_a_person(stage: &Stage, username: &str) -> Result<Self> {
        const PASSWORD: &str = "2f9e53523b62abc141a2b4d6019d23cba835dbd0";
        let person = json!({"id": 9_001, "username": username, "password_sha1": PASSWORD, "workspaces": [
            {"organisation": ORGANISATION, "roles": [1], "default": true}]});
        let person = serde_json::from_value(person)?;
        stage.simulator().edit(|state| drop(state.users.insert(9_001, person)))?;
        Self::log_in(stage, json!({"username": username, "password": PASSWORD})).await
    }

    /// A call that must succeed; what it answers, null without a body.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let what = format!("{method} {path}");
        let request = Request::builder().method(method).uri(path).header("authorization", &self.bearer);
        let request = match body {
            Value::Null => request.body(Body::empty())?,
            body => request.header("content-type", "application/json").body(Body::from(body.to_string()))?,
        };
        let answer = self.router.clone().oneshot(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{what} answers {status}: {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Changes fields of something.
    pub(crate) async fn patch(&self, path: &str, body: Value) -> Result<()> {
        self.send(Method::PATCH, path, body).await.map(drop)
    }
}

/// What the platform is asked from now on.
pub(crate) struct Traffic<'a> {
    stage: &'a Stage,
    after: u64,
}

impl<'a> Traffic<'a> {
    /// From now on.
    pub(crate) fn from_now(stage: &'a Stage) -> Self {
        Self::since(stage, last_request(stage))
    }

    /// From after the request of this number.
    pub(crate) fn since(stage: &'a Stage, after: u64) -> Self {
        Self { stage, after }
    }

    /// In the order of arrival.
    pub(crate) fn all(&self) -> Vec<Entry> {
        let log = self.stage.simulator().requests().log;
        log.into_iter().filter(|entry| entry.number > self.after).collect()
    }

    /// Those that may change something, as `METHOD path`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let writes = self.all().into_iter().filter(|entry| entry.method != "GET");
        writes.map(|entry| format!("{} {}", entry.method, entry.path)).collect()
    }

    /// How many complete listings of a collection have begun.
    pub(crate) fn listings(&self, path: &str) -> usize {
        let part = |query: &str| query.contains("q=") || query.contains("sort=");
        let first_page = |query: &str| !part(query) && !has_later_page(query);
        let begun = |entry: &Entry| entry.method == "GET" && entry.path == path && first_page(&entry.query);
        self.all().iter().filter(|entry| begun(entry)).count()
    }

    /// Waits until what a first listing showed has had its consequences: a second one has begun since, and a third.
    pub(crate) async fn two_sweeps(&self, path: &str) -> Result<()> {
        let wanted = self.listings(path) + 3;
        let what = format!("{path} is listed again and again");
        self.stage.eventually(&what, async || Ok(self.listings(path) >= wanted)).await
    }
}

/// Number of the last request so far.
pub(crate) fn last_request(stage: &Stage) -> u64 {
    stage.simulator().requests().log.last().map_or(0, |entry| entry.number)
}

fn has_later_page(query: &str) -> bool {
    query.split('&').filter_map(|pair| pair.strip_prefix("page=")).any(|page| page != "1")
}
