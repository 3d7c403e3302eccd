//! A simulator as a service, in memory and on a port.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;

use crate::http::serve::Served;
use crate::http::service;
use crate::simulator::Simulator;
use crate::{control, delivery};

impl Simulator {
    /// The API and its control routes as a service in memory. Where a fault cuts the connection, the answer carries
    /// [`Reset`](crate::Reset) and its body fails.
    pub fn router(&self) -> Router {
        let shared = Arc::clone(&self.shared);
        control::routes(self.clone()).fallback(move |request: Request| {
            // The platform goes on when its client has gone.
            let (answering, shared) = (service::answer(Arc::clone(&shared), request), Arc::clone(&shared));
            let running = tokio::spawn(async move {
                let answer = answering.await;
                delivery::wake(&shared);
                answer
            });
            async move { running.await.expect("answering neither panics nor is aborted") }
        })
    }

    /// Serves the same over TCP until the result is dropped.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn serve(&self, address: &str) -> std::io::Result<Served> {
        Served::start(self.router(), address).await
    }
}
