//! A device family of emnify in memory, under the client's transport, with faults.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use emnify::{BaseUrl, Client, Config, Credentials, HostLimits, Transport, TransportError};
use emnify_engine::{
    kind::spec::WorkspaceKey,
    session::{Access, caller::Caller},
};
use futures::future::BoxFuture;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::clock;

/// What the first workspace logs in with.
pub(crate) const TOKEN: &str = "application-token";

type Answer = Result<Response<Bytes>, TransportError>;

/// What happens to a request instead of the usual.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// This answer; nothing takes effect.
    Answer(u16, Value),
    /// The API gateway says that the login may not do this.
    Forbidden,
    /// It takes effect, and the connection breaks before the answer.
    LostAnswer,
    /// It takes effect after this time.
    Slow(Duration),
    /// It takes effect after this time, whoever sent it and whether or not that process still lives.
    Late(Duration),
    /// Two entries are said to be there for each one shown.
    WrongTotal,
    /// Without headers.
    Bare,
}

/// One request that came in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// Method and path.
    pub(crate) what: String,
    pub(crate) body: Value,
    /// The application token that the caller logged in with.
    pub(crate) by: String,
}

#[derive(Default)]
struct Inner {
    devices: BTreeMap<i64, Value>,
    tags: BTreeMap<i64, Vec<i64>>,
    events: Vec<Value>,
    asked: Vec<Asked>,
    faults: VecDeque<(String, u32, Fault)>,
    /// What starts so is forbidden to this login.
    barred: Vec<(String, String)>,
    /// Names that no device may have.
    refused: Vec<String>,
    /// A bulk create makes what comes before a refused name.
    partial: bool,
    next: i64,
    chips: BTreeMap<i64, Value>,
    /// Its clock is so far behind ours.
    behind: SignedDuration,
}

/// The API.
#[derive(Clone, Default)]
pub(crate) struct Emnify(Arc<Mutex<Inner>>);

impl Emnify {
    /// A session of organisation 42, and the caller of a workspace in it.
    pub(crate) async fn access(&self, workspace: WorkspaceKey) -> Access {
        self.access_on("https://emnify.example", workspace).await
    }

    /// The same on another host.
    pub(crate) async fn access_on(&self, host: &str, workspace: WorkspaceKey) -> Access {
        Access::begin(self.caller(host, workspace, TOKEN).await, "42".into())
    }

    /// A workspace's caller, logged in with this token.
    pub(crate) async fn caller(&self, host: &str, workspace: WorkspaceKey, token: &str) -> Arc<Caller> {
        let client = Client::new(Config::new(
            BaseUrl::parse(host).unwrap(),
            Credentials::ApplicationToken(token.to_owned().into()),
            Arc::new(self.clone()),
            HostLimits::new(1.0),
        ));
        client.login().await.unwrap();
        Caller::new(workspace, client)
    }

    /// The next `times` requests that start with `what` meet this fault.
    pub(crate) fn fail(&self, what: &str, times: u32, fault: Fault) {
        self.lock().faults.push_back((what.to_owned(), times, fault));
    }

    /// What starts with `what` is forbidden to this login from now on.
    pub(crate) fn bar(&self, what: &str, by: &str) {
        self.lock().barred.push((what.to_owned(), by.to_owned()));
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.lock().faults.clear();
    }

    /// The device with this id.
    pub(crate) fn device(&self, id: i64) -> Value {
        self.lock().devices.get(&id).cloned().unwrap_or_default()
    }

    /// No device may have this name.
    pub(crate) fn refuse(&self, name: &str) {
        self.lock().refused.push(name.to_owned());
    }

    /// Bulk creates make what comes before a refused item.
    pub(crate) fn make_some(&self) {
        self.lock().partial = true;
    }

    /// From now on its clock is so far behind that of the machine the process runs on.
    pub(crate) fn be_behind(&self, by: SignedDuration) {
        self.lock().behind = by;
    }

    /// Somebody makes a device.
    pub(crate) fn add(&self, device: Value) -> i64 {
        self.lock().add(device)
    }

    /// Chips with these ids are there.
    pub(crate) fn stock(&self, ids: std::ops::RangeInclusive<i64>) {
        let chips = ids.map(|id| (id, json!({"id": id, "iccid": format!("chip-{id}"), "status": {"id": 0}})));
        self.lock().chips.extend(chips);
    }

    /// Somebody changes a device.
    pub(crate) fn edit(&self, id: i64, key: &str, value: Value) {
        let mut inner = self.lock();
        let device = inner.devices.get_mut(&id).unwrap();
        device[key] = value;
        device["last_updated"] = json!(clock::now().to_string());
    }

    /// Somebody deletes a device.
    pub(crate) fn remove(&self, id: i64) {
        self.lock().devices.remove(&id);
    }

    /// All devices.
    pub(crate) fn devices(&self) -> Vec<Value> {
        self.lock().devices.values().cloned().collect()
    }

    /// Something happened to a device, so many seconds ago.
    pub(crate) fn event(&self, id: i64, kind: i64, device: i64, ago: i64) {
        let at = clock::now().saturating_sub(SignedDuration::from_secs(ago)).unwrap().to_string();
        let event =
            json!({"id": id, "timestamp": at, "event_type": {"id": kind}, "endpoint": {"id": device}});
        self.lock().events.push(event);
    }

    /// The log holds anything else.
    pub(crate) fn event_with(&self, event: Value) {
        self.lock().events.push(event);
    }

    /// Requests whose method and path start with `what`.
    pub(crate) fn asked(&self, what: &str) -> Vec<Asked> {
        self.lock().asked.iter().filter(|a| a.what.starts_with(what)).cloned().collect()
    }

    /// Number of requests that change something.
    pub(crate) fn writes(&self) -> usize {
        self.lock()
            .asked
            .iter()
            .filter(|a| !a.what.starts_with("GET") && !a.what.contains("authenticate"))
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

impl Inner {
    fn add(&mut self, mut device: Value) -> i64 {
        self.next += 1;
        device["id"] = json!(self.next);
        let created = clock::now().saturating_sub(self.behind).unwrap().to_string();
        device.as_object_mut().unwrap().entry("created").or_insert(json!(created));
        device["last_updated"] = json!(clock::now().to_string());
        self.devices.insert(self.next, device);
        self.next
    }

    /// Somebody follows it.
    fn follows(&self, id: i64) -> bool {
        self.devices.values().any(|device| device["service_profile"]["id"] == id)
    }

    /// Its name is refused, or somebody has its serial number.
    fn refuses(&self, own: &Value) -> bool {
        let taken = |key: &str| !own[key].is_null() && self.devices.values().any(|d| d[key] == own[key]);
        self.refused.iter().any(|name| own["name"] == *name) || taken("imei")
    }

    fn refuses_patch(&self, id: i64, own: &Value) -> bool {
        let taken = |(other, device): (&i64, &Value)| *other != id && device["imei"] == own["imei"];
        if !own["imei"].is_null() && self.devices.iter().any(taken) {
            return true;
        }
        let name = &own["name"];
        !name.is_null() && self.refused.iter().any(|refused| name == refused)
    }

    /// Takes the first fault for a request.
    fn fault(&mut self, what: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(prefix, _, _)| what.starts_with(prefix.as_str()))?;
        let (_, times, fault) = &mut self.faults[at];
        *times -= 1;
        let (left, fault) = (*times, fault.clone());
        if left == 0 {
            self.faults.remove(at);
        }
        Some(fault)
    }

    /// Events of the window in `q=from:..,until:..`.
    fn events_in(&self, query: &str) -> Vec<Value> {
        let query = query.replace("%3A", ":").replace("%2C", ",");
        let end = |key: &str| -> Timestamp {
            let (_, rest) = query.split_once(&format!("{key}:")).unwrap();
            rest[.."2026-05-01T12:00:00Z".len()].parse().unwrap()
        };
        let at = |event: &Value| -> Timestamp { event["timestamp"].as_str().unwrap().parse().unwrap() };
        let source = query.split_once("source:").map(|(_, rest)| i64::from(rest.starts_with('1')));
        let of = |event: &&Value| source.is_none_or(|s| event["event_source"]["id"].as_i64() == Some(s));
        let inside = |event: &&Value| end("from") <= at(event) && at(event) <= end("until") && of(event);
        self.events.iter().filter(inside).cloned().collect()
    }

    fn serve(
        &mut self,
        method: &str,
        (path, query): (&str, &str),
        body: &Value,
        wrong: bool,
    ) -> Response<Bytes> {
        let segments: Vec<&str> = path.trim_start_matches("/api/").split('/').collect();
        let id = segments.get(2).and_then(|s| s.parse::<i64>().ok()).unwrap_or_default();
        match (method, segments.as_slice()) {
            ("POST", ["v1", "authenticate"]) => answer(200, &json!({"auth_token": jwt(body)})),
            ("GET", ["v1", "endpoint"]) => {
                list(&self.devices.values().cloned().collect::<Vec<_>>(), query, wrong)
            }
            ("GET", ["v1", "sim"]) => list(&self.chips.values().cloned().collect::<Vec<_>>(), query, false),
            ("GET", ["v1", "event"]) => list(&self.events_in(query), query, false),
            ("POST", ["v1", "endpoint"]) if self.refuses(body) => refusal(),
            ("POST", ["v1", "endpoint"]) => {
                let id = self.add(body.clone());
                Response::builder()
                    .status(201)
                    .header("location", format!("/api/v1/endpoint/{id}"))
                    .body(Bytes::new())
                    .unwrap()
            }
            ("POST", ["v2", "endpoint", "multi"]) => {
                let mut many = body["endpoints"].as_array().cloned().unwrap_or_default();
                if let Some(bad) = many.iter().position(|own| self.refuses(own)) {
                    many.truncate(if self.partial { bad } else { 0 });
                    for own in many {
                        self.add(with(body, own));
                    }
                    return refusal();
                }
                let ids: Vec<i64> = many.into_iter().map(|own| self.add(with(body, own))).collect();
                answer(201, &ids.iter().map(|id| self.devices[id].clone()).collect())
            }
            ("GET", ["v2", "endpoint", _, "tags"]) => {
                let tags = self.tags.get(&id).cloned().unwrap_or_default();
                answer(200, &tags.into_iter().map(|t| json!({"id": t, "name": "t"})).collect())
            }
            ("POST", ["v2", "endpoint", _, "tags"]) => {
                self.tags.entry(id).or_default().extend(body["id"].as_i64());
                answer(204, &Value::Null)
            }
            ("PATCH", ["v2", "endpoint", "multi"]) => {
                let many = body.as_array().cloned().unwrap_or_default();
                if many.iter().any(|own| self.refuses_patch(0, own)) {
                    return refusal();
                }
                for own in many {
                    let id = own["id"].as_i64().unwrap();
                    let patched = with(&self.devices[&id], own);
                    self.devices.insert(id, patched);
                }
                answer(204, &Value::Null)
            }
            ("PATCH", ["v1", "endpoint", _]) if self.refuses_patch(id, body) => refusal(),
            (_, ["v1", "endpoint", _]) if !self.devices.contains_key(&id) => {
                answer(404, &json!({"error_code": 1201, "message": "EndpointNotFound"}))
            }
            ("GET", ["v1", "endpoint", _]) => answer(200, &self.devices[&id]),
            ("PATCH", ["v1", "endpoint", _]) => {
                let mut patched = with(&self.devices[&id], body.clone());
                patched["last_updated"] = json!(clock::now().to_string());
                self.devices.insert(id, patched);
                answer(204, &Value::Null)
            }
            ("DELETE", ["v1", "endpoint", _]) if self.follows(id) => {
                answer(409, &json!({"error_code": 1406, "message": "it is followed"}))
            }
            ("DELETE", ["v1", "endpoint", _]) => {
                self.devices.remove(&id);
                answer(204, &Value::Null)
            }
            _ => answer(501, &json!({"message": format!("{method} {path}")})),
        }
    }
}

impl Transport for Emnify {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Answer> {
        let method = request.method().to_string();
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let what = format!("{method} {path}");
        let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let by = bearer.and_then(|jwt| jwt.rsplit('.').next()).unwrap_or_default().to_owned();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let fault = {
                let mut inner = self.lock();
                let barred = inner.barred.iter().any(|(bar, whom)| what.starts_with(bar) && *whom == by);
                inner.asked.push(Asked { what: what.clone(), body: body.clone(), by });
                if barred { Some(Fault::Forbidden) } else { inner.fault(&what) }
            };
            match fault {
                Some(Fault::Answer(status, body)) => return Ok(answer(status, &body)),
                Some(Fault::Forbidden) => {
                    let mut refusal = answer(403, &json!({"message": "no"}));
                    let whose = "AccessDeniedException".parse().unwrap();
                    refusal.headers_mut().insert("x-amzn-errortype", whose);
                    return Ok(refusal);
                }
                Some(Fault::Slow(wait)) => tokio::time::sleep(wait).await,
                Some(Fault::Late(wait)) => {
                    let emnify = self.clone();
                    let commit = async move {
                        tokio::time::sleep(wait).await;
                        emnify.lock().serve(&method, (&path, &query), &body, false)
                    };
                    let committed = tokio::spawn(commit).await;
                    return committed.map_err(|e| TransportError::AfterSend(e.to_string()));
                }
                _ => {}
            }
            let wrong = matches!(fault, Some(Fault::WrongTotal));
            let mut answer = self.lock().serve(&method, (&path, &query), &body, wrong);
            let date = clock::http_date_before(self.lock().behind);
            answer.headers_mut().insert("date", date.parse().unwrap());
            match fault {
                Some(Fault::Bare) => {
                    answer.headers_mut().clear();
                    Ok(answer)
                }
                Some(Fault::LostAnswer) => Err(TransportError::AfterSend("the connection was reset".into())),
                _ => Ok(answer),
            }
        })
    }
}

fn with(base: &Value, over: Value) -> Value {
    let mut all = base.clone();
    let (Some(into), Value::Object(over)) = (all.as_object_mut(), over) else { return all };
    into.remove("endpoints");
    into.extend(over);
    all
}

fn refusal() -> Response<Bytes> {
    answer(422, &json!({"error_code": 1400, "message": "one is bad"}))
}

/// One page of rows, newest first where `sort` says so.
fn list(rows: &[Value], query: &str, wrong: bool) -> Response<Bytes> {
    let value = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let number = |key: &str| value(key).and_then(|text| text.parse::<usize>().ok());
    let mut rows = rows.to_vec();
    if let Some(key) = value("sort").and_then(|sort| sort.strip_prefix('-')) {
        rows.sort_by_key(|row| std::cmp::Reverse(row[key].as_str().unwrap_or_default().to_owned()));
    }
    let size = number("per_page").unwrap_or(usize::MAX);
    let total = if wrong { rows.len() * 2 + 1 } else { rows.len() };
    let pages = rows.len().div_ceil(size).max(1);
    let skip = (number("page").unwrap_or(1) - 1).saturating_mul(size);
    let mut response = answer(200, &rows.into_iter().skip(skip).take(size).collect());
    response.headers_mut().insert("x-total-count", total.into());
    response.headers_mut().insert("x-total-pages", pages.into());
    response
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    Response::builder().status(status).header("date", clock::http_date()).body(text.into()).unwrap()
}

/// A token that outlives every test, and tells whose it is by its signature.
fn jwt(login: &Value) -> String {
    let claims = json!({"esc.org": 42, "esc.orgName": "Example", "esc.app": 7, "iat": 1_700_000_000, "exp": 4_000_000_000_i64});
    let whose = login["application_token"].as_str().unwrap_or_default();
    format!("e30.{}.{whose}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()))
}
