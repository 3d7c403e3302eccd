//! Live sessions by host and organisation: workspaces with credentials of one organisation share one, each with a caller
//! of its own.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use emnify::BaseUrl;
use emnify::{Client, Config, Credentials, Error, HostLimits, Jwt, Transport};
use emnify_engine::{
    kind::{Id, spec::WorkspaceKey},
    metrics::snapshot::SessionSnapshot,
    run::Engine,
    session::{Access, Session, caller::Caller},
};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{usage::Usage, users::Users};
use crate::{
    kinds::application_token::ApplicationToken,
    leader::{Lead, organisation_lease::Place},
    telemetry::metrics::{HostSnapshot, OrganisationSnapshot, Snapshot},
};

struct Shared {
    session: Arc<Session>,
    usage: Arc<Usage>,
    users: BTreeMap<WorkspaceKey, Share>,
}

/// What a workspace asks of the session that it shares.
#[derive(Clone, Copy, Default)]
struct Share {
    /// Percent of the monthly quota, once it is known.
    percent: Option<u8>,
    /// Time between listings, where it sets one.
    sweep: Option<Duration>,
}

/// All live sessions, and what new ones are made with.
pub struct Sessions {
    engine: Engine,
    transport: Arc<dyn Transport>,
    ip_share: f64,
    lead: Arc<Lead>,
    /// People that workspaces log in as.
    pub(super) users: Users,
    limits: Mutex<BTreeMap<String, Arc<HostLimits>>>,
    live: Mutex<HashMap<Place, Shared>>,
}

impl Sessions {
    /// None yet. Every request asks the gate of `lead`.
    pub fn new(engine: Engine, transport: Arc<dyn Transport>, ip_share: f64, lead: Arc<Lead>) -> Self {
        Self {
            engine,
            transport,
            ip_share,
            lead,
            users: Users::default(),
            limits: Mutex::default(),
            live: Mutex::default(),
        }
    }

    /// A client that has not logged in, and never works for another organisation than the one it is `pinned` to. Clients of
    /// one host share its budget.
    pub fn client(&self, url: BaseUrl, credentials: Credentials, pinned: Option<i64>) -> Client {
        let mut limits = self.limits.lock();
        let limits = limits.entry(url.origin()).or_insert_with(|| HostLimits::new(self.ip_share)).clone();
        let config = Config::new(url, credentials, self.transport.clone(), limits);
        Client::new(Config { gate: self.lead.gate.clone(), organisation: pinned, ..config })
    }

    /// The session of the organisation that `client` is logged in to, and the caller of this workspace in it: the live one,
    /// or a new one, which reads the event log from `position` on. Whoever joins has to know from emnify that the token
    /// is one of that organisation. A workspace that is in the session already goes on with its own client, which takes
    /// over token and credentials; nobody else's is touched.
    pub fn join(
        &self,
        who: &WorkspaceKey,
        client: Client,
        (jwt, credentials): (&Jwt, &Credentials),
        position: Option<Timestamp>,
    ) -> Result<Access, Error> {
        let place = (client.base_url().origin(), jwt.identity.organisation_id);
        client.pin(place.1)?;
        let mut live = self.live.lock();
        self.left(leave(&mut live, who, Some(&place)));
        if let Some(shared) = live.get_mut(&place) {
            let session = shared.session.clone();
            let caller = match session.caller(who) {
                Some(caller) => {
                    caller.client.set_credentials(credentials.clone());
                    caller.client.set_token(jwt.clone())?;
                    if caller.renewed() {
                        self.engine.shared.kinds().for_each(|kind| kind.allowed_again(who));
                    }
                    caller
                }
                None => session.admit(Caller::new(who.clone(), client)),
            };
            shared.users.entry(who.clone()).or_default();
            return Ok(Access { session, caller });
        }
        let Access { session, caller } = Access::begin(Caller::new(who.clone(), client), place.1.to_string());
        session.hints.set_position(position);
        self.engine.serve(&session);
        let usage = Arc::<Usage>::default();
        usage.follow(&self.engine.shared.tasks, &session);
        let users = BTreeMap::from([(who.clone(), Share::default())]);
        live.insert(place, Shared { session: session.clone(), usage, users });
        Ok(Access { session, caller })
    }

    /// The session that a workspace works in.
    pub fn of(&self, who: &WorkspaceKey) -> Option<Arc<Session>> {
        let live = self.live.lock();
        live.values().find(|shared| shared.users.contains_key(who)).map(|shared| shared.session.clone())
    }

    /// Notes the percent of the monthly quota that a workspace allows and how often it wants listings; what holds for the
    /// session is the smallest of each, whoever of its users was looked at last.
    pub fn share(&self, who: &WorkspaceKey, percent: u8, sweep: Option<Duration>) -> (u8, Option<Duration>) {
        let mut live = self.live.lock();
        let shared = live.values_mut().find(|shared| shared.users.contains_key(who));
        let Some(shared) = shared else { return (percent, sweep) };
        shared.users.insert(who.clone(), Share { percent: Some(percent), sweep });
        let users = shared.users.values();
        let smallest = users.clone().filter_map(|share| share.percent).min().unwrap_or(percent);
        (smallest, users.filter_map(|share| share.sweep).min())
    }

    /// How traffic and sessions stand, for metrics.
    pub fn snapshot(&self) -> Snapshot {
        let limits = self.limits.lock().clone();
        let host = |(host, limits): (String, Arc<HostLimits>)| HostSnapshot {
            host,
            limits: limits.snapshot(),
            counts: limits.counters().snapshot(),
            unread: limits.counters().unread(),
        };
        let live = self.live.lock();
        let organisations: Vec<_> = live
            .iter()
            .map(|(place, shared)| (label(place, live.keys()), shared.session.clone(), shared.usage.last()))
            .collect();
        drop(live);
        let organisation = |(organisation, session, usage): (_, Arc<Session>, _)| OrganisationSnapshot {
            session: SessionSnapshot { organisation, ..self.engine.session(&session) },
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
            self.engine.shared.tasks.errand("release of a claim", async move {
                if let Some(claims) = &lead.claims {
                    claims.release(&place).await;
                }
            });
        }
    }
}

/// The first that expires of those that are logged in with, as far as the listing of tokens shows it.
fn credential_expires(session: &Session) -> Option<Timestamp> {
    let kind_state = session.kind_state::<ApplicationToken>();
    let expires = |id: i64| kind_state.mirror.row(&Id::Int(id))?.expires;
    session.own_tokens().into_iter().filter_map(expires).min()
}

/// What metrics call an organisation: its id, and its host where two hosts have one with that id.
fn label<'a>((host, id): &Place, mut all: impl Iterator<Item = &'a Place>) -> String {
    let alone = !all.any(|(other, same)| same == id && other != host);
    if alone { id.to_string() } else { format!("{id} on {host}") }
}

/// Takes a user away; returns the places of sessions that ended.
fn leave(live: &mut HashMap<Place, Shared>, who: &WorkspaceKey, except: Option<&Place>) -> Vec<Place> {
    let mut ended = Vec::new();
    live.retain(|place, shared| {
        if except == Some(place) {
            return true;
        }
        if shared.users.remove(who).is_some() {
            shared.session.dismiss(who);
        }
        if shared.users.is_empty() {
            shared.session.stop();
            ended.push(place.clone());
        }
        !shared.users.is_empty()
    });
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_two_hosts_are_told_apart() {
        let place = |host: &str, id| (host.to_owned(), id);
        let all = [place("https://a", 1), place("https://b", 1), place("https://b", 2)];
        let labels: Vec<String> = all.iter().map(|one| label(one, all.iter())).collect();
        assert_eq!(labels, ["1 on https://a", "1 on https://b", "2"], "no two series have the same labels");
    }
}
