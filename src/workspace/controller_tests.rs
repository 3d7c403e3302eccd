//! A workspace whose token is wrong, looked at for hours of paused time.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use emnify::{Lane, Transport, TransportError};
use emnify_engine::{conditions, engine::Builder, reason, shared::EngineSettings};
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use serde_json::Value;
use tokio::{task::JoinSet, time::Instant};

use super::*;
use crate::settings::RunArgs;

const TOKEN: &str = "application-token";

/// The few API paths that a workspace needs.
#[derive(Default)]
struct Cluster(Mutex<BTreeMap<String, Value>>);

const WORKSPACE: &str = "/apis/emnify.io/v1alpha1/namespaces/ns/workspaces/main";
const SECRETS: &str = "/api/v1/namespaces/ns/secrets";

impl Cluster {
    fn new() -> Arc<Self> {
        let credentials = json!({"applicationTokenSecretRef": {"name": "emnify", "key": "token"}});
        let workspace = json!({
            "apiVersion": "emnify.io/v1alpha1", "kind": "Workspace", "spec": {"credentials": credentials},
            "metadata": {"name": "main", "namespace": "ns", "uid": "u-1", "generation": 1, "finalizers": [FINALIZER]},
        });
        let secret = json!({"metadata": {"name": "emnify"}, "data": {"token": data_encoding::BASE64.encode(TOKEN.as_bytes())}});
        let objects = [(WORKSPACE.to_owned(), workspace), (format!("{SECRETS}/emnify"), secret)];
        Arc::new(Self(Mutex::new(objects.into())))
    }

    fn workspace(&self) -> Workspace {
        serde_json::from_value(self.0.lock()[WORKSPACE].clone()).unwrap()
    }

    fn client(self: &Arc<Self>) -> kube::Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let (status, answer) = cluster.answer(parts.method.as_str(), parts.uri.path(), body);
                let answer = Body::from(answer.to_string().into_bytes());
                Ok::<_, Infallible>(Response::builder().status(status).body(answer).unwrap())
            }
        });
        kube::Client::new(service, "ns")
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
            _ if path.ends_with("/status") => {
                let object = objects.get_mut(path.trim_end_matches("/status")).unwrap();
                object["status"] = body[1]["value"].clone();
                (200, object.clone())
            }
            _ => {
                let object = objects.get_mut(path).unwrap();
                for (key, value) in body.as_object().unwrap() {
                    object[key] = value.clone();
                }
                (200, object.clone())
            }
        }
    }
}

/// An emnify that knows one token, until it does not any more.
#[derive(Default)]
struct Platform {
    knows: AtomicBool,
    logins: Mutex<Vec<Instant>>,
}

impl Transport for Platform {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let known = self.knows.load(Ordering::Relaxed);
        let body = if request.uri().path() == "/api/v1/authenticate" {
            self.logins.lock().push(Instant::now());
            let now = clock().as_second();
            let claims = json!({"esc.org": 42, "esc.orgName": "Example", "iat": now, "exp": now + 14_400});
            json!({"auth_token": format!("e30.{}.s", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()))})
        } else {
            json!([])
        };
        let status = if known { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        let body = if known { body } else { json!({"message": "Unauthorized"}) };
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

/// One operator with that workspace.
struct Stage {
    cluster: Arc<Cluster>,
    platform: Arc<Platform>,
    desk: Arc<Desk>,
}

impl Stage {
    fn new(knows: bool) -> Self {
        let (cluster, platform) = (Cluster::new(), Arc::new(Platform::default()));
        platform.knows.store(knows, Ordering::Relaxed);
        Self { desk: Self::desk(&cluster, &platform), cluster, platform }
    }

    fn desk(cluster: &Arc<Cluster>, platform: &Arc<Platform>) -> Arc<Desk> {
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
        ])
        .unwrap();
        let builder = Builder::new(cluster.client(), EngineSettings::default()).clock(clock);
        let engine = builder.start(&mut JoinSet::new(), &watch::Sender::new(false).subscribe());
        let transport: Arc<dyn Transport> = platform.clone();
        let settings = Settings::new(&typed.run).unwrap();
        let lead = Lead::new(&settings, &cluster.client(), "me");
        let sessions = Sessions::new(engine.clone(), transport, 1.0, lead.clone());
        Desk::new(engine, settings, sessions, NamespaceLabels::default(), lead)
    }

    /// Looks as often as the controller does, or more often; calls of objects and listings go on meanwhile.
    async fn pass(&self, time: Duration) {
        let (alarm, _alarms) = mpsc::unbounded_channel();
        let end = Instant::now() + time;
        while Instant::now() < end {
            let workspace = self.cluster.workspace();
            self.desk.reconcile(&workspace, &alarm).await.unwrap();
            let office = self.desk.office(&key_of(&workspace));
            let access = office.lock().await.access.clone();
            if let Some(Access { caller, .. }) = access
                && let Err(error) = caller.client.api(Lane::Hints).services().await
            {
                caller.report_refusal(&error);
            }
            tokio::time::sleep(LOOK / 2).await;
        }
    }

    fn most_logins_in_an_hour(&self) -> usize {
        let logins = self.platform.logins.lock().clone();
        let within = |from: Instant| {
            let end = from + Duration::from_secs(3_600);
            logins.iter().filter(|at| **at >= from && **at < end).count()
        };
        logins.iter().map(|from| within(*from)).max().unwrap_or_default()
    }

    /// Conditions that say `Unauthorized`, by type.
    fn told(&self) -> Vec<String> {
        let status = self.cluster.workspace().status.unwrap_or_default();
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
        stage.desk = Stage::desk(&stage.cluster, &stage.platform);
        stage.pass(Duration::from_secs(60)).await;
    }
    let most = stage.most_logins_in_an_hour();
    assert!(most <= 12, "restarts make no difference: {most} logins in an hour");
    stage.platform.knows.store(true, Ordering::Relaxed);
    stage.pass(Duration::from_secs(400)).await;
    let workspace = stage.cluster.workspace();
    let conditions = workspace.status.unwrap().conditions;
    assert!(conditions::holds(&conditions, "Ready", Some(1)), "a probe finds that the token works after all");
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
