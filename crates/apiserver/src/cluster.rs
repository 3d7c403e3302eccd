//! The API server, as its clients and its users see it.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use http::Request;
use http_body_util::{BodyExt, Collected};
use jiff::{SignedDuration, Timestamp};
use kube::{Client, client::Body};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

use crate::{
    objects::Objects,
    path::{NAMESPACE, listed, path_of, selected},
    reply::{Reply, refusal, reply},
};

/// What every request takes.
const LATENCY: Duration = Duration::from_millis(5);

/// How old an object is that somebody applies, so that it is not taken for one that was made a moment ago.
const AGE: SignedDuration = SignedDuration::from_hours(1);

/// One write that came in over the API.
#[derive(Clone, Debug)]
pub struct Wrote {
    /// Method and path.
    pub what: String,
    /// What was sent.
    pub body: Value,
}

#[derive(Default)]
struct Inner {
    objects: Objects,
    wrote: Vec<Wrote>,
    forbidden: BTreeSet<String>,
    refused: HashMap<String, String>,
    tried: usize,
    slow: Duration,
    reads: HashMap<String, usize>,
}

/// Tells the time of day.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The API server. Clones are handles to the same one.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Mutex<Inner>>,
    clock: Clock,
    /// When it began.
    since: Timestamp,
}

impl Cluster {
    /// One without objects, whose time of day is this clock's.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let since = clock();
        Self { inner: Arc::default(), clock: Arc::new(clock), since }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move { Ok::<_, Infallible>(cluster.answer(request).await) }
        });
        Client::new(service, NAMESPACE)
    }

    /// A user applies an object of a kind; the generation moves when the spec differs. A new one is an hour old.
    pub fn apply_a(&self, kind: &str, name: &str, spec: Value) {
        let (path, created) = (path_of(kind, name), self.since - AGE);
        let mut inner = self.lock();
        let known = inner.objects.stored.get(&path).cloned();
        let mut object = known.unwrap_or_else(|| inner.objects.new_object(kind, name, created));
        if object["spec"] != spec {
            object["spec"] = spec;
            next_generation(&mut object);
        }
        inner.objects.store(&path, object);
    }

    /// A user applies an object that is made now.
    pub fn apply_new(&self, kind: &str, name: &str, spec: Value) {
        let (path, now) = (path_of(kind, name), self.now());
        let mut inner = self.lock();
        let mut object = inner.objects.new_object(kind, name, now);
        object["metadata"]["generation"] = json!(1);
        object["spec"] = spec;
        inner.objects.store(&path, object);
    }

    /// From now on nobody has rights to this path.
    pub fn forbid(&self, path: &str) {
        self.lock().forbidden.insert(path.to_owned());
    }

    /// They have them again.
    pub fn allow(&self, path: &str) {
        self.lock().forbidden.remove(path);
    }

    /// From now on, or no longer, writes to this path are refused in these words.
    pub fn refuse(&self, path: &str, words: Option<&str>) {
        let mut inner = self.lock();
        match words {
            Some(words) => inner.refused.insert(path.to_owned(), words.to_owned()),
            None => inner.refused.remove(path),
        };
    }

    /// How many writes were refused in words.
    pub fn tried(&self) -> usize {
        self.lock().tried
    }

    /// A user sets an annotation on an object of a kind.
    pub fn annotate_a(&self, kind: &str, name: &str, key: &str, value: &str) {
        self.edit(kind, name, |object| object["metadata"]["annotations"][key] = json!(value));
    }

    /// A user deletes an object of a kind.
    pub fn delete_a(&self, kind: &str, name: &str) {
        let now = self.now().to_string();
        self.edit(kind, name, |object| {
            object["metadata"]["deletionTimestamp"] = json!(now);
            next_generation(object);
        });
    }

    fn edit(&self, kind: &str, name: &str, edit: impl FnOnce(&mut Value)) {
        let path = path_of(kind, name);
        let mut inner = self.lock();
        let mut object = inner.objects.stored[&path].clone();
        edit(&mut object);
        inner.objects.store(&path, object);
    }

    /// An object is replaced by a namesake without anybody seeing an event.
    pub fn replace_unseen(&self, kind: &str, name: &str, spec: Value) {
        let (path, created) = (path_of(kind, name), self.since - AGE);
        let mut inner = self.lock();
        let mut object = inner.objects.new_object(kind, name, created);
        object["spec"] = spec;
        inner.objects.store_unseen(&path, object);
    }

    /// Patches take so much longer from now on.
    pub fn be_slow(&self, slow: Duration) {
        self.lock().slow = slow;
    }

    /// From now on, or no longer, watches hear nothing.
    pub fn mute(&self, mute: bool) {
        self.lock().objects.mute = mute;
    }

    /// Something happens while the watches are broken; each begins with a listing again.
    pub fn gap(&self, happens: impl FnOnce(&Self)) {
        self.mute(true);
        happens(self);
        self.mute(false);
        self.lock().objects.expire();
    }

    /// Somebody takes an object away.
    pub fn remove(&self, path: &str) {
        self.lock().objects.stored.remove(path);
    }

    /// How often this path was read.
    pub fn reads(&self, path: &str) -> usize {
        self.lock().reads.get(path).copied().unwrap_or_default()
    }

    /// Puts any object in place.
    pub fn put(&self, path: &str, object: Value) {
        self.lock().objects.store(path, object);
    }

    /// An object of a kind, if it exists.
    pub fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.get(&path_of(kind, name))
    }

    /// Anything, if it exists.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.lock().objects.stored.get(path).cloned()
    }

    /// Writes whose method and path start with `what`.
    pub fn wrote(&self, what: &str) -> Vec<Wrote> {
        self.lock().wrote.iter().filter(|w| w.what.starts_with(what)).cloned().collect()
    }

    /// Events with this reason that exist.
    pub fn named_events(&self, reason: &str) -> Vec<Value> {
        let inner = self.lock();
        let events = inner.objects.stored.iter().filter(|(path, _)| path.contains("/events/"));
        events.map(|(_, event)| event.clone()).filter(|event| event["reason"] == reason).collect()
    }

    /// Reason and note of every Event.
    pub fn events(&self) -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        self.wrote("POST /apis/events.k8s.io")
            .iter()
            .map(|w| (text(&w.body["reason"]), text(&w.body["note"])))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Body>) -> Reply {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default();
        // a body that breaks off is no JSON either
        let bytes = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let slow = if parts.method == "PATCH" { self.lock().slow } else { Duration::ZERO };
        tokio::time::sleep(LATENCY + slow).await;
        let (method, now) = (parts.method.as_str(), self.now());
        let mut inner = self.lock();
        if method == "GET" {
            *inner.reads.entry(path.clone()).or_default() += 1;
        }
        let forbidden = inner.forbidden.contains(&path);
        if let ("GET", Some(of), false) = (method, listed(&path), forbidden) {
            if query.contains("watch=true") {
                let since = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
                let since = since.and_then(|version| version.parse().ok()).unwrap_or(u64::MAX);
                return inner.objects.watch(path, since);
            }
            return reply(200, &inner.list(of, query));
        }
        let (status, answer) =
            if forbidden { refusal(403, "forbidden") } else { inner.carry_out(method, &path, &body, now) };
        if method != "GET" {
            inner.wrote.push(Wrote { what: format!("{method} {path}"), body });
        }
        reply(status, &answer)
    }
}

impl Inner {
    fn list(&self, of: impl Fn(&str) -> bool, query: &str) -> Value {
        let all = self.objects.stored.iter().filter(|(p, o)| of(p) && selected(o, query));
        let items: Vec<Value> = all.map(|(_, o)| o.clone()).collect();
        let version = self.objects.version.to_string();
        json!({"apiVersion": "emnify.io/v1alpha1", "kind": "List", "metadata": {"resourceVersion": version}, "items": items})
    }

    fn carry_out(&mut self, method: &str, path: &str, body: &Value, now: Timestamp) -> (u16, Value) {
        if let Some(words) = self.refused.get(path).filter(|_| method != "GET") {
            self.tried += 1;
            return refusal(403, words);
        }
        match method {
            "GET" => {
                self.objects.stored.get(path).map_or_else(|| refusal(404, "not found"), |o| (200, o.clone()))
            }
            "POST" => self.objects.create(path, body, now),
            "PATCH" => self.objects.patch(path, body),
            "DELETE" => self.objects.delete(path, now),
            _ => refusal(405, "not served"),
        }
    }
}

fn next_generation(object: &mut Value) {
    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
    object["metadata"]["generation"] = json!(generation + 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    const METER: &str = "/apis/emnify.io/v1alpha1/namespaces/ns/endpoints/meter";

    fn noon() -> Timestamp {
        "2026-05-01T12:00:00Z".parse().expect("a time")
    }

    /// A meter that was just applied.
    fn meter() -> Cluster {
        let cluster = Cluster::new(noon);
        cluster.apply_a("Endpoint", "meter", json!({"name": "meter"}));
        cluster
    }

    async fn ask(cluster: &Cluster, method: &str, body: Value) -> u16 {
        let request = Request::builder().method(method).uri(METER);
        let body = Body::from(body.to_string().into_bytes());
        cluster.answer(request.body(body).expect("a request")).await.status().as_u16()
    }

    #[tokio::test(start_paused = true)]
    async fn a_patch_of_another_version_or_of_a_namesake_is_refused() {
        let cluster = meter();
        let old = json!({"metadata": {"resourceVersion": "0", "labels": {"a": "b"}}});
        let namesake = json!({"metadata": {"uid": "uid-0", "labels": {"a": "b"}}});
        let tested = json!([{"op": "test", "path": "/metadata/uid", "value": "uid-0"}, {"op": "add", "path": "/status", "value": {}}]);
        for (patch, status) in [(old, 409), (namesake, 409), (tested, 422)] {
            assert_eq!(ask(&cluster, "PATCH", patch.clone()).await, status, "{patch}");
        }
        let shown = cluster.object("Endpoint", "meter").expect("it is there");
        assert!(shown["metadata"]["labels"].is_null() && shown["status"].is_null(), "{shown}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_deleted_goes_with_its_last_finalizer() {
        let cluster = meter();
        assert_eq!(ask(&cluster, "PATCH", json!({"metadata": {"finalizers": ["a", "b"]}})).await, 200);
        assert_eq!(ask(&cluster, "DELETE", Value::Null).await, 200);
        for (left, stays) in [(json!(["b"]), true), (json!([]), false)] {
            assert_eq!(ask(&cluster, "PATCH", json!({"metadata": {"finalizers": left}})).await, 200);
            assert_eq!(cluster.object("Endpoint", "meter").is_some(), stays, "{left}");
        }
    }
}
