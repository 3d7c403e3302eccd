//! Live sessions by host and organisation: workspaces with credentials of one organisation share one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use emnify::BaseUrl;
use emnify::{Client, Config, Credentials, Error, HostLimits, Jwt, Transport};
use emnify_engine::{directory::WorkspaceKey, engine::Engine, kind::Id, session::Session};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::usage::Usage;
use crate::{
    kinds::application_token::ApplicationToken,
    lead::{Lead, claims::Place},
    observe::metrics::{HostSnapshot, OrganisationSnapshot, Snapshot},
};

struct Shared {
    session: Arc<Session>,
    usage: Arc<Usage>,
    /// Each with its percent of the monthly quota.
    users: BTreeMap<WorkspaceKey, u8>,
}

/// All live sessions, and what new ones are made with.
pub struct Sessions {
    engine: Engine,
    transport: Arc<dyn Transport>,
    ip_share: f64,
    lead: Arc<Lead>,
    limits: Mutex<BTreeMap<String, Arc<HostLimits>>>,
    live: Mutex<HashMap<Place, Shared>>,
}

impl Sessions {
    /// None yet. Every request asks the gate of `lead`.
    pub fn new(engine: Engine, transport: Arc<dyn Transport>, ip_share: f64, lead: Arc<Lead>) -> Self {
        Self { engine, transport, ip_share, lead, limits: Mutex::default(), live: Mutex::default() }
    }

    /// A client that has not logged in, and takes no token of another organisation than `pinned`; clients of one host share
    /// its budget.
    pub fn client(&self, url: BaseUrl, credentials: Credentials, pinned: Option<i64>) -> Client {
        let mut limits = self.limits.lock();
        let limits = limits.entry(url.origin()).or_insert_with(|| HostLimits::new(self.ip_share)).clone();
        let config = Config::new(url, credentials, self.transport.clone(), limits);
        Client::new(Config { gate: self.lead.gate.clone(), organisation: pinned, ..config })
    }

    /// The session of the organisation that `client` is logged in to: the live one, which takes over the client's
    /// token and credentials, or a new one, which reads the event log from `position` on.
    pub fn join(
        &self,
        who: &WorkspaceKey,
        client: Client,
        jwt: &Jwt,
        credentials: &Credentials,
        position: Option<Timestamp>,
    ) -> Result<Arc<Session>, Error> {
        let place = (client.base_url().origin(), jwt.identity.organisation_id);
        let mut live = self.live.lock();
        self.left(leave(&mut live, who, Some(&place)));
        if let Some(shared) = live.get_mut(&place) {
            shared.session.client.set_credentials(credentials.clone());
            shared.session.client.set_token(jwt.clone())?;
            shared.session.clear_refusal();
            shared.users.insert(who.clone(), 100);
            return Ok(shared.session.clone());
        }
        client.pin(place.1)?;
        let session = Session::new(client, place.1.to_string());
        session.hints.set_position(position);
        self.engine.serve(&session);
        let usage = Arc::<Usage>::default();
        usage.follow(&session);
        let users = BTreeMap::from([(who.clone(), 100)]);
        live.insert(place, Shared { session: session.clone(), usage, users });
        Ok(session)
    }

    /// Notes the percent of the monthly quota that a workspace allows; what holds for its session is the smallest.
    pub fn share(&self, who: &WorkspaceKey, percent: u8) -> u8 {
        let mut live = self.live.lock();
        let shared = live.values_mut().find(|shared| shared.users.contains_key(who));
        let Some(shared) = shared else { return percent };
        shared.users.insert(who.clone(), percent);
        shared.users.values().copied().min().unwrap_or(percent)
    }

    /// How traffic and sessions stand, for metrics.
    pub fn snapshot(&self) -> Snapshot {
        let limits = self.limits.lock().clone();
        let host = |(host, limits): (String, Arc<HostLimits>)| HostSnapshot {
            host,
            limits: limits.snapshot(),
            counts: limits.counters().snapshot(),
        };
        let live = self.live.lock();
        let organisations: Vec<_> =
            live.values().map(|shared| (shared.session.clone(), shared.usage.last())).collect();
        drop(live);
        let organisation = |(session, usage): (Arc<Session>, _)| OrganisationSnapshot {
            session: self.engine.session(&session),
            credential_expires: credential_expires(&session),
            usage,
        };
        Snapshot {
            now: self.engine.now(),
            hosts: limits.into_iter().map(host).collect(),
            engine: self.engine.snapshot(),
            sessions: organisations.into_iter().map(organisation).collect(),
            ..Snapshot::default()
        }
    }

    /// The workspace uses no session any more; one that nobody uses ends, and another shard may serve its organisation.
    pub fn leave(&self, who: &WorkspaceKey) {
        let mut live = self.live.lock();
        self.left(leave(&mut live, who, None));
    }

    fn left(&self, places: Vec<Place>) {
        for place in places {
            let lead = self.lead.clone();
            tokio::spawn(async move {
                if let Some(claims) = &lead.claims {
                    claims.release(&place).await;
                }
            });
        }
    }
}

/// As far as the listing of tokens shows it, where there is one.
fn credential_expires(session: &Session) -> Option<Timestamp> {
    let id = Id::Int(session.own_token()?);
    session.shelf::<ApplicationToken>().mirror.row(&id)?.expires
}

/// Takes a user away; returns the places of sessions that ended.
fn leave(live: &mut HashMap<Place, Shared>, who: &WorkspaceKey, except: Option<&Place>) -> Vec<Place> {
    let mut ended = Vec::new();
    live.retain(|place, shared| {
        if except == Some(place) {
            return true;
        }
        shared.users.remove(who);
        if shared.users.is_empty() {
            shared.session.stop();
            ended.push(place.clone());
        }
        !shared.users.is_empty()
    });
    ended
}
