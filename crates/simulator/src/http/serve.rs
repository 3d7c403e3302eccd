//! Serving over TCP, with connections that can be cut.
//!
//! A cut connection ends with a TCP reset: the client sees no answer, or half of one. In memory there is no connection; there a cut answer is one
//! whose body fails before its first byte (or in its middle), and which carries the extension [`Reset`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::task::AtomicWaker;
use http::Response;
use http::header::CONTENT_LENGTH;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Marks an answer that stands for a cut connection: whoever asked must take it as "no answer".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset;

/// Cuts one connection.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    line: Arc<Line>,
    source: IpAddr,
}

#[derive(Debug, Default)]
struct Line {
    cut: AtomicBool,
    waker: AtomicWaker,
}

impl Line {
    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl Cut {
    /// The address at the other end.
    pub(crate) fn source(&self) -> IpAddr {
        self.source
    }
}

/// An answer that never comes.
pub(crate) fn reset(connection: Option<&Cut>) -> Response<Body> {
    if let Some(connection) = connection {
        connection.line.cut();
    }
    let failing = futures::stream::once(async { Err::<Bytes, _>(broken()) });
    let mut response = Response::new(Body::from_stream(failing));
    response.extensions_mut().insert(Reset);
    response
}

/// An answer whose body ends in its middle, short of its `Content-Length`. One without a body never comes.
pub(crate) async fn truncate(response: Response<Body>, connection: Option<&Cut>) -> Response<Body> {
    let connection = connection.cloned();
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    if whole.is_empty() {
        return reset(connection.as_ref());
    }
    parts.headers.insert(CONTENT_LENGTH, whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    let then_cut = async move {
        // Lets the first half leave before the connection goes.
        tokio::task::yield_now().await;
        if let Some(connection) = connection {
            connection.line.cut();
        }
        Err(broken())
    };
    let first = futures::stream::once(async { Ok(half) });
    let stream = first.chain(futures::stream::once(then_cut));
    Response::from_parts(parts, Body::from_stream(stream))
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the simulator cut the connection")
}

/// A simulator on a TCP port; dropping it closes the port and cuts what is connected.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    lines: Lines,
    server: JoinHandle<()>,
}

type Lines = Arc<Mutex<Vec<Weak<Line>>>>;

impl Served {
    /// Serves a router.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(crate) async fn start(router: Router, address: &str) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        let lines = Lines::default();
        let listener = Cuttable { tcp, lines: Arc::clone(&lines) };
        let service = router.into_make_service_with_connect_info::<Cut>();
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, service).await {
                tracing::error!(%error, "the simulator stopped serving");
            }
        });
        Ok(Self { address, lines, server })
    }

    /// Base URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
        for line in self.lines.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(line) = line.upgrade() {
                line.cut();
            }
        }
    }
}

struct Cuttable {
    tcp: TcpListener,
    lines: Lines,
}

impl Listener for Cuttable {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.tcp).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let line = Arc::new(Line::default());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(&line));
        (Connection { stream, line }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Connected<IncomingStream<'_, Cuttable>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Cuttable>) -> Self {
        Self { line: Arc::clone(&stream.io().line), source: stream.remote_addr().ip() }
    }
}

/// A TCP stream that fails, and resets its peer, once its line is cut.
struct Connection {
    stream: TcpStream,
    line: Arc<Line>,
}

impl Connection {
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        self.line.waker.register(context.waker());
        if !self.line.cut.load(Ordering::Acquire) {
            return Ok(());
        }
        self.stream.set_zero_linger()?;
        Err(broken())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
