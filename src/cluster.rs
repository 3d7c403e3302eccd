//! The way to the API server. A connection may fall silent without being closed (a load balancer forgets it, a node
//! goes): no request waits for ever, and it shows since when nothing was heard.

pub mod versions;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, Uri};
use hyper::body::{Body as HttpBody, Frame};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, ConfigExt, retry::RetryPolicy},
    config::KubeConfigOptions,
};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};
use tower::{BoxError, Layer, ServiceExt, retry::RetryLayer, util::option_layer};

/// A connection that carries nothing is probed after this time, and given up when several probes stay unanswered.
const PROBE_AFTER: Duration = Duration::from_secs(15);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// How long a watch lasts before the API server ends it, and it goes on by another request. Of a kind that nothing happens
/// to, a watch is silent to its end: only others get a bookmark about once a minute.
const WATCH: Duration = Duration::from_secs(75);

/// How long the API server may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until an answer begins, retries included, and between two parts of it.
    pub answer: Duration,
    /// Between two parts of a watch, each of which ends by itself before that.
    pub watch: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { answer: Duration::from_secs(30), watch: Duration::from_secs(100) }
    }
}

/// The API server did not answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the API server was silent for {} s", .0.as_secs_f64())]
pub struct Silent(Duration);

/// When the API server was last heard, and how often it was not.
#[derive(Clone, Debug)]
pub struct Heard(Arc<Mutex<(Instant, u64)>>);

/// How the API server was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hearing {
    /// How long nothing came from it.
    pub silent: Duration,
    /// Requests and watches that were given up since it was silent.
    pub given_up: u64,
}

impl Heard {
    fn now() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), 0))))
    }

    fn note(&self) {
        self.0.lock().0 = Instant::now();
    }

    fn given_up(&self, what: &str, silent: Silent) {
        self.0.lock().1 += 1;
        tracing::warn!(request = what, "{silent}; the connection is given up");
    }

    /// How it was heard up to now.
    pub fn hearing(&self) -> Hearing {
        let (at, given_up) = *self.0.lock();
        Hearing { silent: at.elapsed(), given_up }
    }
}

/// A client for the cluster that the kubeconfig or the service account names. Its connections are probed by TCP.
pub async fn connect() -> Result<Client> {
    Ok(client(config(None).await?)?)
}

/// What the kubeconfig says of this context, or of the current one; without a kubeconfig the service account.
pub async fn config(context: Option<&str>) -> Result<Config> {
    let Some(context) = context else {
        return Config::infer().await.context("no cluster: neither a kubeconfig nor a service account");
    };
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    Config::from_kubeconfig(&options).await.with_context(|| format!("context {context} of the kubeconfig"))
}

/// kube's own stack, on connections that are probed.
pub fn client(config: Config) -> Result<Client, kube::Error> {
    if config.proxy_url.is_some() {
        return Ok(ClientBuilder::try_from(config)?.build());
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_keepalive(Some(PROBE_AFTER));
    tcp.set_keepalive_interval(Some(PROBE_EVERY));
    tcp.set_keepalive_retries(Some(PROBES));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(PROBE_AFTER + PROBE_EVERY * PROBES));
    let tls = config.rustls_https_connector_with_connector(tcp)?;
    let http = HttpClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(tls);
    let service = config.extra_headers_layer()?.layer(http.map_err(BoxError::from));
    let service = option_layer(config.auth_layer()?).layer(service);
    let retry = config.default_retry.then(|| RetryLayer::new(RetryPolicy::server_retry()));
    let service = config.base_uri_layer().layer(option_layer(retry).layer(service));
    Ok(ClientBuilder::new(service, config.default_namespace).build())
}

/// The same client, whose requests end when the API server is silent for longer than `patience`.
pub fn bounded(client: Client, patience: Patience) -> (Client, Heard) {
    let (namespace, heard) = (client.default_namespace().to_owned(), Heard::now());
    let noted = heard.clone();
    let service = tower::service_fn(move |mut request: Request<Body>| {
        let (client, heard) = (client.clone(), noted.clone());
        async move {
            let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            if watch {
                shorten(request.uri_mut());
            }
            let what = format!("{} {}", request.method(), request.uri().path());
            let Ok(answer) = tokio::time::timeout(patience.answer, client.send(request)).await else {
                let silent = Silent(patience.answer);
                heard.given_up(&what, silent);
                return Err(BoxError::from(silent));
            };
            let answer: Response<Body> = answer?;
            heard.note();
            let most = if watch { patience.watch } else { patience.answer };
            Ok(answer.map(|body| Parts {
                body: Box::pin(body),
                watch,
                what,
                most,
                until: Box::pin(tokio::time::sleep(most)),
                heard,
            }))
        }
    });
    (Client::new(service, namespace), heard)
}

/// Asks for a watch that ends after [`WATCH`].
fn shorten(uri: &mut Uri) {
    let Some(query) = uri.query() else { return };
    let others = query.split('&').filter(|part| !part.starts_with("timeoutSeconds="));
    let query: Vec<_> =
        others.map(str::to_owned).chain([format!("timeoutSeconds={}", WATCH.as_secs())]).collect();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{}?{}", uri.path(), query.join("&")).parse().ok();
    if let Ok(shorter) = Uri::from_parts(parts) {
        *uri = shorter;
    }
}

/// What comes of an answer. That of a watch ends where it falls silent, and the watch goes on from there by another
/// connection; any other fails.
struct Parts {
    body: Pin<Box<Body>>,
    watch: bool,
    what: String,
    most: Duration,
    until: Pin<Box<Sleep>>,
    heard: Heard,
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(part) = self.body.as_mut().poll_frame(cx) {
            if matches!(part, Some(Ok(_))) {
                self.heard.note();
                let until = Instant::now() + self.most;
                self.until.as_mut().reset(until);
            }
            return Poll::Ready(part.map(|part| part.map_err(BoxError::from)));
        }
        ready!(self.until.as_mut().poll(cx));
        let silent = Silent(self.most);
        self.heard.given_up(&self.what, silent);
        // with what is left of the answer its connection goes
        self.body = Box::pin(Body::empty());
        Poll::Ready(if self.watch { None } else { Some(Err(silent.into())) })
    }
}

#[cfg(test)]
mod tests;
