//! The admin server: is the process alive, and are its caches complete.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch};

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

/// Serves `/livez` and `/readyz` until `shutdown` says true.
pub async fn admin(listener: TcpListener, health: Health, mut shutdown: watch::Receiver<bool>) {
    let end = async move {
        // an error means that the sender is gone, which is a shutdown too
        let _ended = shutdown.wait_for(|s| *s).await.is_ok();
    };
    if let Err(error) = axum::serve(listener, routes(health)).with_graceful_shutdown(end).await {
        tracing::error!(%error, "admin server failed");
    }
}

fn routes(health: Health) -> Router {
    Router::new().route("/livez", get(|| async { "ok" })).route("/readyz", get(ready)).with_state(health)
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
        routes(health.clone()).oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_starting_process_is_alive_and_not_ready() {
        let health = Health::default();
        assert_eq!(status(&health, "/livez").await, StatusCode::OK);
        assert_eq!(status(&health, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        health.set_ready(true);
        assert_eq!(status(&health, "/readyz").await, StatusCode::OK);
    }
}
