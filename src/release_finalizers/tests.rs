//! An API server that shows two objects a page, and is written to by others.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use emnify_engine::kind::FINALIZER;
use serde_json::{Value, json};

use super::*;
use crate::testing::kube_client;

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/emnify-system/leases";
const PAGE: usize = 2;

#[derive(Default)]
struct Cluster {
    endpoints: BTreeMap<String, Value>,
    leases: Vec<Value>,
    /// So many patches find that somebody else wrote meanwhile.
    conflicts: usize,
    /// The second page is too old, once.
    expires: bool,
    /// Listed, and gone before it is patched.
    vanishing: Option<String>,
    patches: Vec<Value>,
}

impl Cluster {
    fn with(names: &[&str]) -> Self {
        let object = |name: &str| {
            let finalizers = json!(["example.org/other", FINALIZER]);
            let metadata = json!({
                "name": name, "namespace": "iot", "uid": name, "resourceVersion": "1", "finalizers": finalizers,
            });
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
        };
        let endpoints = names.iter().map(|name| ((*name).to_owned(), object(name))).collect();
        Self { endpoints, ..Self::default() }
    }

    fn finalizers(&self, name: &str) -> Value {
        self.endpoints[name]["metadata"]["finalizers"].clone()
    }

    fn answer(&mut self, method: &str, path: &str, query: &str, body: Value) -> Result<Value, u16> {
        let name = path.rsplit('/').next().unwrap_or_default();
        match (method, path) {
            ("GET", LEASES) => Ok(list(&self.leases, None)),
            ("GET", _) if path.ends_with("/endpoints") => self.page(query),
            ("GET", _) if path.starts_with("/apis/emnify.io/") => Err(404),
            ("PATCH", _) => self.patch(name, body),
            _ => Err(500),
        }
    }

    fn page(&mut self, query: &str) -> Result<Value, u16> {
        let all: Vec<_> = self.endpoints.values().cloned().collect();
        if let Some((_, name)) = query.split_once("metadata.name%3D") {
            return Ok(list(self.endpoints.get(name).map(std::slice::from_ref).unwrap_or_default(), None));
        }
        let from = query.split_once("continue=").map_or(0, |(_, rest)| {
            rest.split('&').next().and_then(|token| token.parse().ok()).expect("our own token")
        });
        if from > 0 && std::mem::take(&mut self.expires) {
            return Err(410);
        }
        let next = Some(from + PAGE).filter(|next| *next < all.len());
        Ok(list(&all[from..all.len().min(from + PAGE)], next))
    }

    fn patch(&mut self, name: &str, body: Value) -> Result<Value, u16> {
        if self.vanishing.as_deref() == Some(name) {
            self.endpoints.remove(name);
        }
        let object = self.endpoints.get_mut(name).ok_or(404_u16)?;
        if self.conflicts > 0 {
            self.conflicts -= 1;
            object["metadata"]["resourceVersion"] = json!(format!("2{}", self.conflicts));
        }
        if object["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] {
            return Err(409);
        }
        object["metadata"]["finalizers"] = body["metadata"]["finalizers"].clone();
        self.patches.push(body);
        Ok(object.clone())
    }
}

fn list(items: &[Value], next: Option<usize>) -> Value {
    let next = next.map(|next| next.to_string()).unwrap_or_default();
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"continue": next}, "items": items})
}

fn client(cluster: &Arc<Mutex<Cluster>>) -> Client {
    let cluster = cluster.clone();
    kube_client("default", move |head, body| {
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let answer = cluster.lock().unwrap().answer(head.method.as_str(), path, query, body);
        let (status, answer) = match answer {
            Ok(answer) => (200, answer),
            Err(code) => (code, json!({"kind": "Status", "status": "Failure", "code": code})),
        };
        std::future::ready((status, answer.to_string()))
    })
}

/// Exit code, what was printed, and what was said beside it.
async fn release(cluster: &Arc<Mutex<Cluster>>, yes: bool, force: bool) -> (ExitCode, String, String) {
    let args = ReleaseArgs {
        namespaces: Vec::new(),
        yes,
        force,
        operator_namespace: "emnify-system".into(),
        lease_name: "emnify-operator".into(),
    };
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let code = args.run_on(&client(cluster), &mut out, &mut notes).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(out), text(notes))
}

fn shared(cluster: Cluster) -> Arc<Mutex<Cluster>> {
    Arc::new(Mutex::new(cluster))
}

#[tokio::test]
async fn every_page_is_released_and_finalizers_of_others_stay() {
    let cluster = shared(Cluster { expires: true, ..Cluster::with(&["a", "b", "c", "d", "e"]) });
    let (code, out, notes) = release(&cluster, true, false).await;
    assert_eq!(code, ExitCode::SUCCESS, "{notes}");
    assert_eq!(out.matches(" released\n").count(), 5, "one line per object: {out}");
    assert!(out.contains("endpoints.emnify.io/a in iot released"), "{out}");
    assert!(notes.contains("emnify is not called") && notes.contains("objects released: 5"), "{notes}");
    let cluster = cluster.lock().unwrap();
    for name in ["a", "e"] {
        assert_eq!(cluster.finalizers(name), json!(["example.org/other"]), "only ours is taken off");
    }
    assert!(cluster.patches.iter().all(|patch| patch["metadata"]["uid"].is_string()), "never a namesake");
}

#[tokio::test]
async fn without_yes_nothing_is_written() {
    let cluster = shared(Cluster::with(&["a", "b", "c"]));
    let (code, out, notes) = release(&cluster, false, false).await;
    assert_eq!(code, ExitCode::FAILURE, "something is still held, so uninstalling would hang");
    assert_eq!(out.matches(" held\n").count(), 3, "{out}");
    assert!(notes.contains("repeat with --yes"), "{notes}");
    assert!(cluster.lock().unwrap().patches.is_empty(), "a dry run writes nothing");
    release(&cluster, true, false).await;
    let (code, out, _) = release(&cluster, false, false).await;
    assert_eq!((code, out.as_str()), (ExitCode::SUCCESS, ""), "nothing is held any more");
}

#[tokio::test]
async fn other_writers_do_no_harm() {
    let cluster = shared(Cluster { conflicts: 3, ..Cluster::with(&["a"]) });
    let (code, out, notes) = release(&cluster, true, false).await;
    assert_eq!(code, ExitCode::SUCCESS, "a conflict is tried again with what is there now: {out}{notes}");
    let cluster = shared(Cluster { vanishing: Some("b".into()), ..Cluster::with(&["a", "b"]) });
    let (code, out, _) = release(&cluster, true, false).await;
    assert_eq!((code, out.lines().count()), (ExitCode::SUCCESS, 1), "what is gone needs no release: {out}");
    let cluster = shared(Cluster { conflicts: 99, ..Cluster::with(&["a"]) });
    let (code, _, notes) = release(&cluster, true, false).await;
    assert_eq!(code, ExitCode::FAILURE, "what could not be released is said");
    assert!(notes.contains("endpoints.emnify.io/a in iot not released"), "{notes}");
}

#[tokio::test]
async fn an_operator_at_work_is_not_worked_against() {
    let renewed = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    let spec = json!({"holderIdentity": "pod-1", "renewTime": renewed, "leaseDurationSeconds": 15});
    let leases = vec![json!({"metadata": {"name": "emnify-operator"}, "spec": spec})];
    let cluster = shared(Cluster { leases, ..Cluster::with(&["a"]) });
    let (code, out, notes) = release(&cluster, true, false).await;
    assert_eq!((code, out.as_str()), (ExitCode::from(REFUSED), ""));
    assert!(notes.contains("lease emnify-operator is held by pod-1") && notes.contains("--force"), "{notes}");
    assert!(cluster.lock().unwrap().patches.is_empty());
    let (code, out, _) = release(&cluster, true, true).await;
    assert_eq!((code, out.lines().count()), (ExitCode::SUCCESS, 1), "unless it is forced");
}
