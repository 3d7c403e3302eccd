//! `GET /loglevel` shows what is logged, `PUT /loglevel` changes it until the process ends.
//!
//! Scrapers reach the admin port, and debug lines may be many: only somebody in the pod may change anything. That is
//! whoever may `kubectl exec` into it, or `kubectl port-forward` to it, which arrives from a loopback address.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::StatusCode,
    routing::get,
};

use crate::telemetry::levels::Levels;

/// Nobody types more.
const LONGEST: usize = 4096;

pub(super) fn routes(levels: Option<Levels>) -> Router {
    let Some(levels) = levels else { return Router::new() };
    Router::new()
        .route("/loglevel", get(show).put(set).layer(DefaultBodyLimit::max(LONGEST)))
        .with_state(levels)
}

async fn show(State(levels): State<Levels>) -> String {
    levels.now() + "\n"
}

async fn set(
    State(levels): State<Levels>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    text: String,
) -> (StatusCode, String) {
    if !peer.ip().to_canonical().is_loopback() {
        let how = "what is logged is changed from within the pod only: kubectl port-forward, then PUT to localhost\n";
        return (StatusCode::FORBIDDEN, how.into());
    }
    match levels.set(&text) {
        Ok(()) => {
            tracing::info!(levels = levels.now(), "log levels changed");
            (StatusCode::OK, levels.now() + "\n")
        }
        Err(wrong) => (StatusCode::BAD_REQUEST, format!("{wrong}\n")),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use axum::{body::Body, extract::connect_info::MockConnectInfo, http::Request};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        sync::watch,
    };
    use tower::ServiceExt;
    use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, reload};

    use super::*;
    use crate::{admin::Health, telemetry::metrics::Metrics};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            Write::write(&mut *self.0.lock().unwrap(), text)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Says something over a connection of its own; the whole answer.
    async fn ask(server: SocketAddr, method: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let head = format!("{method} /loglevel HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        let request =
            format!("{head}content-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn what_is_logged_changes_while_the_process_runs() {
        // beside a second one: with one alone the library asks that of whatever thread changes a filter, and the threads of
        // other tests have none
        let _second = tracing::Dispatch::new(tracing_subscriber::registry());
        let lines = Lines::default();
        let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
        let writer = lines.clone();
        let layer = fmt::layer().with_writer(move || writer.clone()).with_filter(filter);
        let subscriber = tracing_subscriber::registry().with(layer);
        let say = || tracing::debug!("a detail");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let (_stop, shutdown) = watch::channel(false);
        let levels = Some(Levels::new(handle, "info"));
        tokio::spawn(crate::admin::admin(listener, Health::default(), Metrics::default(), levels, shutdown));
        let _logging = tracing::subscriber::set_default(subscriber);
        let logged = || String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();

        assert!(ask(server, "GET", "").await.ends_with("\r\n\r\ninfo\n"));
        say();
        assert!(!logged().contains("a detail"), "debug is off at first");
        let answer = ask(server, "PUT", "info,emnify_operator=debug").await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("emnify_operator=debug\n"),
            "{answer}"
        );
        say();
        assert_eq!(logged().matches("a detail").count(), 1, "and on without a restart");
        let answer = ask(server, "PUT", "loud").await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("info,emnify=debug"),
            "the mend is named: {answer}"
        );
        say();
        assert_eq!(logged().matches("a detail").count(), 2, "what is refused changes nothing");
        assert!(ask(server, "PUT", "warn").await.starts_with("HTTP/1.1 200"));
        say();
        assert_eq!(logged().matches("a detail").count(), 2);
    }

    #[tokio::test]
    async fn only_somebody_in_the_pod_may_change_it() {
        let (_filter, handle) =
            reload::Layer::<EnvFilter, tracing_subscriber::Registry>::new(EnvFilter::new("info"));
        let levels = Levels::new(handle, "info");
        let ask = |peer: &str, method: &str| {
            let peer: SocketAddr = peer.parse().unwrap();
            let request =
                Request::builder().method(method).uri("/loglevel").body(Body::from("debug")).unwrap();
            let routes = routes(Some(levels.clone())).layer(MockConnectInfo(peer));
            async move { routes.oneshot(request).await.unwrap().status() }
        };
        assert_eq!(ask("10.0.0.7:5000", "PUT").await, StatusCode::FORBIDDEN);
        assert_eq!((ask("10.0.0.7:5000", "GET").await, levels.now().as_str()), (StatusCode::OK, "info"));
        assert_eq!(ask("[::ffff:127.0.0.1]:5000", "PUT").await, StatusCode::OK, "also as an IPv6 address");
        assert_eq!(levels.now(), "debug");
    }
}
