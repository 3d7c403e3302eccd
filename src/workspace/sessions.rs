//! Live sessions by host and organisation: workspaces with credentials of one organisation share one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use emnify::BaseUrl;
use emnify::{Client, Config, Credentials, Error, HostLimits, Jwt, Transport};
use emnify_engine::{directory::WorkspaceKey, engine::Engine, session::Session};

/// Host and organisation.
type Place = (String, i64);

struct Shared {
    session: Arc<Session>,
    users: BTreeSet<WorkspaceKey>,
}

/// All live sessions, and what new ones are made with.
pub struct Sessions {
    engine: Engine,
    transport: Arc<dyn Transport>,
    ip_share: f64,
    limits: Mutex<HashMap<String, Arc<HostLimits>>>,
    live: Mutex<HashMap<Place, Shared>>,
}

impl Sessions {
    /// None yet.
    pub fn new(engine: Engine, transport: Arc<dyn Transport>, ip_share: f64) -> Self {
        Self { engine, transport, ip_share, limits: Mutex::default(), live: Mutex::default() }
    }

    /// A client that has not logged in; clients of one host share its budget.
    pub fn client(&self, url: BaseUrl, credentials: Credentials) -> Client {
        let mut limits = self.limits.lock().expect("nobody panics while holding the limits");
        let limits = limits.entry(url.origin()).or_insert_with(|| HostLimits::new(self.ip_share)).clone();
        Client::new(Config::new(url, credentials, self.transport.clone(), limits))
    }

    /// The session of the organisation that `client` is logged in to: the live one, which takes over the client's
    /// token and credentials, or a new one.
    pub fn join(
        &self,
        who: &WorkspaceKey,
        client: Client,
        jwt: &Jwt,
        credentials: &Credentials,
    ) -> Result<Arc<Session>, Error> {
        let place = (client.base_url().origin(), jwt.identity.organisation_id);
        let mut live = self.live.lock().expect("nobody panics while holding the sessions");
        leave(&mut live, who, Some(&place));
        if let Some(shared) = live.get_mut(&place) {
            shared.session.client.set_credentials(credentials.clone());
            shared.session.client.set_token(jwt.clone())?;
            shared.session.clear_refusal();
            shared.users.insert(who.clone());
            return Ok(shared.session.clone());
        }
        let session = Session::new(client, place.1.to_string());
        self.engine.serve(&session);
        let users = BTreeSet::from([who.clone()]);
        live.insert(place, Shared { session: session.clone(), users });
        Ok(session)
    }

    /// The workspace uses no session any more; one that nobody uses ends.
    pub fn leave(&self, who: &WorkspaceKey) {
        leave(&mut self.live.lock().expect("nobody panics while holding the sessions"), who, None);
    }
}

fn leave(live: &mut HashMap<Place, Shared>, who: &WorkspaceKey, except: Option<&Place>) {
    live.retain(|place, shared| {
        if except == Some(place) {
            return true;
        }
        shared.users.remove(who);
        if shared.users.is_empty() {
            shared.session.stop();
        }
        !shared.users.is_empty()
    });
}
