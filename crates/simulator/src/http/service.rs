//! The way of a request: log, faults, token, limits, handler, frame.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, request::Parts};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Notify;

use super::call::{Answer, Call, Caller};
use super::faults::{Fault, Faults};
use super::frame::Frame;
use super::limits::{self, Limiter};
use super::log::{Ended, Entry, Log};
use super::refusal::{Code, Refusal};
use super::serve::{Cut, Reset};
use super::token;
use crate::clock::Clock;
use crate::operations::{self, Operation, Params};
use crate::resources;
use crate::resources::route::{Class, Needs, Route};
use crate::state::State;
use crate::{Limits, Options};

/// Largest request body, as at the gateway.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// Where requests in memory come from unless they say otherwise.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// As an extension of a request in memory: the address it comes from, for somebody who is not where the operator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source(pub IpAddr);

/// Everything a simulator is made of, shared by its router, its servers and its handle.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Settings.
    pub(crate) options: Options,
    core: Mutex<Core>,
    /// Something may have to be delivered.
    pub(crate) deliver: Notify,
    /// Somebody delivers.
    pub(crate) delivering: AtomicBool,
}

/// What changes. One lock guards it all, and no await happens under it.
#[derive(Debug)]
pub(crate) struct Core {
    /// The data.
    pub(crate) state: State,
    /// The time.
    pub(crate) clock: Clock,
    /// The limits' counters.
    pub(crate) limiter: Limiter,
    pub(crate) faults: Faults,
    /// The requests so far.
    pub(crate) log: Log,
    /// Until when an organisation's device write is under way.
    writing: HashMap<u64, Timestamp>,
}

/// A request, read whole.
struct Incoming {
    operation: &'static Operation,
    params: Params,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
    source: IpAddr,
}

impl Shared {
    /// A simulator of these settings.
    pub(crate) fn new(options: Options) -> Self {
        let core = Core {
            state: options.seed.state().clone(),
            clock: Clock::starting_at(options.start.unwrap_or_else(Timestamp::now)),
            limiter: Limiter::default(),
            faults: Faults::new(options.random_seed),
            log: Log::default(),
            writing: HashMap::new(),
        };
        Self { options, core: Mutex::new(core), deliver: Notify::new(), delivering: AtomicBool::new(false) }
    }

    /// The core, alone.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        // A handler that panicked has broken one answer; the data it left is still the best there is.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one request of the API.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let connection = parts.extensions.get::<ConnectInfo<Cut>>().map(|info| info.0.clone());
    let told = parts.extensions.get::<Source>().map(|source| source.0);
    let source = told.or_else(|| connection.as_ref().map(Cut::source)).unwrap_or(LOOPBACK);
    let host = parts
        .headers
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| parts.uri.host())
        .unwrap_or("cdn.emnify.net")
        .to_owned();
    let path = parts.uri.path();
    let found = operations::find(&parts.method, path);
    let template = found.as_ref().map_or(path, |(operation, _)| &operation.path).to_owned();
    let number = shared.note(&parts, &template, source);
    let mut organisation = None;
    let outcome = match found {
        None => Outcome::answered(Err(unknown_path(&parts.method, path))),
        Some((operation, params)) => match axum::body::to_bytes(body, BODY_LIMIT).await {
            Err(_) => Outcome::answered(Err(Refusal::message(413, "Request Too Long"))),
            Ok(body) => {
                let incoming = Incoming {
                    operation,
                    params,
                    query: pairs(parts.uri.query().unwrap_or("")),
                    headers: parts.headers,
                    body,
                    source,
                };
                shared.run(&incoming, &mut organisation).await
            }
        },
    };
    let response = shared.respond(outcome, &host, number, connection.as_ref()).await;
    let status = if response.extensions().get::<Reset>().is_some() { 0 } else { response.status().as_u16() };
    shared.lock().log.finish(number, (parts.method.as_str(), &template), Ended { status, organisation });
    response
}

/// A request, and what answers it.
struct Asked<'a> {
    options: &'a Options,
    incoming: &'a Incoming,
    /// `None` where the operation is not simulated.
    route: Option<&'static Route>,
}

/// What comes of a request.
struct Outcome {
    answer: Answer,
    route: Option<&'static Route>,
    reset: bool,
    truncate: bool,
    /// Status and body a fault puts in the place of the answer.
    instead: Option<(u16, Option<Value>, Option<u64>)>,
}

impl Outcome {
    fn answered(answer: Answer) -> Self {
        Self { answer, route: None, reset: false, truncate: false, instead: None }
    }
}

impl Shared {
    fn note(&self, parts: &Parts, route: &str, source: IpAddr) -> u64 {
        let agent = parts.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let mut core = self.lock();
        let entry = Entry {
            number: 0,
            at: core.clock.now(),
            method: parts.method.to_string(),
            route: route.to_owned(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or("").to_owned(),
            status: 0,
            organisation: None,
            source,
            agent: agent.unwrap_or_default().to_owned(),
        };
        core.log.arrive(entry)
    }

    async fn run(&self, incoming: &Incoming, organisation: &mut Option<u64>) -> Outcome {
        let fault = self.lock().faults.strike(incoming.operation).unwrap_or_default();
        let wait = fault.wait().unwrap_or_default();
        let replaces = fault.reset || fault.status.is_some();
        let commits = fault.commit || fault.truncate;
        let (early, late) = if commits { (Duration::ZERO, wait) } else { (wait, Duration::ZERO) };
        tokio::time::sleep(early).await;
        let route = resources::route_of(incoming.operation);
        let mut outcome = Outcome::answered(Ok(super::call::Reply::done()));
        if commits || !replaces {
            let (answer, busy) = {
                let asked = Asked { options: &self.options, incoming, route };
                self.lock().handle(&asked, late, organisation)
            };
            outcome.answer = answer;
            tokio::time::sleep(busy.max(late)).await;
        }
        outcome.route = route;
        let Fault { reset, truncate, status, body, retry_after, .. } = fault;
        outcome.reset = reset;
        outcome.truncate = truncate;
        outcome.instead = status.map(|status| (status, body, retry_after));
        outcome
    }

    async fn respond(
        &self,
        outcome: Outcome,
        host: &str,
        number: u64,
        connection: Option<&Cut>,
    ) -> Response<Body> {
        if outcome.reset {
            return super::serve::reset(connection);
        }
        let now = self.lock().clock.now();
        let frame = Frame { route: outcome.route, options: &self.options, host, now, number };
        let response = match outcome.instead {
            None => frame.write(outcome.answer),
            Some((status, body, retry_after)) => {
                let mut refusal = if status == 429 {
                    Refusal::too_many()
                } else {
                    Refusal::message(status, "Injected fault")
                };
                refusal.retry_after = retry_after;
                let mut response = frame.write(Err(refusal));
                if let Some(body) = body {
                    response.headers_mut().remove(http::header::CONTENT_LENGTH);
                    *response.body_mut() = Body::from(body.to_string());
                }
                response
            }
        };
        if outcome.truncate {
            return super::serve::truncate(response, connection).await;
        }
        response
    }
}

impl Core {
    /// Runs a request through token check, limits and handler. `late` is how long a fault
    /// holds the answer back; the duration returned is how long a device write keeps going.
    fn handle(
        &mut self,
        asked: &Asked<'_>,
        late: Duration,
        organisation: &mut Option<u64>,
    ) -> (Answer, Duration) {
        let Asked { options, incoming, .. } = *asked;
        let now = self.clock.now();
        self.state.pass_time(now);
        let admitted = self.admit(asked, now, organisation);
        let (route, caller, body) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return (Err(refusal), Duration::ZERO),
        };
        let serial = route.endpoint_write && options.sequential_writes;
        if serial && self.writing.get(&caller.organisation).is_some_and(|until| *until > now) {
            return (Err(space_busy()), Duration::ZERO);
        }
        let mut call = Call {
            operation: route.operation,
            state: &mut self.state,
            caller: &caller,
            params: &incoming.params,
            query: &incoming.query,
            body: &body,
            now,
            options,
            source: incoming.source,
        };
        let answer = (route.handler)(&mut call);
        let busy = if route.endpoint_write { write_time(options, &body) } else { Duration::ZERO };
        let held = busy.max(late);
        if serial && !held.is_zero() {
            let until = now + SignedDuration::try_from(held).unwrap_or(SignedDuration::ZERO);
            self.writing.insert(caller.organisation, until);
        }
        (answer, busy)
    }

    /// Token check and limits.
    fn admit(
        &mut self,
        asked: &Asked<'_>,
        now: Timestamp,
        organisation: &mut Option<u64>,
    ) -> Result<(&'static Route, Caller, Value), Refusal> {
        let Asked { options, incoming, route } = *asked;
        let limited = options.limits == Limits::Real;
        // The window of the source address lies before the gateway's token check: it counts refused requests too.
        if limited && !self.limiter.admit_source(incoming.source, now) {
            return Err(Refusal::too_many());
        }
        let needs = route.map_or(Needs::Read, |route| route.needs);
        let caller = self.caller(incoming, needs, now)?;
        if caller.organisation != 0 {
            *organisation = Some(caller.organisation);
        }
        let class = route.map_or(Class::Unlimited, |route| route.class);
        if limited && class == Class::Login && !self.limiter.admit_login(incoming.source, now) {
            return Err(Refusal::too_many());
        }
        if let Some(org) = self.state.organisations.get_mut(&caller.organisation) {
            let within_month = limits::admit_month(&mut org.calls, now);
            let name = incoming.operation.operation.as_str();
            if limited && !(within_month && self.limiter.admit_class(org.id, name, class, now)) {
                return Err(Refusal::too_many());
            }
        }
        let Some(route) = route else {
            let name = &incoming.operation.operation;
            return Err(Refusal::message(501, format!("{name} is not simulated")));
        };
        let body = if incoming.body.iter().all(u8::is_ascii_whitespace) {
            Value::Null
        } else {
            serde_json::from_slice(&incoming.body)
                .map_err(|_| Refusal::bad_request("The body is not valid JSON"))?
        };
        Ok((route, caller, body))
    }

    /// Who calls, and whether that is enough.
    fn caller(&self, incoming: &Incoming, needs: Needs, now: Timestamp) -> Result<Caller, Refusal> {
        if needs == Needs::Nothing {
            return Ok(Caller::default());
        }
        let header =
            incoming.headers.get(http::header::AUTHORIZATION).and_then(|header| header.to_str().ok());
        let claims = token::read_bearer(header, &self.state.signing_key, now)?;
        let roles = self
            .state
            .roles(&claims)
            .ok_or_else(|| Refusal::coded(401, Code::INVALID_TOKEN, "Invalid token"))?;
        let allowed = match needs {
            Needs::Nothing | Needs::Read => true,
            Needs::Write => roles.iter().any(|role| matches!(role, 1 | 2)),
            Needs::Admin => roles.contains(&1),
            Needs::Person => claims.user.is_some(),
        };
        if !allowed {
            return Err(Refusal::forbidden("Access denied: the role does not permit this operation"));
        }
        Ok(Caller {
            organisation: claims.organisation,
            application_token: claims.application_token,
            user: claims.user,
            roles,
        })
    }
}

/// How long a device write takes.
fn write_time(options: &Options, body: &Value) -> Duration {
    let items = body.as_array().or_else(|| body.get("endpoints")?.as_array()).map_or(1, Vec::len);
    options.endpoint_write_time + options.endpoint_item_time * u32::try_from(items).unwrap_or(u32::MAX)
}

/// What a device write gets while another one is under way. [S]
fn space_busy() -> Refusal {
    Refusal::coded(404, Code::NOT_FOUND, "IP address space is busy: another endpoint is being written")
}

fn unknown_path(method: &Method, path: &str) -> Refusal {
    Refusal::message(StatusCode::NOT_FOUND.as_u16(), format!("{method} {path} is no operation of the API"))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Undoes percent encoding and `+` for a space.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let escaped = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(match (first, escaped) {
            (_, Some(byte)) => {
                rest = &tail[2..];
                byte
            }
            (b'+', None) => b' ',
            (other, None) => *other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bulk_write_takes_longer_with_every_device() {
        let ms = Duration::from_millis;
        let options =
            Options { endpoint_write_time: ms(50), endpoint_item_time: ms(2), ..Options::default() };
        let time = |body: &Value| write_time(&options, body);
        assert_eq!(time(&json!({"name": "one"})), ms(52));
        assert_eq!(time(&json!({"status": {"id": 0}, "endpoints": [{}, {}, {}]})), ms(56));
        assert_eq!(time(&json!([{"id": 1}, {"id": 2}])), ms(54));
    }

    #[test]
    fn queries_are_decoded() {
        let pairs = pairs("q=iccid%3A8988%2Cstatus:0&sort=-created&x=a+b%zz");
        assert_eq!(pairs[0], ("q".to_owned(), "iccid:8988,status:0".to_owned()));
        assert_eq!(pairs[2].1, "a b%zz");
    }
}
