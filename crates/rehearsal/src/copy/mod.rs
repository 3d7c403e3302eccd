//! A copy of a live organisation, as a way to emnify: what is asked for is read live once, put into a simulator, and asked of that.
//! Ids are emnify's own. What was made or changed is only ever in the copy.

mod devices;
mod families;
mod fill;
mod names;
mod others;
mod pieces;
mod profiles;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use emnify::{Credentials, Error, Transport, TransportError};
use emnify_simulator::{
    Options, Seed, Simulator, State,
    operations::{self, Operation, Params},
    state::{ApplicationToken, Organisation, SimBatch, SmsState},
};
use futures::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use tower::ServiceExt;

use self::{
    families::{Family, Group, Piece, Place, is_reported, pieces_of, place_of},
    names::Names,
};
use crate::{
    live::{Fetch, Live},
    outcome::Request as Recorded,
};

/// What logs in to the copy; it is worth nothing anywhere else.
pub(crate) const LOGIN: &str = "rehearsal";
/// The same as the digest of a person's password.
const PASSWORD: &str = "0123456789abcdef0123456789abcdef01234567";
/// Id of who logs in as a person; emnify has not so many.
const PERSON: u64 = 1 << 52;
/// What every request takes, so that those who wait for each other do; reading live takes none of this time.
const LATENCY: Duration = Duration::from_millis(50);
/// A login lasts longer than any rehearsal.
const LIFETIME: u64 = 10 * 365 * 24 * 3_600;
/// Keys of queries that reach the live organisation.
const QUERY: [&str; 7] = ["page", "per_page", "page_size", "q", "sort", "geographic", "ip_address_version"];

/// Whose copy it is.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    /// Id of the organisation.
    pub(crate) organisation: u64,
    /// Its name.
    pub(crate) name: String,
    /// Id of the application token that reads it, if it is one.
    pub(crate) token: Option<u64>,
    /// The operator logs in as a person.
    pub(crate) person: bool,
    /// Something is done once to what is there, for which it matters where a device is and what was said to it.
    pub(crate) tasks: bool,
}

impl Original {
    /// How the copy is logged in to.
    pub(crate) fn credentials(&self) -> Credentials {
        if !self.person {
            return Credentials::ApplicationToken(LOGIN.to_owned().into());
        }
        Credentials::User {
            username: LOGIN.to_owned(),
            password: PASSWORD.to_owned().into(),
            totp_key: None,
            trusted_device: None,
            mfa_code: None,
        }
    }
}

/// What was copied, and what was not.
#[derive(Debug, Default)]
struct Known {
    groups: HashSet<Group>,
    /// Families that the login may not list, with what was answered.
    refused: BTreeMap<Family, Response<Bytes>>,
    /// Objects that were there before the rehearsal began.
    rows: HashSet<(Family, u64)>,
    pieces: HashSet<(Piece, u64)>,
    refused_pieces: HashMap<(Piece, u64), Response<Bytes>>,
    names: Names,
    /// Live answers that are handed on.
    passed: HashMap<String, Response<Bytes>>,
}

/// The copy.
pub(crate) struct Copy {
    live: Arc<dyn Live>,
    simulator: Simulator,
    router: Router,
    organisation: u64,
    tasks: bool,
    /// One reads at a time: who waits finds it read.
    known: tokio::sync::Mutex<Known>,
    requests: Mutex<Vec<Recorded>>,
    told: Mutex<BTreeSet<String>>,
}

impl Copy {
    /// Nothing is read yet.
    pub(crate) fn of(original: &Original, live: Arc<dyn Live>, now: Timestamp) -> Arc<Self> {
        let named = json!({"id": original.organisation, "name": original.name});
        let mut organisation: Organisation = serde_json::from_value(named).expect("the rest has defaults");
        organisation.token_lifetime = LIFETIME;
        organisation.application_tokens.put(login(original.token.unwrap_or(1)));
        let mut state = State::default();
        state.organisations.put(organisation);
        if original.person {
            let own = json!([{"organisation": original.organisation, "roles": [1], "default": true}]);
            let person =
                json!({"id": PERSON, "username": LOGIN, "password_sha1": PASSWORD, "workspaces": own});
            state.users.put(serde_json::from_value(person).expect("the rest has defaults"));
        }
        let seed = Seed::from_state(state).expect("an organisation with a login is a seed");
        let options = Options { seed, start: Some(now), delivers: false, ..Options::default() };
        let simulator = Simulator::start(options);
        let router = simulator.router();
        Arc::new(Self {
            live,
            router,
            simulator,
            organisation: original.organisation,
            tasks: original.tasks,
            known: tokio::sync::Mutex::default(),
            requests: Mutex::default(),
            told: Mutex::default(),
        })
    }

    /// Requests that changed something, in the order in which they were sent.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().clone()
    }

    /// How many there were so far.
    pub(crate) fn written(&self) -> usize {
        self.requests.lock().len()
    }

    /// What could not be copied.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().iter().cloned().collect()
    }

    fn tell(&self, what: String) {
        self.told.lock().insert(what);
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        tokio::time::sleep(LATENCY).await;
        let path = request.uri().path().to_owned();
        let Some((operation, params)) = operations::find(request.method(), &path) else {
            return self.ask(request).await;
        };
        match place_of(&operation.path) {
            Place::Own => self.ask(request).await,
            Place::Batch => self.of_batch(request, operation, params).await,
            Place::Passed if request.method() == Method::GET => self.pass(&request, operation, params).await,
            Place::Passed => {
                self.tell(format!(
                    "{} {}: taken as accepted, and what becomes of it is not known",
                    request.method(),
                    operation.path
                ));
                Ok(self.taken(&request))
            }
            Place::Of(family) => self.of_family(request, family, (operation, params)).await,
        }
    }

    async fn of_family(
        &self,
        request: Request<Bytes>,
        family: Family,
        (operation, params): (&'static Operation, Params),
    ) -> Result<Response<Bytes>, TransportError> {
        let mut known = self.known.lock().await;
        if known.groups.insert(family.group()) {
            self.fill(&mut known, family.group()).await?;
        }
        let reads = request.method() == Method::GET;
        if let Some(refusal) = known.refused.get(&family).filter(|_| reads) {
            return Ok(refusal.clone());
        }
        for piece in pieces_of(&operation.path) {
            let Some(id) = params.first().and_then(|(_, value)| value.parse().ok()) else { continue };
            let of = (*piece, id);
            if known.rows.contains(&(family, id)) {
                self.learn_piece(&mut known, *piece, id).await?;
            }
            if let Some(refusal) = known.refused_pieces.get(&of).filter(|_| reads) {
                return Ok(refusal.clone());
            }
        }
        if operation.path.ends_with("/traffic_limit_extension") {
            self.learn_limits(&mut known, &params).await?;
        }
        let before = params
            .first()
            .and_then(|(_, id)| id.parse().ok())
            .is_some_and(|id| known.rows.contains(&(family, id)));
        if self.tasks && before && is_reported(request.method(), &operation.path) {
            drop(known);
            if !reads {
                return Ok(self.taken(&request));
            }
            let live = self.pass(&request, operation, params).await?;
            if !matches!(live.status().as_u16(), 401 | 403) {
                return Ok(live);
            }
            // an operator that is a person may read what this token may not
            self.tell(format!("{}: the token may not read it, so the plan is without it", operation.path));
            return self.ask(request).await;
        }
        if !reads {
            self.make_room(family, &request);
        }
        let translated =
            !known.names.is_empty() && matches!(family.group(), Group::Automations | Group::Streams);
        let request = if translated { renamed(request, &known.names) } else { request };
        drop(known);
        let names = translated.then_some(&self.known);
        if reads {
            return self.shown(request, names).await;
        }
        let told =
            params.first().filter(|_| operation.path.ends_with("/sms")).and_then(|(_, id)| id.parse().ok());
        let answer = self.record(request, names).await?;
        if let Some(device) = told {
            self.deliver(device);
        }
        Ok(answer)
    }

    /// Whether a batch can be registered is live; that it then was, is known to the copy.
    async fn of_batch(
        &self,
        request: Request<Bytes>,
        operation: &'static Operation,
        params: Params,
    ) -> Result<Response<Bytes>, TransportError> {
        let code = params.first().map(|(_, code)| code.clone()).unwrap_or_default();
        let live = self.pass(&request, operation, params).await?;
        if live.status().is_success() {
            self.simulator.amend(|state| {
                let batches = &mut state.sim_batches;
                if !batches.values().any(|batch| batch.bic == code) {
                    let id = batches.keys().last().map_or(1, |last| last + 1);
                    batches.put(SimBatch {
                        id,
                        bic: code,
                        customer_org: None,
                        registered_by: None,
                        sims: vec![],
                    });
                }
            });
        }
        match (request.method() == Method::GET, live.status().is_success()) {
            (true, false) => Ok(live),
            (true, true) => self.ask(request).await,
            (false, _) => self.record(request, None).await,
        }
    }

    /// Whom a message reaches nobody knows before: it is taken as delivered, so that whoever waits for that goes on.
    fn deliver(&self, device: u64) {
        let (organisation, now) = (self.organisation, self.simulator.now());
        self.simulator.amend(|state| {
            let org = state.organisations.get_mut(&organisation);
            let device = org.and_then(|org| org.endpoints.get_mut(&device));
            for message in device.into_iter().flat_map(|device| device.sms.values_mut()) {
                (message.status, message.final_date) = (SmsState::Delivered, Some(now));
            }
        });
    }

    /// Only a limit of a device's profile can be extended.
    async fn learn_limits(&self, known: &mut Known, params: &Params) -> Result<(), TransportError> {
        let device: Option<u64> = params.first().and_then(|(_, id)| id.parse().ok());
        let profile = device.and_then(|device| {
            self.simulator.inspect(|state| {
                Some(state.organisations.get(&self.organisation)?.endpoints.get(&device)?.service_profile)
            })
        });
        match profile.filter(|id| known.rows.contains(&(Family::ServiceProfiles, *id))) {
            Some(profile) => self.learn_piece(known, Piece::ServiceProfile, profile).await,
            None => Ok(()),
        }
    }

    /// Reads a piece of an object that was there before, once.
    async fn learn_piece(&self, known: &mut Known, piece: Piece, id: u64) -> Result<(), TransportError> {
        if !known.pieces.insert((piece, id)) {
            return Ok(());
        }
        match self.fill_piece(piece, id).await {
            Ok(()) => Ok(()),
            Err(Trouble::Unread(error)) => Err(error),
            Err(Trouble::Refused(refusal)) => {
                known.refused_pieces.insert((piece, id), *refusal);
                Ok(())
            }
        }
    }

    /// Hands on what is live, which is read once.
    async fn pass(
        &self,
        request: &Request<Bytes>,
        operation: &'static Operation,
        params: Params,
    ) -> Result<Response<Bytes>, TransportError> {
        let uri = request.uri().to_string();
        let mut known = self.known.lock().await;
        if let Some(answer) = known.passed.get(&uri) {
            return Ok(answer.clone());
        }
        let args = params.into_iter().map(|(_, value)| value).collect();
        let query = query_of(request.uri().query().unwrap_or_default());
        let answer = self.read(Fetch { route: &operation.path, args, query }).await?;
        known.passed.insert(uri, answer.clone());
        Ok(answer)
    }

    /// Reads something live.
    async fn read(&self, what: Fetch) -> Result<Response<Bytes>, TransportError> {
        self.live.fetch(what).await.map_err(|error| match error {
            Error::Unavailable { message } => TransportError::Connect(message),
            other => TransportError::Connect(other.to_string()),
        })
    }

    /// Remembers what was asked, and says yes.
    fn taken(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let at = self.remember(request);
        self.requests.lock()[at].status = StatusCode::ACCEPTED.as_u16();
        let mut answer = Response::new(Bytes::from_static(b"{}"));
        *answer.status_mut() = StatusCode::ACCEPTED;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer
    }

    /// Remembers what was asked, and says where.
    fn remember(&self, request: &Request<Bytes>) -> usize {
        let (method, body) =
            (request.method().to_string(), String::from_utf8_lossy(request.body()).into_owned());
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let mut requests = self.requests.lock();
        requests.push(Recorded { method, path, body, status: 0 });
        requests.len() - 1
    }

    /// Asks the copy, and remembers what was asked.
    async fn record(
        &self,
        request: Request<Bytes>,
        names: Option<&tokio::sync::Mutex<Known>>,
    ) -> Result<Response<Bytes>, TransportError> {
        let at = self.remember(&request);
        let answer = self.shown(request, names).await?;
        self.requests.lock()[at].status = answer.status().as_u16();
        Ok(answer)
    }

    /// Asks the copy, and shows live ids.
    async fn shown(
        &self,
        request: Request<Bytes>,
        names: Option<&tokio::sync::Mutex<Known>>,
    ) -> Result<Response<Bytes>, TransportError> {
        let mut answer = self.ask(request).await?;
        let Some(known) = names else { return Ok(answer) };
        let known = known.lock().await;
        let body = known.names.to_live(&String::from_utf8_lossy(answer.body()));
        if let Some(location) = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok())
            && let Ok(location) = known.names.to_live(location).parse()
        {
            answer.headers_mut().insert(header::LOCATION, location);
        }
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        *answer.body_mut() = Bytes::from(body);
        Ok(answer)
    }

    /// Asks the copy.
    async fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let answer = self.router.clone().oneshot(request.map(Body::from)).await;
        let (parts, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
        let body = body.collect().await.map_err(|error| TransportError::AfterSend(error.to_string()))?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

impl Transport for Copy {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.answer(request).boxed()
    }
}

/// Why something live was not read.
enum Trouble {
    /// Nobody knows.
    Unread(TransportError),
    /// The login may not.
    Refused(Box<Response<Bytes>>),
}

impl From<TransportError> for Trouble {
    fn from(error: TransportError) -> Self {
        Self::Unread(error)
    }
}

/// The token that the rehearsal logs in with.
fn login(id: u64) -> ApplicationToken {
    ApplicationToken {
        id,
        token: LOGIN.to_owned(),
        description: None,
        revoked: false,
        created: Timestamp::UNIX_EPOCH,
        expiry_date: None,
        ip: None,
        creator: None,
        roles: vec![1],
    }
}

/// The same request in the copy's own ids.
fn renamed(request: Request<Bytes>, names: &Names) -> Request<Bytes> {
    let (mut parts, body) = request.into_parts();
    if let Ok(uri) = names.to_copy(&parts.uri.to_string()).parse() {
        parts.uri = uri;
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = match std::str::from_utf8(&body) {
        Ok(text) => Bytes::from(names.to_copy(text)),
        Err(_) => body,
    };
    Request::from_parts(parts, body)
}

/// What a query says that the live organisation is asked as well.
fn query_of(query: &str) -> Vec<(&'static str, String)> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let key = QUERY.iter().find(|known| **known == key)?;
        Some((*key, value.replace("%3A", ":").replace("%2C", ",").replace("%7C", "|").replace('+', " ")))
    };
    query.split('&').filter_map(pair).collect()
}
