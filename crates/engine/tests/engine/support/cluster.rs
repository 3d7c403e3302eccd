//! An API server in memory: lists, watches, patches with their preconditions, finalizers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::clock;

/// An answer.
pub(crate) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// One write that came in over the API.
#[derive(Clone, Debug)]
pub(crate) struct Wrote {
    /// Method and path.
    pub(crate) what: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Value>,
    watchers: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
    version: u64,
    uid: u64,
    wrote: Vec<Wrote>,
    mute: bool,
    forbidden: BTreeSet<String>,
    refused: HashMap<String, String>,
    tried: Vec<String>,
    slow: std::time::Duration,
    reads: HashMap<String, usize>,
}

/// The API server.
#[derive(Clone, Default)]
pub(crate) struct Cluster(Arc<Mutex<Inner>>);

const TOY: &str = "Toy";

fn path_of(kind: &str, name: &str) -> String {
    format!("/apis/emnify.io/v1alpha1/namespaces/ns/{}/{name}", plural(kind))
}

fn plural(kind: &str) -> String {
    let ending = if kind.ends_with("ch") { "es" } else { "s" };
    format!("{}{ending}", kind.to_lowercase())
}

/// The plural in the path of an object of ours.
fn plural_in(path: &str) -> Option<&str> {
    path.strip_prefix("/apis/emnify.io/v1alpha1/namespaces/ns/")?.split('/').next()
}

impl Cluster {
    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move { Ok::<_, Infallible>(cluster.answer(request).await) }
        });
        Client::new(service, "ns")
    }

    /// A user applies a toy; the generation moves when the spec differs.
    pub(crate) fn apply(&self, name: &str, spec: Value) {
        self.apply_a(TOY, name, spec);
    }

    /// A user applies an object of a kind.
    pub(crate) fn apply_a(&self, kind: &str, name: &str, spec: Value) {
        let path = path_of(kind, name);
        let mut inner = self.lock();
        let mut object = inner.objects.get(&path).cloned().unwrap_or_else(|| inner.new_object(kind, name));
        if object["spec"] != spec {
            object["spec"] = spec;
            object["metadata"]["generation"] =
                json!(object["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        inner.store(&path, object);
    }

    /// A user applies a toy that is made now; others are an hour old.
    pub(crate) fn apply_new(&self, name: &str, spec: Value) {
        let path = path_of(TOY, name);
        let mut inner = self.lock();
        let mut object = inner.new_object(TOY, name);
        object["metadata"]["creationTimestamp"] = json!(clock::now().to_string());
        object["metadata"]["generation"] = json!(1);
        object["spec"] = spec;
        inner.store(&path, object);
    }

    /// From now on the operator has no rights to this path.
    pub(crate) fn forbid(&self, path: &str) {
        self.lock().forbidden.insert(path.to_owned());
    }

    /// It has them again.
    pub(crate) fn allow(&self, path: &str) {
        self.lock().forbidden.remove(path);
    }

    /// From now on, or no longer, writes to this path are refused in these words.
    pub(crate) fn refuse(&self, path: &str, words: Option<&str>) {
        let mut inner = self.lock();
        match words {
            Some(words) => inner.refused.insert(path.to_owned(), words.to_owned()),
            None => inner.refused.remove(path),
        };
    }

    /// How many writes were refused in words.
    pub(crate) fn tried(&self) -> usize {
        self.lock().tried.len()
    }

    /// A user sets an annotation.
    pub(crate) fn annotate(&self, name: &str, key: &str, value: &str) {
        self.annotate_a(TOY, name, key, value);
    }

    /// A user sets an annotation on an object of a kind.
    pub(crate) fn annotate_a(&self, kind: &str, name: &str, key: &str, value: &str) {
        let path = path_of(kind, name);
        let mut inner = self.lock();
        let mut object = inner.objects[&path].clone();
        object["metadata"]["annotations"][key] = json!(value);
        inner.store(&path, object);
    }

    /// A user deletes a toy.
    pub(crate) fn delete(&self, name: &str) {
        self.delete_a(TOY, name);
    }

    /// A user deletes an object of a kind.
    pub(crate) fn delete_a(&self, kind: &str, name: &str) {
        let path = path_of(kind, name);
        let mut inner = self.lock();
        let mut object = inner.objects[&path].clone();
        object["metadata"]["deletionTimestamp"] = json!(clock::now().to_string());
        object["metadata"]["generation"] = json!(object["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        inner.store(&path, object);
    }

    /// A toy is replaced by a namesake without anybody seeing an event.
    pub(crate) fn replace_unseen(&self, name: &str, spec: Value) {
        let mut inner = self.lock();
        let mut object = inner.new_object(TOY, name);
        object["spec"] = spec;
        inner.version += 1;
        object["metadata"]["resourceVersion"] = json!(inner.version.to_string());
        inner.objects.insert(path_of(TOY, name), object);
    }

    /// Patches take this long from now on.
    pub(crate) fn be_slow(&self, slow: std::time::Duration) {
        self.lock().slow = slow;
    }

    /// From now on watches hear nothing.
    pub(crate) fn mute(&self, mute: bool) {
        self.lock().mute = mute;
    }

    /// Something happens while the watches are broken; each begins with a listing again.
    pub(crate) fn gap(&self, happens: impl FnOnce(&Self)) {
        self.mute(true);
        happens(self);
        self.mute(false);
        let expired = refusal(410, "too old resource version").1;
        let line = Bytes::from(format!("{}\n", json!({"type": "ERROR", "object": expired})));
        for (_, watcher) in std::mem::take(&mut self.lock().watchers) {
            let _heard = watcher.send(line.clone()).is_ok();
        }
    }

    /// Somebody takes an object away.
    pub(crate) fn remove(&self, path: &str) {
        self.lock().objects.remove(path);
    }

    /// How often this path was read.
    pub(crate) fn reads(&self, path: &str) -> usize {
        self.lock().reads.get(path).copied().unwrap_or_default()
    }

    /// Puts any object in place.
    pub(crate) fn put(&self, path: &str, object: Value) {
        self.lock().store(path, object);
    }

    /// A toy, if it exists.
    pub(crate) fn toy(&self, name: &str) -> Option<Value> {
        self.object(TOY, name)
    }

    /// An object of a kind, if it exists.
    pub(crate) fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.get(&path_of(kind, name))
    }

    /// Anything, if it exists.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.lock().objects.get(path).cloned()
    }

    /// Writes whose method and path start with `what`.
    pub(crate) fn wrote(&self, what: &str) -> Vec<Wrote> {
        self.lock().wrote.iter().filter(|w| w.what.starts_with(what)).cloned().collect()
    }

    /// Writes to toys.
    pub(crate) fn toy_writes(&self) -> usize {
        self.lock().wrote.iter().filter(|w| w.what.contains("/toys/")).count()
    }

    /// Events with this reason that exist.
    pub(crate) fn named_events(&self, reason: &str) -> Vec<Value> {
        let inner = self.lock();
        let events = inner.objects.iter().filter(|(path, _)| path.contains("/events/"));
        events.map(|(_, event)| event.clone()).filter(|event| event["reason"] == reason).collect()
    }

    /// Reason and note of every Event.
    pub(crate) fn events(&self) -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        self.wrote("POST /apis/events.k8s.io")
            .iter()
            .map(|w| (text(&w.body["reason"]), text(&w.body["note"])))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Body>) -> Reply {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let slow = if parts.method == "PATCH" { self.lock().slow } else { std::time::Duration::ZERO };
        tokio::time::sleep(std::time::Duration::from_millis(5) + slow).await;
        let mut inner = self.lock();
        let method = parts.method.as_str();
        if method == "GET" {
            *inner.reads.entry(path.clone()).or_default() += 1;
        }
        if let ("GET", Some(of), false) = (method, listed(&path), inner.forbidden.contains(&path)) {
            if query.contains("watch=true") {
                let since = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
                let since = since.and_then(|version| version.parse().ok()).unwrap_or(u64::MAX);
                return inner.watch(path, since);
            }
            let all = inner.objects.iter().filter(|(p, o)| of(p) && selected(o, query));
            let items: Vec<Value> = all.map(|(_, o)| o.clone()).collect();
            let version = inner.version.to_string();
            return reply(
                200,
                &json!({"apiVersion": "emnify.io/v1alpha1", "kind": "List", "metadata": {"resourceVersion": version}, "items": items}),
            );
        }
        let (status, answer) = match method {
            _ if inner.forbidden.contains(&path) => refusal(403, "forbidden"),
            _ if method != "GET" && inner.refused.contains_key(&path) => {
                inner.tried.push(path.clone());
                refusal(403, &inner.refused[&path])
            }
            "GET" => inner.objects.get(&path).map_or_else(|| refusal(404, "not found"), |o| (200, o.clone())),
            "POST" => inner.create(&path, &body),
            "PATCH" => inner.patch(&path, &body),
            "DELETE" => inner.delete(&path),
            _ => refusal(405, "not served"),
        };
        if method != "GET" {
            inner.wrote.push(Wrote { what: format!("{method} {path}"), body });
        }
        reply(status, &answer)
    }
}

impl Inner {
    fn new_object(&mut self, kind: &str, name: &str) -> Value {
        self.uid += 1;
        json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": {
            "name": name, "namespace": "ns", "uid": format!("uid-{}", self.uid), "generation": 0,
            "creationTimestamp": "2026-05-01T11:00:00Z"}})
    }

    /// Stores an object and tells the watches; one that is being deleted goes with its last finalizer.
    fn store(&mut self, path: &str, mut object: Value) -> Value {
        if self.objects.get(path) == Some(&object) {
            return object;
        }
        let known = self.objects.contains_key(path);
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let bare = object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        let gone = bare && !object["metadata"]["deletionTimestamp"].is_null();
        let kind = match (gone, known) {
            (true, _) => "DELETED",
            (false, true) => "MODIFIED",
            (false, false) => "ADDED",
        };
        if gone {
            self.objects.remove(path);
        } else {
            self.objects.insert(path.to_owned(), object.clone());
        }
        if !self.mute {
            let line = Bytes::from(format!("{}\n", json!({"type": kind, "object": object})));
            self.watchers
                .retain(|(of, w)| listed(of).is_none_or(|of| !of(path)) || w.send(line.clone()).is_ok());
        }
        object
    }

    /// A watch. One of a namespace begins with what changed since the listing before it; others began before anything did.
    fn watch(&mut self, path: String, since: u64) -> Reply {
        let (tx, rx) = mpsc::unbounded_channel();
        let late = path.contains("/namespaces/");
        let of = |at: &str| late && listed(&path).is_some_and(|of| of(at));
        for (at, object) in self.objects.iter().filter(|(at, _)| of(at)) {
            let version = object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok());
            if version.is_some_and(|version: u64| version > since) {
                let line = format!("{}\n", json!({"type": "MODIFIED", "object": object}));
                assert!(tx.send(Bytes::from(line)).is_ok(), "{at}: the watch is just made");
            }
        }
        self.watchers.push((path, tx));
        let frames = futures::stream::unfold(rx, |mut rx| async {
            let line = rx.recv().await?;
            Full::new(line).frame().await.map(|frame| (frame, rx))
        });
        Response::new(UnsyncBoxBody::new(StreamBody::new(frames)))
    }

    fn create(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let at = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap_or_default());
        if self.objects.contains_key(&at) {
            return refusal(409, "already exists");
        }
        let mut object = body.clone();
        if at.starts_with("/apis/emnify.io/") {
            self.uid += 1;
            object["metadata"]["uid"] = json!(format!("uid-{}", self.uid));
            object["metadata"]["generation"] = json!(1);
            object["metadata"]["creationTimestamp"] = json!(clock::now().to_string());
        }
        (201, self.store(&at, object))
    }

    fn delete(&mut self, path: &str) -> (u16, Value) {
        let Some(mut object) = self.objects.get(path).cloned() else { return refusal(404, "not found") };
        object["metadata"]["deletionTimestamp"] = json!(clock::now().to_string());
        (200, self.store(path, object))
    }

    fn patch(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let of = path.trim_end_matches("/status");
        let Some(mut object) = self.objects.get(of).cloned() else { return refusal(404, "not found") };
        if let Some(operations) = body.as_array() {
            for operation in operations {
                let pointer = operation["path"].as_str().unwrap_or_default();
                match operation["op"].as_str() {
                    Some("test") if object.pointer(pointer) != Some(&operation["value"]) => {
                        return refusal(422, "the server rejected our request: testing value failed");
                    }
                    Some("add") => object["status"] = operation["value"].clone(),
                    _ => {}
                }
            }
            return (200, self.store(of, object));
        }
        let meta = &body["metadata"];
        for key in ["uid", "resourceVersion"] {
            if !meta[key].is_null() && meta[key] != object["metadata"][key] {
                return refusal(409, "the object has been modified");
            }
        }
        merge(&mut object, body);
        (200, self.store(of, object))
    }
}

fn merge(into: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            if let Some(object) = into.as_object_mut() {
                object.remove(key);
            }
        } else if value.is_object() {
            if into[key].is_null() {
                into[key] = json!({});
            }
            merge(&mut into[key], value);
        } else {
            into[key] = value.clone();
        }
    }
}

fn refusal(code: u16, message: &str) -> (u16, Value) {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        _ => "MethodNotAllowed",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                        "message": message, "reason": reason, "code": code});
    (code, status)
}

fn reply(status: u16, body: &Value) -> Reply {
    let body = Full::new(Bytes::from(body.to_string())).boxed_unsync();
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

/// A listing by one label, by name, or of all.
fn selected(object: &Value, query: &str) -> bool {
    let decoded = query.replace("%2F", "/").replace("%3D", "=");
    let asked = |key: &str| decoded.split('&').find_map(|pair| pair.strip_prefix(key)?.split_once('='));
    let labelled = asked("labelSelector=")
        .is_none_or(|(label, value)| object["metadata"]["labels"][label] == json!(value));
    let named = asked("fieldSelector=").is_none_or(|(_, name)| object["metadata"]["name"] == json!(name));
    labelled && named
}

/// Which objects a path lists, if it lists any.
fn listed(path: &str) -> Option<impl Fn(&str) -> bool + use<>> {
    let rest = path.strip_prefix("/apis/emnify.io/v1alpha1/")?;
    let (namespace, plural) = match rest.split('/').collect::<Vec<_>>()[..] {
        [plural] => (None, plural.to_owned()),
        ["namespaces", namespace, plural] => (Some(format!("/namespaces/{namespace}/")), plural.to_owned()),
        _ => return None,
    };
    Some(move |object: &str| {
        plural_in(object) == Some(plural.as_str()) && namespace.as_ref().is_none_or(|n| object.contains(n))
    })
}
