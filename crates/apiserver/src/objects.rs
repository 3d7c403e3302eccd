//! What is stored, and who hears of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    path::{GROUP, NAMESPACE, listed},
    reply::{Reply, refusal},
};

/// Objects by path, and the watches.
#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) stored: BTreeMap<String, Value>,
    watchers: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
    pub(crate) version: u64,
    uid: u64,
    /// Watches hear nothing.
    pub(crate) mute: bool,
}

impl Objects {
    /// One that nobody has applied yet.
    pub(crate) fn new_object(&mut self, kind: &str, name: &str, created: Timestamp) -> Value {
        json!({"apiVersion": "emnify.io/v1alpha1", "kind": kind, "metadata": {
            "name": name, "namespace": NAMESPACE, "uid": self.next_uid(), "generation": 0,
            "creationTimestamp": created.to_string()}})
    }

    fn next_uid(&mut self) -> String {
        self.uid += 1;
        format!("uid-{}", self.uid)
    }

    fn next_version(&mut self) -> Value {
        self.version += 1;
        json!(self.version.to_string())
    }

    /// Stores an object and tells the watches; one that is being deleted goes with its last finalizer.
    pub(crate) fn store(&mut self, path: &str, mut object: Value) -> Value {
        if self.stored.get(path) == Some(&object) {
            return object;
        }
        let known = self.stored.contains_key(path);
        object["metadata"]["resourceVersion"] = self.next_version();
        let bare = object["metadata"]["finalizers"].as_array().is_none_or(Vec::is_empty);
        let gone = bare && !object["metadata"]["deletionTimestamp"].is_null();
        let kind = match (gone, known) {
            (true, _) => "DELETED",
            (false, true) => "MODIFIED",
            (false, false) => "ADDED",
        };
        if gone {
            self.stored.remove(path);
        } else {
            self.stored.insert(path.to_owned(), object.clone());
        }
        if !self.mute {
            let line = line(kind, &object);
            self.watchers
                .retain(|(of, w)| listed(of).is_none_or(|of| !of(path)) || w.send(line.clone()).is_ok());
        }
        object
    }

    /// Stores an object that no watch hears of.
    pub(crate) fn store_unseen(&mut self, path: &str, mut object: Value) {
        object["metadata"]["resourceVersion"] = self.next_version();
        self.stored.insert(path.to_owned(), object);
    }

    /// Every watch ends, and its owner has to list again.
    pub(crate) fn expire(&mut self) {
        let line = line("ERROR", &refusal(410, "too old resource version").1);
        for (_, watcher) in std::mem::take(&mut self.watchers) {
            let _heard = watcher.send(line.clone()).is_ok();
        }
    }

    /// A watch. One of a namespace begins with what changed since the listing before it; others began before anything did.
    pub(crate) fn watch(&mut self, path: String, since: u64) -> Reply {
        let (tx, rx) = mpsc::unbounded_channel();
        let late = path.contains("/namespaces/");
        let of = |at: &str| late && listed(&path).is_some_and(|of| of(at));
        for (at, object) in self.stored.iter().filter(|(at, _)| of(at)) {
            let version = object["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok());
            if version.is_some_and(|version: u64| version > since) {
                assert!(tx.send(line("MODIFIED", object)).is_ok(), "{at}: the watch is just made");
            }
        }
        self.watchers.push((path, tx));
        let frames = futures::stream::unfold(rx, |mut rx| async {
            let line = rx.recv().await?;
            Full::new(line).frame().await.map(|frame| (frame, rx))
        });
        Response::new(UnsyncBoxBody::new(StreamBody::new(frames)))
    }

    /// Answers a POST.
    pub(crate) fn create(&mut self, path: &str, body: &Value, now: Timestamp) -> (u16, Value) {
        let at = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap_or_default());
        if self.stored.contains_key(&at) {
            return refusal(409, "already exists");
        }
        let mut object = body.clone();
        if at.starts_with(GROUP) {
            object["metadata"]["uid"] = json!(self.next_uid());
            object["metadata"]["generation"] = json!(1);
            object["metadata"]["creationTimestamp"] = json!(now.to_string());
        }
        (201, self.store(&at, object))
    }

    /// Answers a DELETE.
    pub(crate) fn delete(&mut self, path: &str, now: Timestamp) -> (u16, Value) {
        let Some(mut object) = self.stored.get(path).cloned() else { return refusal(404, "not found") };
        object["metadata"]["deletionTimestamp"] = json!(now.to_string());
        (200, self.store(path, object))
    }

    /// Answers a PATCH, as a JSON patch of the status or as a merge patch.
    pub(crate) fn patch(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let of = path.trim_end_matches("/status");
        let Some(mut object) = self.stored.get(of).cloned() else { return refusal(404, "not found") };
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

/// What a watch hears.
fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": kind, "object": object})))
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
