//! The admin server: is the process alive, are its caches complete, how does it do, what does it log.

mod loglevel;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{net::TcpListener, sync::watch};

use crate::telemetry::{
    levels::Levels,
    metrics::{Format, Metrics},
};

/// Readiness: neither the lease nor emnify being reachable is asked.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<AtomicBool>);

impl Health {
    /// Sets readiness.
    pub fn set_ready(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves `/livez`, `/readyz`, `/metrics` and, where there are levels, `/loglevel` until `shutdown` says true.
pub async fn admin(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    levels: Option<Levels>,
    shutdown: watch::Receiver<bool>,
) {
    crate::listen::serve(listener, routes(health, metrics).merge(loglevel::routes(levels)), shutdown).await;
}

fn routes(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .with_state(health)
        .route("/metrics", get(exposition).with_state(metrics))
}

async fn exposition(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::negotiate(accept.unwrap_or_default());
    match metrics.text(format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.ready() { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "starting") }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    async fn status(health: &Health, path: &str) -> StatusCode {
        let request = Request::get(path).body(Body::empty()).unwrap();
        routes(health.clone(), Metrics::default()).oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn metrics_are_in_the_format_that_is_asked_for() {
        for (accept, kind) in
            [("*/*", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")]
        {
            let request =
                Request::get("/metrics").header(header::ACCEPT, accept).body(Body::empty()).unwrap();
            let answer = routes(Health::default(), Metrics::default()).oneshot(request).await.unwrap();
            let found = answer.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert!(found.starts_with(kind), "Accept: {accept} is answered with {found}");
        }
    }

    #[tokio::test]
    async fn a_starting_process_is_alive_and_not_ready() {
        let health = Health::default();
        assert_eq!(status(&health, "/livez").await, StatusCode::OK);
        assert_eq!(status(&health, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(&health, "/metrics").await, StatusCode::OK, "its metrics are empty");
        health.set_ready(true);
        assert_eq!(status(&health, "/readyz").await, StatusCode::OK);
    }
}
