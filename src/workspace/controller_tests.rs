//! Workspaces looked at for hours of paused time: one whose token is wrong, and several that have to do with each other.

#[path = "controller_tests/gaps.rs"]
mod gaps;
#[path = "controller_tests/looks.rs"]
mod looks;
#[path = "controller_tests/organisation.rs"]
mod organisation;
#[path = "controller_tests/people.rs"]
mod people;
#[path = "controller_tests/rotation.rs"]
mod rotation;
#[path = "controller_tests/tenants.rs"]
mod tenants;
#[path = "controller_tests/upgrade.rs"]
mod upgrade;

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use emnify::{Lane, Transport, TransportError};
use emnify_engine::{
    cluster::context::EngineSettings, decide::conditions, kind::reason, run::Builder, session::Access,
};
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use super::*;
use crate::{
    leader::Lead,
    settings::{RunArgs, Settings},
    testing::kube_client,
    workspace::{Workspace, context::LOOK, served::NamespaceLabels, sessions::Sessions},
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

const TOKEN: &str = "application-token";

/// The few API paths that workspaces need, and whether nothing is answered at all.
#[derive(Default)]
struct Cluster(Mutex<BTreeMap<String, Value>>, AtomicBool);

/// Path of the Workspace `main` in a namespace.
fn workspace(namespace: &str) -> String {
    format!("/apis/emnify.io/v1alpha1/namespaces/{namespace}/workspaces/main")
}

/// Path of a Secret.
fn secret(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/secrets/{name}")
}

impl Cluster {
    /// A Workspace `main` in each of these namespaces, with the application token.
    fn with(tenants: &[(&str, &str)]) -> Arc<Self> {
        let credentials = json!({"applicationTokenSecretRef": {"name": "emnify", "key": "token"}});
        let objects = tenants.iter().flat_map(|(namespace, token)| {
            let object = json!({
                "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "spec": {"credentials": credentials},
                "metadata": {
                    "name": "main", "namespace": namespace, "uid": format!("uid-{namespace}"), "generation": 1,
                    "finalizers": [FINALIZER],
                },
            });
            let token = data_encoding::BASE64.encode(token.as_bytes());
            let kept = json!({"metadata": {"name": "emnify"}, "data": {"token": token}});
            [(workspace(namespace), object), (secret(namespace, "emnify"), kept)]
        });
        Arc::new(Self(Mutex::new(objects.collect()), AtomicBool::new(false)))
    }

    fn workspace(&self, namespace: &str) -> Workspace {
        serde_json::from_value(self.0.lock()[&workspace(namespace)].clone()).unwrap()
    }

    fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().get(path).cloned()
    }

    fn put(&self, path: String, object: Value) {
        self.0.lock().insert(path, object);
    }

    fn client(self: &Arc<Self>) -> kube::Client {
        let cluster = self.clone();
        kube_client("ns", move |head, body| {
            let cluster = cluster.clone();
            async move {
                if cluster.1.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                let (status, answer) = cluster.answer(head.method.as_str(), head.uri.path(), body);
                (status, answer.to_string())
            }
        })
    }

    fn answer(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut objects = self.0.lock();
        match method {
            "GET" => objects.get(path).map_or_else(
                || (404, json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})),
                |object| (200, object.clone()),
            ),
            "POST" => {
                let name = body["metadata"]["name"].as_str().unwrap_or("event").to_owned();
                objects.insert(format!("{path}/{name}"), body.clone());
                (201, body)
            }
            "DELETE" => {
                let gone = objects.remove(path).map_or(404, |_| 200);
                (gone, json!({"kind": "Status", "status": "Success", "code": gone}))
            }
            _ if path.ends_with("/status") => {
                let object = objects.get_mut(path.trim_end_matches("/status")).unwrap();
                object["status"] = body[1]["value"].clone();
                (200, object.clone())
            }
            _ => match objects.get_mut(path) {
                Some(object) => {
                    merge(object, &body);
                    (200, object.clone())
                }
                None => {
                    (404, json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}))
                }
            },
        }
    }
}

/// As a JSON merge patch is merged.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        match value {
            Value::Null => drop(into.as_object_mut().unwrap().remove(key)),
            value => merge(&mut into[key], value),
        }
    }
}

/// An emnify that knows the tokens of some organisations, until it knows none any more.
struct Platform {
    knows: AtomicBool,
    tokens: BTreeMap<String, i64>,
    logins: Mutex<Vec<Instant>>,
    /// What logins said.
    bodies: Mutex<Vec<Value>>,
    /// Passwords and codes of people that are wrong.
    refuses: Mutex<BTreeSet<String>>,
    /// People have a second factor.
    second_factor: AtomicBool,
    /// JWTs that it made, with their organisations.
    issued: Mutex<BTreeMap<String, i64>>,
    /// Paths and JWTs of requests.
    asked: Mutex<Vec<(String, String)>>,
    /// The tariff plan may be read.
    shows_plan: AtomicBool,
    /// The organisation may be read.
    shows_organisation: AtomicBool,
    /// Names of states and currencies may be looked up.
    shows_names: AtomicBool,
    /// What it says of each organisation, beside id and name.
    organisation: Mutex<Value>,
}

impl Platform {
    fn with(tokens: &[(&str, i64)]) -> Arc<Self> {
        Arc::new(Self {
            knows: AtomicBool::new(true),
            shows_plan: AtomicBool::new(true),
            shows_organisation: AtomicBool::new(true),
            shows_names: AtomicBool::new(true),
            organisation: Mutex::new(json!({
                "status": {"id": 0, "description": "Active"}, "currency": {"id": 1, "code": "EUR"},
                "monthly_cost_limit": "100.50",
            })),
            tokens: tokens.iter().map(|(token, organisation)| ((*token).to_owned(), *organisation)).collect(),
            logins: Mutex::default(),
            bodies: Mutex::default(),
            refuses: Mutex::default(),
            second_factor: AtomicBool::new(false),
            issued: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    fn issue(&self, organisation: i64) -> String {
        let jwt = jwt(organisation, "s");
        self.issued.lock().insert(jwt.clone(), organisation);
        jwt
    }

    /// Everybody is of organisation 42.
    fn answer_person(&self, body: &Value) -> (StatusCode, Value) {
        let said = body["password"].as_str().or(body["code"].as_str()).unwrap_or_default();
        if self.refuses.lock().contains(said) {
            return (StatusCode::UNAUTHORIZED, json!({"message": "Unauthorized"}));
        }
        if body["password"].is_string() && self.second_factor.load(Ordering::Relaxed) {
            return (StatusCode::OK, json!({"mfa_token": "m"}));
        }
        (StatusCode::OK, json!({"auth_token": self.issue(42), "refresh_token": "r"}))
    }

    fn answer(&self, request: &Request<Bytes>) -> (StatusCode, Value) {
        let refused = (StatusCode::UNAUTHORIZED, json!({"message": "Unauthorized"}));
        let forbidden = (StatusCode::FORBIDDEN, json!({"error_code": 1104, "message": "Forbidden"}));
        let path = request.uri().path().to_owned();
        if path == "/api/v1/authenticate" {
            self.logins.lock().push(Instant::now());
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            self.bodies.lock().push(body.clone());
            if body["username"].is_string() || body["mfa_token"].is_string() {
                return self.answer_person(&body);
            }
            let organisation = self.tokens.get(body["application_token"].as_str().unwrap_or_default());
            return match organisation.filter(|_| self.knows.load(Ordering::Relaxed)) {
                Some(organisation) => (StatusCode::OK, json!({"auth_token": self.issue(*organisation)})),
                None => refused,
            };
        }
        let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let jwt = bearer.unwrap_or_default().trim_start_matches("Bearer ").to_owned();
        let organisation = self.issued.lock().get(&jwt).copied();
        self.asked.lock().push((path.clone(), jwt));
        match organisation.filter(|_| self.knows.load(Ordering::Relaxed)) {
            None => refused,
            Some(_)
                if path.ends_with("/organisation/my") && !self.shows_organisation.load(Ordering::Relaxed) =>
            {
                forbidden
            }
            Some(id) if path.ends_with("/organisation/my") => {
                let mut shown = self.organisation.lock().clone();
                (shown["id"], shown["name"]) = (json!(id), json!("Example"));
                (StatusCode::OK, shown)
            }
            Some(_)
                if ["/organisation/status", "/currency"].iter().any(|end| path.ends_with(end))
                    && !self.shows_names.load(Ordering::Relaxed) =>
            {
                forbidden
            }
            Some(_) if path.ends_with("/organisation/status") => (
                StatusCode::OK,
                json!([{"id": 0, "description": "Active"}, {"id": 1, "description": "Blocked"}]),
            ),
            Some(_) if path.ends_with("/currency") => {
                (StatusCode::OK, json!([{"id": 1, "code": "EUR"}, {"id": 2, "code": "USD"}]))
            }
            Some(_) if path.contains("tariff_plan") && !self.shows_plan.load(Ordering::Relaxed) => forbidden,
            Some(_) => (StatusCode::OK, json!([])),
        }
    }
}

/// A JWT that says that it is for this organisation.
fn jwt(organisation: i64, signature: &str) -> String {
    let now = clock().as_second();
    let claims = json!({"esc.org": organisation, "esc.orgName": "Example", "iat": now, "exp": now + 14_400});
    format!("e30.{}.{signature}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()))
}

impl Transport for Platform {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let (status, body) = self.answer(&request);
        let date =
            clock().to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let answer = Response::builder().status(status).header("date", date);
        Box::pin(async move { Ok(answer.body(body.to_string().into()).unwrap()) })
    }
}

thread_local! {
    static START: Instant = Instant::now();
}

fn clock() -> Timestamp {
    let start: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    let passed = SignedDuration::try_from(START.with(Instant::elapsed)).unwrap();
    start.checked_add(passed).unwrap()
}

/// One operator, and the workspaces in these namespaces.
struct Stage {
    cluster: Arc<Cluster>,
    platform: Arc<Platform>,
    controller: Arc<WorkspaceController>,
    namespaces: Vec<String>,
}

impl Stage {
    /// One workspace, whose token is known or not.
    fn new(knows: bool) -> Self {
        let stage = Self::with(&[("ns", TOKEN)], &[(TOKEN, 42)]);
        stage.platform.knows.store(knows, Ordering::Relaxed);
        stage
    }

    fn with(tenants: &[(&str, &str)], tokens: &[(&str, i64)]) -> Self {
        let (cluster, platform) = (Cluster::with(tenants), Platform::with(tokens));
        let namespaces = tenants.iter().map(|(namespace, _)| (*namespace).to_owned()).collect();
        Self { controller: Self::controller(&cluster, &platform), cluster, platform, namespaces }
    }

    /// The process ends and another one starts.
    fn restart(&mut self) {
        self.controller = Self::controller(&self.cluster, &self.platform);
    }

    fn controller(cluster: &Arc<Cluster>, platform: &Arc<Platform>) -> Arc<WorkspaceController> {
        Self::on(&cluster.client(), platform.clone())
    }

    /// A process with these ways to the cluster and to emnify.
    fn on(client: &kube::Client, transport: Arc<dyn Transport>) -> Arc<WorkspaceController> {
        #[derive(clap::Parser)]
        struct Typed {
            #[command(flatten)]
            run: RunArgs,
        }
        let typed = <Typed as clap::Parser>::try_parse_from([
            "run",
            "--installation",
            "test",
            "--leader-elect=false",
            "--allowed-base-url=https://cdn.emnify.net",
            "--allowed-base-url=https://portal.emnify.net",
        ])
        .unwrap();
        let builder = Builder::new(client.clone(), EngineSettings::default()).clock(clock);
        let engine = builder.start(&mut JoinSet::new(), &watch::Sender::new(false).subscribe());
        let settings = Settings::new(&typed.run).unwrap();
        let lead = Lead::new(&settings, client, "me");
        let sessions = Sessions::new(engine.clone(), transport, 1.0, lead.clone());
        WorkspaceController::new(engine, settings, sessions, NamespaceLabels::default(), lead)
    }

    /// Looks as often as the controller does, or more often; calls of objects and listings go on meanwhile.
    async fn pass(&self, time: Duration) {
        let followed = Followed::<Workspace>::default();
        let end = Instant::now() + time;
        while Instant::now() < end {
            for namespace in &self.namespaces {
                let workspace = self.cluster.workspace(namespace);
                self.controller.reconcile(&workspace, followed.trigger()).await;
                if let Some(Access { caller, .. }) = self.access(namespace)
                    && let Err(error) = caller.client.api(Lane::Hints).services().await
                {
                    caller.report_refusal(&error);
                }
            }
            tokio::time::sleep(LOOK / 2).await;
        }
    }

    /// The live session and the caller of the workspace in that namespace.
    fn access(&self, namespace: &str) -> Option<Access> {
        let key = key_of(&self.cluster.workspace(namespace));
        let state = self.controller.take_state(&key);
        let access = state.access.clone();
        self.controller.keep_state(&key, state);
        access
    }

    fn most_logins_in_an_hour(&self) -> usize {
        let logins = self.platform.logins.lock().clone();
        let within = |from: Instant| {
            let end = from + Duration::from_secs(3_600);
            logins.iter().filter(|at| **at >= from && **at < end).count()
        };
        logins.iter().map(|from| within(*from)).max().unwrap_or_default()
    }

    /// What a person has to act on.
    fn stalled(&self) -> String {
        let status = self.cluster.workspace("ns").status.unwrap_or_default();
        let stalled = status.conditions.iter().find(|c| c.type_ == "Stalled" && c.status == "True");
        stalled.map(|condition| condition.message.clone()).unwrap_or_default()
    }

    /// Conditions that say `Unauthorized`, by type.
    fn told(&self) -> Vec<String> {
        let status = self.cluster.workspace("ns").status.unwrap_or_default();
        let told = status.conditions.iter().filter(|c| c.reason == reason::UNAUTHORIZED);
        told.map(|condition| format!("{} {}", condition.type_, condition.status)).collect()
    }
}

const HOURS: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn a_wrong_token_costs_twelve_logins_an_hour_at_most() {
    let mut stage = Stage::new(false);
    stage.pass(HOURS * 5).await;
    let most = stage.most_logins_in_an_hour();
    assert!((8..=12).contains(&most), "probed now and then, never often: {most} logins in an hour");
    assert_eq!(stage.told(), ["Ready False", "Stalled True"], "told once, on the workspace");
    for _ in 0..10 {
        // each time it starts it knows from the status what was refused
        stage.restart();
        stage.pass(Duration::from_secs(60)).await;
    }
    let most = stage.most_logins_in_an_hour();
    assert!(most <= 12, "restarts make no difference: {most} logins in an hour");
    stage.platform.knows.store(true, Ordering::Relaxed);
    stage.pass(Duration::from_secs(400)).await;
    let workspace = stage.cluster.workspace("ns");
    let conditions = workspace.status.unwrap().conditions;
    assert!(
        conditions::is_true(&conditions, "Ready", Some(1)),
        "a probe finds that the token works after all"
    );
}

impl Stage {
    /// Types of the conditions that are true, with their reasons.
    fn true_conditions(&self) -> Vec<String> {
        let status = self.cluster.workspace("ns").status.unwrap_or_default();
        let current_login = status.conditions.iter().filter(|c| c.status == "True");
        current_login.map(|condition| format!("{} {}", condition.type_, condition.reason)).collect()
    }

    /// Reasons of the Warning events.
    fn warnings(&self) -> Vec<String> {
        let objects = self.cluster.0.lock();
        let warnings = objects.values().filter(|object| object["type"] == "Warning");
        warnings.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_comes_after_its_workspace_is_waited_for() {
    let mut stage = Stage::new(true);
    let path = secret("ns", "emnify");
    let kept = stage.cluster.0.lock().remove(&path).unwrap();
    stage.pass(Duration::from_secs(30)).await;
    assert_eq!(stage.true_conditions(), ["Reconciling ReferenceNotReady"], "not there yet is no stall");
    assert_eq!(stage.warnings(), Vec::<String>::new(), "what is applied in one go is worth no event");
    stage.pass(HOURS).await;
    assert_eq!(stage.true_conditions(), ["Reconciling ReferenceNotReady"], "however long it takes");
    assert_eq!(stage.warnings(), ["ReferenceNotReady"], "but then people hear of it");

    let empty = json!({"metadata": {"name": "emnify"}, "data": {}});
    stage.cluster.put(path.clone(), empty);
    stage.pass(Duration::from_secs(30)).await;
    assert_eq!(stage.true_conditions(), ["Reconciling ReferenceNotReady"], "and so for a key in it");

    stage.cluster.put(path.clone(), kept);
    stage.pass(Duration::from_secs(60)).await;
    assert_eq!(stage.true_conditions(), ["Ready UpToDate"]);

    stage.cluster.0.lock().remove(&path);
    for _ in 0..2 {
        stage.pass(Duration::from_secs(60)).await;
        let told = stage.true_conditions();
        assert_eq!(told, ["Stalled ReferenceNotReady"], "what was there and is gone does not come by itself");
        stage.restart();
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_revoked_in_use_costs_no_more() {
    let stage = Stage::new(true);
    stage.pass(HOURS).await;
    assert_eq!(stage.platform.logins.lock().len(), 1, "one login is enough while it works");
    stage.platform.knows.store(false, Ordering::Relaxed);
    stage.pass(HOURS * 6).await;
    let most = stage.most_logins_in_an_hour();
    assert!((8..=12).contains(&most), "calls that fail do not log in again and again: {most} in an hour");
    assert_eq!(stage.told(), ["Ready False", "Stalled True"]);
}

#[tokio::test(start_paused = true)]
async fn a_tariff_plan_that_is_refused_is_asked_for_ever_more_rarely() {
    let stage = Stage::new(true);
    stage.platform.shows_plan.store(false, Ordering::Relaxed);
    stage.pass(HOURS).await;
    let asked = stage.platform.asked.lock().iter().filter(|(path, _)| path.contains("tariff_plan")).count();
    assert!((2..=30).contains(&asked), "{asked} times in some hours");
    stage.platform.shows_plan.store(true, Ordering::Relaxed);
    stage.pass(HOURS).await;
    let read = |stage: &Stage| {
        stage.platform.asked.lock().iter().filter(|(path, _)| path.contains("tariff_plan")).count()
    };
    let before = read(&stage);
    stage.pass(HOURS).await;
    assert_eq!(read(&stage), before, "and no more once it was read");
}
