//! How the live organisation is read.

use std::{collections::HashMap, future::ready, sync::Arc};

use bytes::Bytes;
use emnify::{Api, BaseUrl, Error, Identity};
use futures::{FutureExt, future::BoxFuture};
use http::Response;
use parking_lot::Mutex;

/// What is read: a route of the API, what it takes for its `{...}`, and its query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fetch {
    /// The route, as published.
    pub route: &'static str,
    /// What it takes for its `{...}`, in order.
    pub args: Vec<String>,
    /// The query.
    pub query: Vec<(&'static str, String)>,
}

/// The live organisation. There is no way to change it.
pub trait Live: Send + Sync + 'static {
    /// Reads something; an answer of any status is one.
    fn fetch(&self, what: Fetch) -> BoxFuture<'static, Result<Response<Bytes>, Error>>;
}

/// Reads with a client, in the runtime that the engine rehearses in.
#[derive(Clone, Debug)]
pub struct OverApi(pub Api);

impl Live for OverApi {
    fn fetch(&self, what: Fetch) -> BoxFuture<'static, Result<Response<Bytes>, Error>> {
        let api = self.0.clone();
        async move { api.fetch(what.route, what.args, what.query).await }.boxed()
    }
}

impl<L: Live + ?Sized> Live for Arc<L> {
    fn fetch(&self, what: Fetch) -> BoxFuture<'static, Result<Response<Bytes>, Error>> {
        (**self).fetch(what)
    }
}

/// Reads everything once, however often it is asked for.
pub struct Once {
    live: Arc<dyn Live>,
    read: Arc<Mutex<HashMap<Fetch, Response<Bytes>>>>,
}

impl Once {
    /// Nothing is read yet.
    pub fn of(live: Arc<dyn Live>) -> Self {
        Self { live, read: Arc::default() }
    }
}

impl Live for Once {
    fn fetch(&self, what: Fetch) -> BoxFuture<'static, Result<Response<Bytes>, Error>> {
        if let Some(known) = self.read.lock().get(&what) {
            return ready(Ok(known.clone())).boxed();
        }
        let (reading, read) = (self.live.fetch(what.clone()), self.read.clone());
        async move {
            let answer = reading.await?;
            read.lock().insert(what, answer.clone());
            Ok(answer)
        }
        .boxed()
    }
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once").field("read", &self.read.lock().len()).finish_non_exhaustive()
    }
}

/// Who reads the live organisation, and how.
#[derive(Clone)]
pub struct Reader {
    /// Who the token speaks for.
    pub identity: Identity,
    /// Where the organisation is.
    pub base_url: BaseUrl,
    /// How it is read.
    pub live: Arc<dyn Live>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("identity", &self.identity).finish_non_exhaustive()
    }
}
