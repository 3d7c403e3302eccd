//! Elections and claims against an API server in memory, on paused time.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use emnify::Gate;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::{Api, Client, client::Body};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::BoxError;

use super::{
    election::{Election, Lost},
    organisation_lease::Claims,
};
use crate::settings::{lead::Terms, shard::Shard};

const SECOND: Duration = Duration::from_secs(1);
const TERMS: Terms = Terms {
    duration: Duration::from_secs(15),
    renew: Duration::from_secs(10),
    retry: Duration::from_secs(2),
};

/// Keeps Leases, and refuses a write that names another version than the last.
#[derive(Default)]
struct Server {
    leases: Mutex<BTreeMap<String, Value>>,
    version: AtomicUsize,
    writes: AtomicUsize,
    down: AtomicBool,
    busy: AtomicBool,
}

impl Server {
    fn client(self: &Arc<Self>) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, BoxError>(server.answer(request).await) }
        });
        Client::new(service, "d")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if self.busy.load(Ordering::SeqCst) {
            sleep(SECOND * 4).await;
        }
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        let name = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        let mut leases = self.leases.lock().unwrap();
        let (status, answer) = if self.down.load(Ordering::SeqCst) {
            (StatusCode::INTERNAL_SERVER_ERROR, Value::Null)
        } else if parts.method == Method::GET {
            leases
                .get(&name)
                .map_or((StatusCode::NOT_FOUND, Value::Null), |lease| (StatusCode::OK, lease.clone()))
        } else if parts.method == Method::POST {
            let name = sent["metadata"]["name"].as_str().unwrap().to_owned();
            if leases.contains_key(&name) {
                (StatusCode::CONFLICT, Value::Null)
            } else {
                self.store(&mut leases, name, sent)
            }
        } else {
            match leases.get(&name) {
                None => (StatusCode::NOT_FOUND, Value::Null),
                Some(lease)
                    if lease["metadata"]["resourceVersion"] != sent["metadata"]["resourceVersion"] =>
                {
                    (StatusCode::CONFLICT, Value::Null)
                }
                Some(_) => self.store(&mut leases, name, sent),
            }
        };
        let body = if status.is_success() {
            answer
        } else {
            let reason = status.canonical_reason().unwrap_or_default().replace(' ', "");
            json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status.as_u16(), "reason": reason})
        };
        Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).unwrap()
    }

    fn store(
        &self,
        leases: &mut BTreeMap<String, Value>,
        name: String,
        mut lease: Value,
    ) -> (StatusCode, Value) {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        self.writes.fetch_add(1, Ordering::SeqCst);
        lease["metadata"]["resourceVersion"] = version.to_string().into();
        leases.insert(name, lease.clone());
        (StatusCode::OK, lease)
    }

    /// Somebody else writes to all leases.
    fn label(&self) {
        for lease in self.leases.lock().unwrap().values_mut() {
            let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
            lease["metadata"]["labels"] = json!({"team": "iot"});
            lease["metadata"]["resourceVersion"] = version.to_string().into();
        }
    }

    fn election(self: &Arc<Self>, me: &str) -> (Arc<Election>, Arc<Gate>) {
        let gate = Gate::shut();
        let election =
            Election::new(Api::namespaced(self.client(), "d"), "lease", me.to_owned(), TERMS, gate.clone());
        (Arc::new(election), gate)
    }

    fn claims(self: &Arc<Self>, selector: &str) -> Arc<Claims> {
        let shard = Shard::new("emnify-operator", selector).unwrap();
        Arc::new(Claims::new(self.client(), "d", shard, Gate::open()))
    }
}

/// What a process does that leads.
fn keep(claims: &Arc<Claims>) -> JoinHandle<Infallible> {
    let claims = claims.clone();
    tokio::spawn(async move { claims.keep().await })
}

/// How long it took.
async fn taken(work: impl Future<Output = ()>) -> Duration {
    let began = Instant::now();
    work.await;
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_the_next_goes_on_at_once_when_it_lets_go() {
    let server = Arc::new(Server::default());
    let ((a, gate_a), (b, gate_b)) = (server.election("a"), server.election("b"));
    a.won().await;
    let leading = a.clone();
    let holding = tokio::spawn(async move { leading.lost().await });
    assert!(timeout(SECOND * 120, b.won()).await.is_err(), "nobody else leads while the lease is renewed");
    assert!(gate_a.begin(false).is_ok() && gate_b.begin(true).is_err());
    holding.abort();
    a.release().await;
    assert!(gate_a.begin(true).is_err(), "who let go sends nothing any more");
    assert!(taken(b.won()).await <= TERMS.retry, "a released lease is not waited for");
    assert!(gate_b.begin(false).is_ok(), "and nothing is held back");
    assert_eq!(b.snapshot().transitions, 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_api_server_is_told_as_well_who_let_go() {
    let server = Arc::new(Server::default());
    let ((a, _), (b, _)) = (server.election("a"), server.election("b"));
    a.won().await;
    server.busy.store(true, Ordering::SeqCst);
    a.release().await;
    server.busy.store(false, Ordering::SeqCst);
    assert!(taken(b.won()).await <= TERMS.retry, "nobody waits for the lease to expire");
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_somebody_who_is_gone_is_taken_when_it_expired_and_creates_wait() {
    let server = Arc::new(Server::default());
    let ((a, _), (b, gate)) = (server.election("a"), server.election("b"));
    a.won().await;
    let waited = taken(b.won()).await;
    assert!(waited >= TERMS.duration && waited <= TERMS.duration + TERMS.retry, "{waited:?}");
    assert!(gate.begin(true).is_ok(), "edits go on");
    assert!(gate.begin(false).is_err(), "what must not be done twice waits");
    let leading = b.clone();
    tokio::spawn(async move { leading.lost().await });
    sleep(SECOND * 60).await;
    assert!(gate.begin(false).is_ok(), "until no request can be under way any more");
}

#[tokio::test(start_paused = true)]
async fn what_was_left_under_way_is_told_to_the_next() {
    let server = Arc::new(Server::default());
    let ((a, gate_a), (b, gate_b)) = (server.election("a"), server.election("b"));
    a.won().await;
    let _create = gate_a.begin(false).expect("it leads");
    a.release().await;
    b.won().await;
    assert!(gate_b.creates_held().is_some(), "a create of the former leader may still take effect");
}

#[tokio::test(start_paused = true)]
async fn a_leader_without_an_api_server_stops_before_anybody_else_may_lead() {
    let server = Arc::new(Server::default());
    let ((a, gate), (b, _)) = (server.election("a"), server.election("b"));
    a.won().await;
    server.down.store(true, Ordering::SeqCst);
    let began = Instant::now();
    assert_eq!(a.lost().await, Lost::Expired);
    assert!(began.elapsed() <= TERMS.renew + TERMS.retry && gate.begin(true).is_err());
    server.down.store(false, Ordering::SeqCst);
    b.won().await;
    assert_eq!(timeout(SECOND * 60, a.lost()).await, Ok(Lost::Expired), "it does not come back by itself");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_labelled_or_deleted_is_still_ours() {
    let server = Arc::new(Server::default());
    let (a, gate) = server.election("a");
    a.won().await;
    let leading = a.clone();
    let holding = tokio::spawn(async move { leading.lost().await });
    sleep(SECOND * 5).await;
    server.label();
    sleep(SECOND * 20).await;
    server.leases.lock().unwrap().clear();
    sleep(SECOND * 20).await;
    assert!(!holding.is_finished() && gate.begin(true).is_ok());
    assert_eq!(server.leases.lock().unwrap()["lease"]["spec"]["holderIdentity"], "a");
    server.leases.lock().unwrap().get_mut("lease").unwrap()["spec"]["holderIdentity"] = "b".into();
    server.label();
    assert_eq!(
        timeout(SECOND * 5, holding).await.unwrap().unwrap(),
        Lost::Taken,
        "unless another one holds it"
    );
}

#[tokio::test(start_paused = true)]
async fn one_shard_claims_an_organisation_until_it_lets_go() {
    let server = Arc::new(Server::default());
    let (gold, silver) = (server.claims("tier=gold"), server.claims("tier=silver"));
    let place = ("https://cdn.emnify.net".to_owned(), 1001);
    let (_gold, _silver) = (keep(&gold), keep(&silver));
    let gate = gold.hold(&place).await.unwrap().expect("nobody else serves it");
    let conflict = silver.hold(&place).await.unwrap().expect_err("the other shard does");
    assert!(conflict.message.contains("tier=gold"), "{}", conflict.message);
    let another = ("https://cdn.emnify.net".to_owned(), 1002);
    assert!(silver.hold(&another).await.unwrap().is_ok(), "another organisation is another claim");
    // a workspace whose Secret cannot be read has no look that ends well, and what it shares goes on
    for _ in 0..300 {
        sleep(SECOND).await;
        assert!(gate.begin(true).is_ok() && silver.hold(&place).await.unwrap().is_err());
    }
    gold.hold(&place).await.unwrap().expect("it is ours");
    let writes = server.writes.load(Ordering::SeqCst);
    assert!(writes <= 2 + 2 * (300 / 15 + 1), "claims are renewed now and then: {writes}");
    gold.release(&place).await;
    assert!(gate.begin(true).is_err(), "nothing is sent for it any more");
    let gate = silver.hold(&place).await.unwrap().expect("it was let go of");
    assert!(gate.begin(false).is_ok());
    assert!(gold.hold(&place).await.unwrap().expect_err("now it is theirs").message.contains("tier=silver"));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_cannot_be_renewed_ends_before_another_shard_may_take_it() {
    let server = Arc::new(Server::default());
    let (gold, silver) = (server.claims("tier=gold"), server.claims("tier=silver"));
    let place = ("https://cdn.emnify.net".to_owned(), 1001);
    let process = keep(&gold);
    let gate = gold.hold(&place).await.unwrap().expect("nobody else serves it");
    assert!(silver.hold(&place).await.unwrap().is_err());
    server.down.store(true, Ordering::SeqCst);
    sleep(SECOND * 40).await;
    assert!(
        gold.hold(&place).await.unwrap().is_ok() && gate.begin(true).is_ok(),
        "a short outage changes nothing"
    );
    sleep(SECOND * 40).await;
    assert!(gate.begin(true).is_err() && gold.hold(&place).await.is_err(), "a long one does");
    process.abort();
    server.down.store(false, Ordering::SeqCst);
    assert!(silver.hold(&place).await.unwrap().is_err(), "others wait longer than it relied on");
    sleep(SECOND * 40).await;
    let gate = silver.hold(&place).await.unwrap().expect("its shard is gone");
    assert!(
        gate.begin(true).is_ok() && gate.begin(false).is_err(),
        "what its shard may have under way is waited for"
    );
}
