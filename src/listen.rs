//! Connections of the admin server and of the push receiver: so many at a time, of one peer and of all, each with a
//! head that comes soon and an end. Whoever is slow holds nothing for long, and shuts nobody else out.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{ServiceExt, service_fn};

/// What one server bears.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections at a time.
    connections: usize,
    /// Of these, from one address.
    of_a_peer: usize,
    /// A request's head comes within this time.
    head: Duration,
    /// A connection is over after this time; whoever wants more makes another.
    life: Duration,
}

const LIMITS: Limits = Limits {
    connections: 512,
    of_a_peer: 128,
    head: Duration::from_secs(10),
    life: Duration::from_secs(120),
};
/// What is being answered may take so long after a shutdown began, or after a connection's time.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Without a file descriptor nobody is let in for so long.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Answers connections until `shutdown` says true, or its sender is gone.
pub(super) async fn serve(listener: TcpListener, routes: Router, shutdown: watch::Receiver<bool>) {
    serve_within(listener, routes, shutdown, LIMITS).await;
}

async fn serve_within(
    listener: TcpListener,
    routes: Router,
    mut shutdown: watch::Receiver<bool>,
    limits: Limits,
) {
    let mut open = JoinSet::new();
    let peers = Peers::default();
    let end = shutdown.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // an error means that the sender is gone, which is a shutdown too
            _ended = shutdown.wait_for(|s| *s) => break,
            Some(_) = open.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "connection not taken");
                sleep(NO_ROOM).await;
                continue;
            }
        };
        if let Some(seat) = peers.seat(peer.ip(), limits) {
            open.spawn(connection((stream, peer), routes.clone(), end.clone(), limits, seat));
        }
    }
    let _in_time = timeout(LAST_WORDS, open.join_all()).await.is_ok();
}

/// One connection, to its end.
async fn connection(
    (stream, peer): (TcpStream, SocketAddr),
    routes: Router,
    mut shutdown: watch::Receiver<bool>,
    limits: Limits,
    seat: Seat,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let mut serving =
        std::pin::pin!(http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)));
    // what goes wrong on a connection is its peer's business
    let over = tokio::select! {
        _ended = serving.as_mut() => true,
        _ended = shutdown.wait_for(|s| *s) => false,
        () = sleep(limits.life) => false,
    };
    if !over {
        serving.as_mut().graceful_shutdown();
        let _in_time = timeout(LAST_WORDS, serving).await.is_ok();
    }
    drop(seat);
}

/// How many connections each address has.
#[derive(Clone, Debug, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place, given back when dropped.
struct Seat(Peers, IpAddr);

impl Peers {
    /// A place for another connection of this address, if there is one.
    fn seat(&self, of: IpAddr, limits: Limits) -> Option<Seat> {
        let mut peers = self.0.lock();
        let all: usize = peers.values().sum();
        let own = peers.get(&of).copied().unwrap_or_default();
        if all >= limits.connections || own >= limits.of_a_peer {
            return None;
        }
        peers.insert(of, own + 1);
        Some(Seat(self.clone(), of))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut peers = self.0.0.lock();
        if let Some(own) = peers.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                peers.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SMALL: Limits = Limits {
        connections: 3,
        of_a_peer: 2,
        head: Duration::from_millis(300),
        life: Duration::from_millis(600),
    };
    const PATIENCE: Duration = Duration::from_secs(120);

    async fn server(limits: Limits) -> (SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, shutdown) = watch::channel(false);
        let routes = Router::new().route("/livez", get(|| async { "ok" }));
        tokio::spawn(serve_within(listener, routes, shutdown, limits));
        (address, stop)
    }

    async fn connect(server: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Everything up to the end of the connection, whoever ends it and however.
    async fn rest(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the connection ends");
        drop(ended);
        String::from_utf8_lossy(&text).into_owned()
    }

    const WHOLE: &str = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n";

    #[tokio::test]
    async fn a_head_that_does_not_come_ends_the_connection() {
        let (server, _stop) = server(Limits { life: PATIENCE * 2, ..SMALL }).await;
        rest(connect(server, "GET /livez HTT").await).await;
        rest(connect(server, "").await).await;
        let kept = rest(connect(server, WHOLE).await).await;
        assert!(kept.ends_with("ok"), "and so does a pause after an answer: {kept}");
    }

    #[tokio::test]
    async fn no_connection_lives_for_ever() {
        let (server, _stop) = server(Limits { head: PATIENCE * 2, ..SMALL }).await;
        rest(connect(server, "GET").await).await;
    }

    #[tokio::test]
    async fn a_peer_that_holds_its_connections_is_let_in_again_when_one_ends() {
        let (server, _stop) = server(Limits { head: PATIENCE * 2, life: PATIENCE * 2, ..SMALL }).await;
        let held = [connect(server, "GET").await, connect(server, "GET").await];
        let third = connect(server, WHOLE).await;
        assert_eq!(rest(third).await, "", "more than its share is not taken");
        drop(held);
        let again = async {
            // the server hears of the end a moment later
            loop {
                let mut stream = connect(server, WHOLE).await;
                let mut first = [0; 8];
                if stream.read_exact(&mut first).await.is_ok() {
                    break first;
                }
            }
        };
        let first = timeout(PATIENCE, again).await.expect("it is let in");
        assert_eq!(&first, b"HTTP/1.1");
    }

    #[test]
    fn one_peer_never_has_all() {
        let peers = Peers::default();
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let mut seats: Vec<_> = [1, 1, 1].into_iter().filter_map(|n| peers.seat(address(n), SMALL)).collect();
        assert_eq!(seats.len(), 2);
        seats.extend(peers.seat(address(2), SMALL));
        assert!(
            seats.len() == 3 && peers.seat(address(3), SMALL).is_none(),
            "and all together no more than fit"
        );
        seats.clear();
        assert!(peers.0.lock().is_empty(), "nobody is remembered");
    }
}
